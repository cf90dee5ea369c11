"""Hand-written SQL inside one organization: several statements, one transaction, one round trip.

For the few places where every mail or task costs what this costs. Everything else uses the ORM inside `org_context`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import psycopg
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from leadpilot.orgs.tenancy import ORG_SETTING, org_context

Statement = tuple[str, Mapping[str, Any]]
Rows = list[tuple[Any, ...]]

_CONFINE = "SELECT set_config(%(name)s, %(org)s, true)"


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
            with org_context(org_id, using), _cursor(connection) as cursor:
                return [_rows(cursor, statement) for statement in statements]
        return _at_once(connection, str(org_id), statements)


def _at_once(connection: BaseDatabaseWrapper, org: str, statements: Sequence[Statement]) -> list[Rows]:
    confine = (_CONFINE, {"name": ORG_SETTING, "org": org})
    line: psycopg.Connection[Any] = connection.connection
    cursors: list[psycopg.Cursor[Any]] = []
    with line.pipeline():
        for text, given in (confine, *statements):
            cursors.append(_cursor(connection))
            cursors[-1].execute(text, given, prepare=_may_prepare(connection))
    return [list(cursor.fetchall()) for cursor in cursors[1:]]


def _rows(cursor: psycopg.Cursor[Any], statement: Statement) -> Rows:
    cursor.execute(*statement)
    return list(cursor.fetchall())


def _cursor(connection: BaseDatabaseWrapper) -> psycopg.Cursor[Any]:
    """A cursor that has the server fill in parameters; Django's own ones do that here and are never planned ahead."""
    line: psycopg.Connection[Any] = connection.connection
    if line.prepare_threshold is None and _may_prepare(connection):
        line.prepare_threshold = 5  # None forbids it altogether; Django's cursors are not touched by it
    return psycopg.Cursor(line)


def _may_prepare(connection: BaseDatabaseWrapper) -> bool:
    """Behind a pool that shares connections between transactions nothing can be kept on one (Django's setting for it)."""
    return not connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS")
