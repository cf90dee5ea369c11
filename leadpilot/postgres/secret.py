"""The passwords of the private server: made once, kept in one file that only its maker may read."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from leadpilot.postgres.errors import PostgresError
from leadpilot.postgres.layout import PORT, Layout

DATABASE = "leadpilot"
ROLES = ("admin", "owner", "app", "system")


@dataclass(frozen=True)
class Secret:
    """One password a role. `repr` shows none of them."""

    passwords: dict[str, str]

    def __repr__(self) -> str:
        return "Secret(…)"

    @classmethod
    def of(cls, layout: Layout) -> Secret:
        """Read the passwords of a layout, or make them when there is no cluster yet."""
        known = read_secret(layout.secret)
        if known:
            return known
        if (layout.data / "PG_VERSION").exists():
            raise PostgresError(
                f"{layout.secret} is missing, and without it nobody can log in to the data in {layout.data}. "
                "Put the file back, or move that folder away to start empty."
            )
        made = cls({role: secrets.token_urlsafe(24) for role in ROLES})
        made._write(layout.secret)
        return made

    def url(self, layout: Layout, role: str, database: str = DATABASE) -> str:
        """The connection URL of a role (admin, owner, app, system) over the private socket."""
        host = quote(str(layout.sockets), safe="")
        return f"postgresql://leadpilot_{role}:{self.passwords[role]}@/{database}?host={host}&port={PORT}"

    def _write(self, path: Path) -> None:
        beside = path.with_suffix(".new")
        beside.unlink(missing_ok=True)
        handle = os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with open(handle, "w") as file:
            json.dump(self.passwords, file)
            file.flush()
            os.fsync(file.fileno())
        beside.rename(path)


def read_secret(path: Path) -> Secret | None:
    """The passwords in `path`; None when there is no such file."""
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise PostgresError(
            f"{path} belongs to another account: run as that account, or set DATABASE_URL."
        ) from error
    except ValueError as error:
        raise PostgresError(f"{path} is damaged. Put a good copy back, or set DATABASE_URL.") from error
    if not isinstance(found, dict) or set(found) != set(ROLES):
        raise PostgresError(f"{path} is damaged. Put a good copy back, or set DATABASE_URL.")
    return Secret(found)
