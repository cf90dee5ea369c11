"""Hand-written SQL inside one organization: several statements, one transaction, one round trip.

For the few places where every mail or task costs what this costs. Everything else uses the ORM inside `org_context`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

import psycopg
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from leadpilot.orgs.tenancy import ORG_SETTING, org_context

Statement = tuple[str, Mapping[str, Any]]
Rows = list[tuple[Any, ...]]

# A plan for any value: one that is made for an organization the statistics do not know yet reads all its rows.
_CONFINE = """
SELECT set_config(%(name)s, %(org)s, true), set_config('plan_cache_mode', 'force_generic_plan', true)
"""


def run(org_id: UUID, *statements: Statement, using: str = "default") -> list[Rows]:
    """Run statements with their parameters inside an organization; returns the rows of each.

    They are one transaction of their own, committed when this returns: the server reads all of them before it answers,
    and what lies between two points of synchronisation is one transaction to it. Each is planned once a connection. In
    a transaction that is open already they become part of that. Raises Django's database errors; then nothing is kept.
    """
    connection = connections[using]
    connection.ensure_connection()
    with connection.wrap_database_errors:
        if connection.in_atomic_block:
            with org_context(org_id, using):
                [cursor] = _cursors(connection, 1)
                return [_rows(cursor, statement) for statement in statements]
        return _at_once(connection, str(org_id), statements)


def _at_once(connection: BaseDatabaseWrapper, org: str, statements: Sequence[Statement]) -> list[Rows]:
    line: psycopg.Connection[Any] = connection.connection
    confine = (_CONFINE, {"name": ORG_SETTING, "org": org})
    may_prepare = _may_prepare(connection)
    cursors = _cursors(connection, 1 + len(statements))
    with line.pipeline():
        for cursor, (text, given) in zip(cursors, (confine, *statements), strict=True):
            cursor.execute(text, given, prepare=may_prepare)
    return [list(cursor.fetchall()) for cursor in cursors[1:]]


def _rows(cursor: psycopg.Cursor[Any], statement: Statement) -> Rows:
    cursor.execute(*statement)
    return list(cursor.fetchall())


# Making a cursor costs more than some statements; each connection keeps its few.
_KEPT: WeakKeyDictionary[psycopg.Connection[Any], list[psycopg.Cursor[Any]]] = WeakKeyDictionary()


def _cursors(connection: BaseDatabaseWrapper, count: int) -> list[psycopg.Cursor[Any]]:
    """Cursors that have the server fill in parameters; Django's own do that here, and are never planned ahead."""
    line: psycopg.Connection[Any] = connection.connection
    if line.prepare_threshold is None and _may_prepare(connection):
        line.prepare_threshold = 5  # None forbids it altogether; Django's cursors are not touched by it
    kept = _KEPT.setdefault(line, [])
    while len(kept) < count:
        kept.append(psycopg.Cursor(line))
    return kept[:count]


def _may_prepare(connection: BaseDatabaseWrapper) -> bool:
    """Behind a pool that shares connections between transactions nothing can be kept on one (Django's setting for it)."""
    return not connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS")
