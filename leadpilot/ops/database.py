"""Databases for a restore: one is filled beside the old, then takes its name, all in one transaction or not at all."""

from __future__ import annotations

import secrets
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from typing import IO, Any

import psycopg
from django.contrib.contenttypes.models import ContentType
from django.db import connections
from psycopg import sql

from leadpilot.ops import programs
from leadpilot.ops.backup import CHUNK
from leadpilot.ops.errors import OpsError
from leadpilot.orgs.grants import grant_before_migrating

ALIASES = ("default", "owner", "system")
GOODBYE = 3.0  # seconds for connections that were closed a moment ago
PATIENCE = 20.0  # seconds for the last connections to the old database to end


def name_beside(target: str, kind: str) -> str:
    """A new name for a database: the same, and what it is. PostgreSQL takes 63 bytes."""
    return f"{target[:30]}_{kind}_{secrets.token_hex(3)}"


@contextmanager
def maintenance() -> Iterator[psycopg.Connection[Any]]:
    """As the owner's role, outside of any database of ours. Raises OpsError."""
    try:
        line = psycopg.connect(**programs.connection_of("owner", "postgres"), autocommit=True)
    except psycopg.OperationalError as error:
        raise OpsError(
            f"The owner's role cannot connect to the database “postgres”: {str(error).strip()}"
        ) from error
    with closing(line):
        yield line


@contextmanager
def pointed_at(database: str) -> Iterator[None]:
    """Have Django in this process work on another database of the same server until the block ends."""
    before = {alias: connections[alias].settings_dict["NAME"] for alias in ALIASES}
    try:
        _point(dict.fromkeys(ALIASES, database))
        yield
    finally:
        _point(before)


def _point(names: dict[str, str]) -> None:
    for alias, name in names.items():
        connections[alias].close()
        connections[alias].settings_dict["NAME"] = name
    ContentType.objects.clear_cache()  # other numbers there


def exists(line: psycopg.Connection[Any], database: str) -> bool:
    """Whether there is a database of this name."""
    return line.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone() is not None


def is_empty(database: str) -> bool:
    """Whether nobody and nothing would be missed in it: no tables, or ours without users and organizations."""
    with psycopg.connect(**programs.connection_of("system", database), autocommit=True) as line:
        [(ours, others)] = line.execute(
            "SELECT count(*) FILTER (WHERE relname IN ('orgs_user', 'orgs_organization')), count(*) FROM pg_class "
            "WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        ).fetchall()
        if ours < 2:
            return bool(others == 0)
        query = "SELECT NOT EXISTS (SELECT FROM orgs_user) AND NOT EXISTS (SELECT FROM orgs_organization)"
        [(empty,)] = line.execute(query).fetchall()
        return bool(empty)


def connected(line: psycopg.Connection[Any], database: str) -> int:
    """How many connections others have to it, once those that are just ending have ended."""
    # Of other roles' connections little can be seen; PostgreSQL's own processes there have no user.
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND usesysid IS NOT NULL"
    deadline = time.monotonic() + GOODBYE
    while True:
        [(count,)] = line.execute(query, [database]).fetchall()
        if not count or time.monotonic() > deadline:
            return int(count)
        time.sleep(0.05)


def create(line: psycopg.Connection[Any], database: str) -> None:
    """A new database that our three roles alone may enter. Raises OpsError when the owner's role may not make one."""
    roles = [connections[alias].settings_dict["USER"] for alias in ("default", "system")]
    name = sql.Identifier(database)
    try:
        line.execute(sql.SQL("CREATE DATABASE {}").format(name))
    except psycopg.errors.InsufficientPrivilege as error:
        owner = connections["owner"].settings_dict["USER"]
        raise OpsError(
            f"A restore makes a database: ALTER ROLE {owner} CREATEDB, as .env.example says."
        ) from error
    line.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
    line.execute(
        sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(
            name, sql.SQL(", ").join(map(sql.Identifier, dict.fromkeys(roles)))
        )
    )


def drop(line: psycopg.Connection[Any], database: str) -> None:
    """Remove a database, if it is there. Raises OpsError when somebody stays connected to it.

    Not WITH (FORCE): that needs rights over whoever is connected, and autovacuum, which may be, is the superuser's.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            line.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(database)))
        except psycopg.errors.ObjectInUse as error:  # after five seconds, in which autovacuum is asked to go
            if time.monotonic() > deadline:
                raise OpsError(
                    f"The database {database} is in use and stays: DROP DATABASE {database} removes it."
                ) from error
        else:
            return


def load(database: str, dump: IO[bytes], *, at_least: int) -> None:
    """Fill a new database from a dump, all objects the owner's. Raises OpsError with what pg_restore said."""
    program = programs.find("pg_restore", at_least=at_least)
    command = [
        str(program),
        "--exit-on-error",
        "--no-owner",
        "--no-privileges",
        "--no-comments",
        "-d",
        database,
    ]
    env = programs.environment(programs.connection_of("owner", database))
    with tempfile.TemporaryFile("w+") as said:
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said, env=env
        ) as restore:
            assert restore.stdin is not None
            try:
                while chunk := dump.read(CHUNK):
                    restore.stdin.write(chunk)
                restore.stdin.close()
            except BrokenPipeError:  # it ended early, and says why below
                pass
            restore.wait()
        if restore.returncode:
            said.seek(0)
            raise OpsError(f"pg_restore failed ({restore.returncode}): {said.read()[-2000:].strip()}")


def give_rights() -> None:
    """What a dump without owners and grants lacks, in the database that Django is pointed at.

    The application's and the system's rights, and the system's role as owner of the functions that look over all
    organizations; the policies are in the dump.
    """
    grant_before_migrating(using="owner")
    system = sql.Identifier(connections["system"].settings_dict["USER"])
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT proname, pg_get_function_identity_arguments(oid) FROM pg_proc "
            "WHERE prosecdef AND pronamespace = 'public'::regnamespace"
        )
        for name, arguments in cursor.fetchall():
            function = sql.SQL("FUNCTION {}({})").format(sql.Identifier(name), sql.SQL(arguments))
            cursor.execute(sql.SQL("REVOKE ALL ON {} FROM PUBLIC").format(function))
            cursor.execute(sql.SQL("ALTER {} OWNER TO {}").format(function, system))
        cursor.execute("ANALYZE")


def swap(line: psycopg.Connection[Any], *, new: str, target: str, aside: str) -> None:
    """The new database takes the target's name, the old one `aside`, in one transaction. Raises OpsError when somebody
    stays connected."""
    deadline = time.monotonic() + PATIENCE
    while True:
        with suppress(psycopg.errors.ObjectInUse):
            if not connected(line, target):
                with line.transaction():
                    if exists(line, target):
                        _rename(line, target, aside)
                    _rename(line, new, target)
                return
        if time.monotonic() > deadline:
            raise OpsError(
                f"Somebody is connected to the database {target}: stop LeadPilot everywhere, and try again."
            )


def _rename(line: psycopg.Connection[Any], name: str, to: str) -> None:
    line.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(name), sql.Identifier(to)))


def moment(line: psycopg.Connection[Any]) -> tuple[datetime, int]:
    """The server's clock and its major version."""
    [(now, version)] = line.execute("SELECT now(), current_setting('server_version_num')").fetchall()
    return now, int(version) // 10000
