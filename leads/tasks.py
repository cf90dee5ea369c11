"""Background work of the leads app: large imports."""

from __future__ import annotations

from uuid import UUID

from leadpilot.lib import jobs
from leads.services import import_run


def run_import(org_id: str, import_id: str) -> None:
    """Go on with one import. Woken when it is started; repeating or losing the wake-up changes nothing but the delay."""
    import_run.run(org_id=UUID(org_id), import_id=UUID(import_id))


def sweep() -> None:
    """Find imports that were begun and that nobody works on, and wake a worker for each."""
    for org_id, import_id in import_run.waiting():
        jobs.wake("leads.tasks.run_import", org_id, import_id)
