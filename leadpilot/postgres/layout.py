"""Where the private server keeps its files, and the account it runs as."""

from __future__ import annotations

import hashlib
import os
import pwd
import secrets
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leadpilot.postgres.errors import PostgresError

PORT = 5432  # only the name of a socket file: no server listens on the network
LONGEST_SOCKET = 103  # bytes in sun_path on macOS and the BSDs; Linux allows four more
STATE = Path(
    "/var/lib/leadpilot"
)  # for root only: what the unprivileged account must reach and cannot under a 0700 home


@dataclass(frozen=True)
class Account:
    """Whom the server runs as: ourselves, or an existing unprivileged account when we are root."""

    uid: int
    gid: int
    other: bool  # True when it is not the account of this process

    def popen(self) -> dict[str, Any]:
        """What `subprocess` needs to run a program as this account."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.other else {}

    def own(self, path: Path) -> None:
        """Hand a file or folder over to this account."""
        if self.other:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def can(self, access: str, path: Path) -> bool:
        """Whether the account may read (r), write (w) or enter (x) a path, every folder above it included."""
        if not self.other:
            return os.access(path, {"r": os.R_OK, "w": os.W_OK, "x": os.X_OK}[access])
        return (
            subprocess.run(["test", f"-{access}", str(path)], check=False, cwd="/", **self.popen()).returncode
            == 0
        )


def account() -> Account:
    """The account for the server. PostgreSQL refuses to run as root; an account is chosen, never created."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), other=False)
    for name in ("postgres", "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(found.pw_uid, found.pw_gid, other=True)
    raise PostgresError(
        "Run as root, PostgreSQL needs an account `postgres` or `nobody`. Set DATABASE_URL instead."
    )


@dataclass(frozen=True)
class Layout:
    """The files of one private server. `home` is the caller's; `cluster` belongs to the server's account."""

    home: Path
    cluster: Path
    sockets: Path
    account: Account

    @property
    def data(self) -> Path:
        return self.cluster / "data"

    @property
    def socket(self) -> Path:
        return self.sockets / f".s.PGSQL.{PORT}"

    @property
    def secret(self) -> Path:
        return self.home / "secret.json"

    @property
    def log(self) -> Path:
        return self.home / "postgres.log"


def locate(home: Path) -> Layout:
    """The layout of `home`. Looks, but makes nothing, so that every process comes to the same answer."""
    who = account()
    link = home / "cluster"
    cluster = Path(os.readlink(link)) if link.is_symlink() else link
    return Layout(home, cluster, _sockets(cluster, who), who)


def prepare(home: Path) -> Layout:
    """Make the folders of `home`: 0700, owned by the server's account, and reachable by it."""
    who = account()
    home.mkdir(parents=True, exist_ok=True)
    os.chmod(home, 0o711 if who.other else 0o700)
    if not _owned_folder(locate(home).cluster, who):
        if not who.other:
            raise PostgresError(
                f"{home / 'cluster'} cannot be written to. Set LEADPILOT_VAR to another folder."
            )
        _move_out(home)
    layout = locate(home)
    if not _owned_folder(layout.cluster, who):
        raise PostgresError(
            f"The server's account cannot write to {layout.cluster}. Set DATABASE_URL instead."
        )
    if not _owned_folder(layout.sockets, who):
        raise PostgresError(f"{layout.sockets} is not ours to use as socket folder. Remove it and try again.")
    return layout


def _move_out(home: Path) -> None:
    """Put the cluster where the account can reach it, and a link to it in `home`.

    The checkout lies under a 0700 folder, or on a disk that knows no owners; parents are never opened up. The name
    is new each time: a later checkout at the same place must not meet the data of this one.
    """
    link = home / "cluster"
    if link.is_symlink():
        link.unlink()
    elif link.exists():
        try:
            link.rmdir()
        except OSError as error:
            raise PostgresError(
                f"{link} has become closed to the server's account. Move it to a place that is not."
            ) from error
    link.symlink_to(STATE / f"cluster-{secrets.token_hex(5)}")


def _sockets(cluster: Path, who: Account) -> Path:
    plain = cluster / "run"
    if len(os.fsencode(plain / f".s.PGSQL.{PORT}")) <= LONGEST_SOCKET:
        return plain
    if who.other:
        return STATE / f"run-{_digest(cluster)}"
    return Path("/tmp") / f"leadpilot-{who.uid}-{_digest(cluster)}"  # noqa: S108 - owner and mode are checked


def _owned_folder(path: Path, who: Account) -> bool:
    """Make a 0700 folder of the account, or take one that is there if it is truly theirs and no link."""
    try:
        if path.parent == STATE:
            STATE.mkdir(mode=0o755, parents=True, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
        who.own(path)
        if path.is_symlink() or path.lstat().st_uid != who.uid:
            return False
        os.chmod(path, 0o700)
    except (PermissionError, FileExistsError):
        return False
    return who.can("w", path)


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:10]
