"""Databases for campaigns: a PostgreSQL server of its own, or a copy of a database beside the one that is configured."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import environ
import psycopg
from django.conf import settings
from django.db import connections
from psycopg import sql

from leadpilot import postgres
from leadpilot.postgres import Urls
from leadpilot.postgres import server as processes
from leadpilot.postgres.layout import locate

ROOT = Path(__file__).resolve().parents[2]
ALIASES = {"default": "app", "owner": "owner", "system": "system"}


def configured() -> Urls:
    """The URLs that this very process is set up with."""
    if url := os.environ.get("DATABASE_URL"):
        return Urls(url, os.environ["DATABASE_OWNER_URL"], os.environ["DATABASE_SYSTEM_URL"])
    private = postgres.urls(settings.VAR / "postgres")
    assert private is not None, "settings have started it"
    return private


def named(urls: Urls, database: str) -> Urls:
    """The same server and roles, another database."""

    def other(url: str) -> str:
        return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))

    return replace(urls, app=other(urls.app), owner=other(urls.owner), system=other(urls.system))


def database_of(urls: Urls) -> str:
    """The database's name."""
    return urlsplit(urls.app).path.lstrip("/")


def copy(urls: Urls, name: str) -> Urls:
    """A new database `name`, the same in all as the one in `urls`, which nobody may be connected to."""
    target, template = sql.Identifier(name), sql.Identifier(database_of(urls))
    with psycopg.connect(named(urls, "postgres").owner, autocommit=True) as line:
        line.execute(sql.SQL("drop database if exists {} with (force)").format(target))
        line.execute(sql.SQL("create database {} template {} strategy file_copy").format(target, template))
    return named(urls, name)


def drop(urls: Urls) -> None:
    """Remove a copy. Connections of processes that were killed may take a moment to end; raises after 20 s of that."""
    statement = sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(database_of(urls)))
    with psycopg.connect(named(urls, "postgres").owner, autocommit=True) as line:
        for remaining in range(40, -1, -1):
            try:
                line.execute(statement)
                return
            except (psycopg.errors.ObjectInUse, psycopg.errors.InsufficientPrivilege):
                if not remaining:
                    raise
                time.sleep(0.5)


def environment(urls: Urls) -> dict[str, str]:
    """What a process of ours needs in its environment to use this database."""
    return {
        "DATABASE_URL": urls.app,
        "DATABASE_OWNER_URL": urls.owner,
        "DATABASE_SYSTEM_URL": urls.system,
    }


@contextmanager
def connected(urls: Urls) -> Iterator[None]:
    """Have Django in this process work on another database until the block ends."""
    before = {alias: dict(connections[alias].settings_dict) for alias in ALIASES}
    try:
        for alias, role in ALIASES.items():
            connections[alias].close()
            found = environ.Env.db_url_config(getattr(urls, role))
            place = {key: found.get(key) or "" for key in ("NAME", "USER", "PASSWORD", "HOST", "PORT")}
            options = {**before[alias].get("OPTIONS", {}), **found.get("OPTIONS", {})}
            connections[alias].settings_dict.update({**place, "OPTIONS": options})
        yield
    finally:
        for alias, known in before.items():
            connections[alias].close()
            connections[alias].settings_dict.update(known)


class Server:
    """A private PostgreSQL in a folder of its own, which other accounts must be able to enter when we are root."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "postgres"

    def start(self) -> Urls:
        """Start it, making its data when there is none."""
        return postgres.ensure(self.home)

    def restart_at_once(self) -> float:
        """What `pg_ctl restart -m immediate` does: no goodbye, then recovery. Returns the seconds it was away."""
        layout = locate(self.home)
        pid = processes.running_pid(layout)
        assert pid is not None, "it is running"
        began = time.monotonic()
        os.kill(pid, signal.SIGQUIT)
        while processes.running_pid(layout) == pid:
            time.sleep(0.01)
        self.start()
        return time.monotonic() - began

    def stop(self) -> None:
        """Stop it; the caller removes the folder."""
        postgres.stop(self.home)


def migrate(urls: Urls) -> None:
    """Bring a database up to date, in a process of its own: this one may be pointed elsewhere."""
    subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "migrate", "--verbosity=0", "--skip-checks"],
        cwd=ROOT,
        env={**os.environ, **environment(urls)},
        check=True,
    )
