"""One round trip, one organization, one transaction: the engine's way to the database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import connection

from leadpilot.orgs.tenancy import ORG_SETTING, org_context

# The statements of one simple query are one transaction, so the local setting holds for the second and ends with it.
_CONFINE = (
    f"SELECT set_config('{ORG_SETTING}', %(org)s, true), set_config('synchronous_commit', %(sync)s, true);"
)


# Statistics lag behind a queue that fills and empties; without them the planner sorts the whole queue at each claim.
_ALONG_INDEX = "SELECT set_config('enable_sort', 'off', true), set_config('enable_bitmapscan', 'off', true);"


def run(
    org_id: UUID, sql: str, params: Mapping[str, Any], *, durable: bool = True, along_index: bool = False
) -> list[tuple[Any, ...]]:
    """Run one statement with RETURNING inside an organization; `%(org)s` is filled in.

    Without `durable` the commit does not wait for the disk: after a crash of the database server the change may be
    missing, never half there. With `along_index` the planner follows an index's order rather than sort. In a
    transaction that is already open it becomes part of that, without these settings.
    """
    given = {**params, "org": str(org_id), "sync": "on" if durable else "off"}
    if connection.in_atomic_block:
        with org_context(org_id), connection.cursor() as cursor:
            cursor.execute(sql, given)
            return list(cursor.fetchall())
    with connection.cursor() as cursor:
        cursor.execute(_CONFINE + (_ALONG_INDEX if along_index else "") + sql, given)
        while cursor.nextset():
            pass
        return list(cursor.fetchall())
