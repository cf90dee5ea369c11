"""The agent floor's jobs. Each may run any number of times: rows say what is to be done."""

from __future__ import annotations

from uuid import UUID

from django.db import connection

from agent import engine, handlers, orchestrator
from agent.engine.registry import QUIET_TYPES
from leadpilot.lib import clock, jobs

__all__ = ["drain", "handlers", "look_for_work", "sweep"]


def sweep() -> None:
    """Find by the rows alone which organizations have something due, and wake a worker for each."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT agent_due_orgs(%s, %s::text[])", [clock.now(), [str(kind) for kind in QUIET_TYPES]]
        )
        due = [row[0] for row in cursor.fetchall()]
        cursor.execute("SELECT agent_running_orgs(%s)", [clock.now()])
        running = [row[0] for row in cursor.fetchall()]
    for org_id in due:
        jobs.wake("agent.tasks.drain", org_id)
    for org_id in running:
        jobs.wake("agent.tasks.look_for_work", org_id)


def drain(org_id: UUID | str) -> None:
    """Work this organization's tasks."""
    engine.drain(org_id)


def look_for_work(org_id: UUID | str) -> None:
    """Turn the state of this organization into tasks."""
    orchestrator.look_for_work(org_id)
