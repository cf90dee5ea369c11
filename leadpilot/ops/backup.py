"""One file with the database and the media files: `manage.py backup`.

A zip that is written in one pass: the dump (PostgreSQL's custom format), the media files, and the manifest last.
Dump and counts come from one snapshot, while everything goes on.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import psycopg
from django.apps import apps
from django.conf import settings
from psycopg import sql

from leadpilot.lib.secrets import secret_fields
from leadpilot.ops import manifest, programs
from leadpilot.ops.errors import OpsError
from leadpilot.ops.manifest import Manifest, Part
from leadpilot.version import VERSION

# Worth nothing later, or dangerous: wake-ups, sign-ins, and links that are good for one sign-in each.
WITHOUT_ROWS = ("django_q_ormq", "django_session", "orgs_signinlink")
CHUNK = 1 << 20
_KEY_IN = r"v1\.([A-Za-z0-9_-]{1,32})\.[A-Za-z0-9_-]+"


@dataclass(frozen=True)
class _Seen:
    """The database at one moment."""

    snapshot: str
    at: datetime
    postgresql: int
    migrations: list[list[str]]
    rows: dict[str, int]
    keys_used: list[str]


def make_backup(path: Path, *, force: bool = False) -> Manifest:
    """Write a backup to `path`, whole or not at all, for its maker's eyes only (0600).

    Raises OpsError when there is a file already (unless `force`), or the dump fails.
    """
    path = path.absolute()
    _require_free(path, force)
    with _beside(path) as (temporary, file):
        with _snapshot() as (line, seen), zipfile.ZipFile(file, "w", allowZip64=True) as archive:
            parts = {manifest.DUMP: _dump(archive, seen)}
            line.rollback()  # an old snapshot keeps the database from cleaning up
            parts |= _media(archive)
            made = _manifest(seen, parts)
            archive.writestr(manifest.NAME, made.to_json(), zipfile.ZIP_DEFLATED)
        file.flush()
        os.fsync(file.fileno())
        _require_free(path, force)
        temporary.replace(path)
    _sync(path.parent)
    return made


def _require_free(path: Path, force: bool) -> None:
    if path.is_dir() or (path.exists() and not force):
        raise OpsError(f"{path} is there already; choose another name, or overwrite a file with --force.")


@contextmanager
def _beside(path: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    """A new file in the same folder, which is gone afterwards unless it was renamed."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    except OSError as error:
        raise OpsError(f"{path.parent} cannot be written to: {error.strerror}.") from error
    try:
        with open(handle, "w+b") as file:
            yield temporary, file
    finally:
        temporary.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _snapshot() -> Iterator[tuple[psycopg.Connection[Any], _Seen]]:
    """A transaction as the system's role, which sees every organization's rows, and what it saw."""
    with psycopg.connect(**programs.connection_of("system"), connect_timeout=10) as line:
        line.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        line.read_only = True
        moment = line.execute("SELECT pg_export_snapshot(), now(), current_setting('server_version_num')")
        [(snapshot, at, version)] = moment.fetchall()
        applied = line.execute("SELECT app, name FROM django_migrations ORDER BY app, name").fetchall()
        rows = {table: count(line, table) for table in tables(line)}
        yield (
            line,
            _Seen(
                snapshot, at, int(version) // 10000, [list(row) for row in applied], rows, _keys_used(line)
            ),
        )


def tables(line: psycopg.Connection[Any]) -> list[str]:
    """The tables whose rows are kept."""
    found = line.execute(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace "
        "AND NOT relname = ANY(%s) ORDER BY relname",
        [list(WITHOUT_ROWS)],
    )
    return [name for (name,) in found.fetchall()]


def count(line: psycopg.Connection[Any], table: str) -> int:
    found = line.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()
    return int(found[0]) if found else 0


def _keys_used(line: psycopg.Connection[Any]) -> list[str]:
    """The names of the keys under which anything is stored."""
    places = [
        (model._meta.db_table, str(field.column))
        for model in apps.get_models()
        for field in secret_fields(model)
    ]
    used: set[str] = set()
    for table, column in [*places, ("mfa_authenticator", "data")]:
        query = sql.SQL("SELECT DISTINCT (regexp_matches({column}::text, %s, 'g'))[1] FROM {table}")
        names = query.format(column=sql.Identifier(column), table=sql.Identifier(table))
        used |= {name for (name,) in line.execute(names, [_KEY_IN]).fetchall()}
    return sorted(used)


def _dump(archive: zipfile.ZipFile, seen: _Seen) -> Part:
    program = programs.find("pg_dump", at_least=seen.postgresql)
    command = [str(program), "--format=custom", "--lock-wait-timeout=60s", f"--snapshot={seen.snapshot}"]
    command += [f"--exclude-table-data=public.{table}" for table in WITHOUT_ROWS]
    env = programs.environment(programs.connection_of("system"))
    with tempfile.TemporaryFile("w+") as said:
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, env=env
        ) as dump:
            assert dump.stdout is not None
            part = _put(archive, manifest.DUMP, dump.stdout, zipfile.ZIP_STORED)  # it is compressed already
        if dump.returncode:
            said.seek(0)
            raise OpsError(f"pg_dump failed ({dump.returncode}): {said.read()[-2000:].strip()}")
    return part


def _media(archive: zipfile.ZipFile) -> dict[str, Part]:
    root = Path(settings.MEDIA_ROOT)
    parts = {}
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.is_symlink():
            name = f"{manifest.MEDIA}{path.relative_to(root).as_posix()}"
            with open(path, "rb") as file:
                parts[name] = _put(archive, name, file, zipfile.ZIP_DEFLATED)
    return parts


def _put(archive: zipfile.ZipFile, name: str, source: IO[bytes], compression: int) -> Part:
    digest, size = hashlib.sha256(), 0
    entry = zipfile.ZipInfo(name)
    entry.compress_type, entry.external_attr = compression, 0o600 << 16
    with archive.open(entry, "w", force_zip64=True) as target:
        while chunk := source.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
            target.write(chunk)
    return Part(size, digest.hexdigest())


def _manifest(seen: _Seen, parts: dict[str, Part]) -> Manifest:
    return Manifest(
        version=VERSION,
        made_at=seen.at,
        postgresql=seen.postgresql,
        migrations=seen.migrations,
        rows=seen.rows,
        keys=manifest.ring(),
        keys_used=seen.keys_used,
        secret_key=manifest.secret_key(),
        parts=parts,
    )
