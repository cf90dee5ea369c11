"""What an organization's rows are, in one short text: any write of any column changes it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import connection

from leadpilot.orgs.tenancy import org_context
from leadpilot.tests.probing.world import tenant_models


def _tables() -> list[str]:
    return [model._meta.db_table for model in tenant_models()]


def fingerprint(org: Any) -> dict[str, tuple[int, str]]:
    """{table: (rows, hash of all their columns)} of one organization, as the application's role sees it."""
    parts = [
        f"SELECT '{table}', count(*), coalesce(md5(string_agg(md5(t::text), '' ORDER BY id)), '') "
        f'FROM "{table}" t'
        for table in _tables()
    ]
    with org_context(org.pk), connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts))
        return {table: (count, digest) for table, count, digest in cursor.fetchall()}


def rows_that_mention(org: Any, values: Iterable[Any]) -> list[str]:
    """Tables of an organization in which one of these values stands in any column, as text."""
    pattern = "|".join(str(value) for value in values)
    parts = [f"SELECT '{table}' FROM \"{table}\" t WHERE t::text ~* %s" for table in _tables()]
    with org_context(org.pk), connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts), [pattern] * len(parts))
        return sorted({row[0] for row in cursor.fetchall()})


def texts(org: Any) -> str:
    """All rows of an organization as one text."""
    parts = [f'SELECT t::text FROM "{table}" t' for table in _tables()]
    with org_context(org.pk), connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts))
        return "\n".join(row[0] for row in cursor.fetchall())
