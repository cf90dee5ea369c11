"""A database for a measurement, made for it and dropped after it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from django.db import connections
from psycopg import sql

from leadpilot.postgres import Urls
from leadpilot.trust import databases


@contextmanager
def empty(purpose: str) -> Iterator[Urls]:
    """A new, empty database on the server that is configured."""
    urls = databases.configured()
    made = databases.named(urls, f"leadpilot_bench_{purpose}_{os.getpid()}")
    name = sql.Identifier(databases.database_of(made))
    with psycopg.connect(databases.named(urls, "postgres").owner, autocommit=True) as line:
        line.execute(sql.SQL("drop database if exists {} with (force)").format(name))
        line.execute(sql.SQL("create database {}").format(name))
    try:
        yield made
    finally:
        databases.drop(made)


@contextmanager
def leadpilots() -> Iterator[None]:
    """Django in this process works on a migrated database of its own until the block ends."""
    with empty("own") as urls:
        databases.migrate(urls)
        with databases.connected(urls):
            yield


def analyze() -> None:
    """Give the planner its statistics at once: autovacuum does so within a minute, and real queues are older."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("ANALYZE")
