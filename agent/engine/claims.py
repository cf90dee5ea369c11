"""Leases on tasks: claim, renew, finish, hand back, reap. Leases run by the database's clock, due times by ours."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from django.db import connection

from agent.engine import sql
from agent.engine.errors import LeaseLost, TaskLater
from agent.engine.registry import QUIET_TYPES, ClaimedTask
from agent.models import TaskStatus
from leadpilot.lib import clock, pace
from leadpilot.orgs.tenancy import org_context

LEASE_SECONDS = pace.seconds("task_lease", 30)
MAX_DEATHS = 3  # claims that ended without a word

MAY_ACT = """(SELECT EXISTS (
    SELECT FROM orgs_organization o JOIN agent_agentconfig c ON c.org_id = o.id
     WHERE o.id = %(org)s AND o.halted_at IS NULL AND c.is_enabled AND c.status = 'running'))"""


# A task that was claimed before is claimed alone: it may be the one that kills its worker, and those beside it in a
# batch would be counted as dead with it.
def _claim_sql(place: str) -> str:
    return f"""
WITH again AS (
    SELECT id FROM agent_agenttask
     WHERE org_id = %(org)s AND status = 'pending' AND attempts > 0 AND scheduled_for <= %(now)s
       AND (task_type = ANY(%(quiet)s) OR {MAY_ACT})
     ORDER BY priority DESC, scheduled_for LIMIT 1 FOR UPDATE SKIP LOCKED
), fresh AS (
    SELECT id FROM agent_agenttask
     WHERE org_id = %(org)s AND status = 'pending' AND attempts = 0 AND scheduled_for <= %(now)s
       AND (task_type = ANY(%(quiet)s) OR {MAY_ACT}) AND NOT EXISTS (SELECT FROM again) {place}
     ORDER BY priority DESC, scheduled_for LIMIT %(size)s FOR UPDATE SKIP LOCKED
), picked AS (SELECT id FROM again UNION ALL SELECT id FROM fresh)
UPDATE agent_agenttask t
   SET status = 'running', attempts = attempts + 1, lease_owner = %(owner)s, started_at = %(now)s, updated_at = %(now)s,
       lease_until = clock_timestamp() + %(lease)s * interval '1 second'
  FROM picked WHERE t.id = picked.id
RETURNING t.priority, t.scheduled_for, t.id, t.org_id, t.task_type, t.lead_id, t.campaign_id, t.message_id,
          t.inbox_message_id, t.agent_id, t.approved_by_id, t.attempts, t.retry_count, t.max_retries, t.lease_owner,
          t.input_data::text
"""  # noqa: S608 - constants only


_CLAIM = _claim_sql("")
_CLAIM_ON = _claim_sql("AND priority = %(priority)s AND scheduled_for >= %(onwards)s")
_RENEW = """
UPDATE agent_agenttask SET lease_until = clock_timestamp() + %(lease)s * interval '1 second'
 WHERE org_id = %(org)s AND id = ANY(%(ids)s::uuid[]) AND lease_owner = %(owner)s AND status = 'running' RETURNING id
"""
_MINE = "org_id = %(org)s AND id = %(id)s AND status = 'running' AND lease_owner = %(owner)s AND attempts = %(attempt)s"
_SETTLE = f"""
UPDATE agent_agenttask
   SET status = %(status)s, error_message = %(error)s,
       scheduled_for = coalesce(%(scheduled_for)s::timestamptz, scheduled_for), retry_count = retry_count + %(failed)s,
       attempts = attempts - %(uncounted)s, lease_owner = '', lease_until = NULL, updated_at = %(now)s,
       completed_at = CASE WHEN %(status)s IN ('completed', 'failed', 'cancelled') THEN %(now)s::timestamptz END
 WHERE {_MINE} RETURNING id
"""  # noqa: S608 - constants only
_COMPLETE = """
UPDATE agent_agenttask t
   SET status = 'completed', output_data = done.output::jsonb, error_message = '', lease_owner = '', lease_until = NULL,
       completed_at = %(now)s, updated_at = %(now)s
  FROM unnest(%(ids)s::uuid[], %(attempts)s::int[], %(outputs)s::text[]) AS done (id, attempt, output)
 WHERE t.id = ANY(%(ids)s::uuid[]) AND t.id = done.id
   AND t.org_id = %(org)s AND t.status = 'running' AND t.lease_owner = %(owner)s
   AND t.attempts = done.attempt
RETURNING t.id
"""
_RELEASE = """
UPDATE agent_agenttask
   SET status = 'pending', attempts = attempts - 1, lease_owner = '', lease_until = NULL, updated_at = %(now)s
 WHERE org_id = %(org)s AND id = ANY(%(ids)s::uuid[]) AND lease_owner = %(owner)s AND status = 'running' RETURNING id
"""
_REAP = """
WITH dead AS (
    SELECT id FROM agent_agenttask
     WHERE org_id = %(org)s AND status = 'running' AND lease_until < clock_timestamp()
     LIMIT 500 FOR UPDATE SKIP LOCKED
)
UPDATE agent_agenttask t
   SET status = CASE WHEN attempts - retry_count >= %(deaths)s THEN 'failed' ELSE 'pending' END,
       error_message = CASE WHEN attempts - retry_count >= %(deaths)s THEN %(parked)s ELSE %(died)s END,
       completed_at = CASE WHEN attempts - retry_count >= %(deaths)s THEN %(now)s::timestamptz END,
       lease_owner = '', lease_until = NULL, updated_at = %(now)s
  FROM dead WHERE t.id = dead.id RETURNING t.id, t.status
"""
PARKED = f"Parked after {MAX_DEATHS} attempts; the worker died each time."
DIED = "The worker died while it had this task; it will be tried again."


def new_owner() -> str:
    """A name for one drain of one process: host, process, chance."""
    return f"{socket.gethostname()[:40]}:{os.getpid()}:{uuid4().hex[:12]}"


def claim(org_id: UUID, owner: str, size: int, *, after: ClaimedTask | None = None) -> list[ClaimedTask]:
    """Take up to `size` due tasks, most urgent first; none that acts while the organization is stopped.

    With `after`, the search begins at that task's place in the queue: it finds no more urgent ones.
    """
    params = {
        "now": clock.now(),
        "quiet": [str(kind) for kind in QUIET_TYPES],
        "size": size,
        "owner": owner,
        "lease": LEASE_SECONDS,
    }
    statement = _CLAIM
    if after is not None:
        statement = _CLAIM_ON
        params |= {"priority": after.priority, "onwards": after.scheduled_for}
    rows = sql.run(org_id, statement, params, durable=False, along_index=True)
    rows.sort(key=lambda row: (-row[0], row[1], row[2]))
    return [ClaimedTask(*(*row[2:-1], json.loads(row[-1]), row[0], row[1])) for row in rows]


def may_act(org_id: UUID) -> bool:
    """Whether the organization's agent runs and nothing is stopped."""
    return bool(sql.run(org_id, f"SELECT {MAY_ACT}", {}, durable=False)[0][0])


def renew(org_id: UUID, owner: str, ids: Iterable[UUID]) -> set[UUID]:
    """Lengthen the leases of these tasks; returns those that are still ours."""
    params = {"ids": [str(task_id) for task_id in ids], "owner": owner, "lease": LEASE_SECONDS}
    return {row[0] for row in sql.run(org_id, _RENEW, params, durable=False)}


def settle(
    task: ClaimedTask,
    status: TaskStatus,
    *,
    error: str = "",
    scheduled_for: datetime | None = None,
    failed: bool = False,
    counted: bool = True,
) -> bool:
    """End this claim with a status, unless the lease was lost: then nothing changes and False comes back."""
    params = {
        "id": task.id,
        "owner": task.owner,
        "attempt": task.attempt,
        "status": str(status),
        "error": error,
        "scheduled_for": scheduled_for,
        "failed": int(failed),
        "uncounted": int(not counted),
        "now": clock.now(),
    }
    return bool(sql.run(task.org_id, _SETTLE, params))


def complete(done: Sequence[tuple[ClaimedTask, dict[str, Any] | None]]) -> list[ClaimedTask]:
    """Finish tasks of one claim with their outputs in one go; returns those whose lease was lost: nothing changed there.

    It does not wait for the disk: a task whose end is lost in a crash of the database is done again, as when its
    worker had died just before, and handlers bear that.
    """
    params = {
        "ids": [str(task.id) for task, _ in done],
        "attempts": [task.attempt for task, _ in done],
        "outputs": [json.dumps(output or {}, default=str) for _, output in done],
        "owner": done[0][0].owner,
        "now": clock.now(),
    }
    mine = {row[0] for row in sql.run(done[0][0].org_id, _COMPLETE, params, durable=False, along_index=True)}
    return [task for task, _ in done if task.id not in mine]


def release(tasks: Sequence[ClaimedTask]) -> None:
    """Hand back tasks of one claim that were not begun, as if they had not been claimed."""
    params = {"ids": [str(task.id) for task in tasks], "owner": tasks[0].owner, "now": clock.now()}
    sql.run(tasks[0].org_id, _RELEASE, params)


@dataclass(frozen=True)
class Reaped:
    """Tasks whose worker fell silent: back in the queue, and given up."""

    again: list[UUID]
    parked: list[UUID]


def reap(org_id: UUID) -> Reaped:
    """Take leases that ran out from their holders."""
    params = {"deaths": MAX_DEATHS, "parked": PARKED, "died": DIED, "now": clock.now()}
    rows = sql.run(org_id, _REAP, params)
    return Reaped(
        [row[0] for row in rows if row[1] == "pending"], [row[0] for row in rows if row[1] == "failed"]
    )


@contextmanager
def hold(task: ClaimedTask) -> Iterator[None]:
    """A transaction inside the task's organization in which its lease cannot be lost: for writing results, and for
    the last look before an outward step.

    Raises LeaseLost when it is lost already, TaskLater when the organization was stopped meanwhile.
    """
    with org_context(task.org_id):
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {MAY_ACT} FROM agent_agenttask WHERE {_MINE} FOR NO KEY UPDATE",  # noqa: S608
                {"org": str(task.org_id), "id": task.id, "owner": task.owner, "attempt": task.attempt},
            )
            row = cursor.fetchone()
        if row is None:
            raise LeaseLost(f"The lease on task {task.id} was lost.")
        if task.acts and not row[0]:
            raise TaskLater(clock.now(), "Everything was stopped.")
        yield
