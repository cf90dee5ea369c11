"""Raw statements against a tenant table, as the application's role, without the ORM's help."""

from __future__ import annotations

import json
from typing import Any

from django.db import DatabaseError, connection, transaction

from leadpilot.lib.ids import new_id
from leadpilot.orgs.tenancy import org_context

KINDS = ("select", "lock", "copy", "update", "delete", "insert")


def own_row(model: type[Any], org: Any) -> dict[str, Any]:
    """One row of an organization as {column: value}, with an id of its own so that it could be inserted."""
    table = model._meta.db_table
    with org_context(org.pk), connection.cursor() as cursor:
        cursor.execute(f'SELECT to_jsonb(t) FROM "{table}" t LIMIT 1')
        row = json.loads(cursor.fetchone()[0])
    return {**row, "id": str(new_id())}


def reach(kind: str, model: type[Any], row: dict[str, Any]) -> int | str:
    """How many rows of the row's organization a statement reached, or "refused"."""
    table, column = (
        f'"{model._meta.db_table}"',
        "id" if model._meta.label == "orgs.Organization" else "org_id",
    )
    org = row["org_id"] if column == "org_id" else row["was"]
    sql, params = {
        "select": (f"SELECT 1 FROM {table} WHERE {column} = %s", [org]),
        "lock": (f"SELECT 1 FROM {table} WHERE {column} = %s FOR UPDATE", [org]),
        "copy": (f"SELECT 1 FROM {table} t WHERE t::text LIKE '%%' || %s || '%%'", [org]),
        "update": (f"UPDATE {table} SET id = id WHERE {column} = %s", [org]),
        "delete": (f"DELETE FROM {table} WHERE {column} = %s", [org]),
        "insert": (
            f"INSERT INTO {table} SELECT * FROM jsonb_populate_record(NULL::{table}, %s)",
            [json.dumps(row)],
        ),
    }[kind]
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql, params)
            return len(cursor.fetchall()) if kind in ("select", "lock", "copy") else cursor.rowcount
    except DatabaseError as error:
        return "refused" if "row-level security" in str(error) else str(error)


def expected(kind: str) -> int | str:
    """What may come of each kind."""
    return "refused" if kind == "insert" else 0
