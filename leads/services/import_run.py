"""Carrying an import out: a lease, batch after batch, each in its own transaction with the counts it changes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from itertools import islice
from uuid import UUID

from django.db import connection
from django.db.models import F, Q
from django.db.models.functions import Now

from leadpilot.lib import clock, jobs
from leadpilot.orgs.tenancy import org_context
from leads.importing.ahead import ahead
from leads.importing.problems import Problem, Unreadable
from leads.importing.source import Source
from leads.models import ImportProblem, ImportStatus, LeadImport
from leads.services import import_sql
from leads.services.import_files import stored_source
from leads.services.import_rows import Batcher, BatchResult, RowReader, in_batches

LEASE = timedelta(seconds=120)
MAX_ATTEMPTS = 3
JOB_SECONDS = 100.0  # a worker's job is ended by force at 180
COUNTS = ("processed", "created", "updated", "skipped", "rejected")
Report = Callable[[Problem], None]


def waiting() -> list[tuple[UUID, UUID]]:
    """(organization, import) of imports that nobody works on, over all organizations: a system function, ids only."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT org_id, import_id FROM leads_waiting_imports()")
        return list(cursor.fetchall())


def run(*, org_id: UUID, import_id: UUID, seconds: float = JOB_SECONDS) -> bool:
    """Work on an import until it is done or the time is up; then the workers are woken for the rest.

    False when somebody else holds it or it is over. Killed at any point, the next call goes on after the last committed
    batch: counts and rows move together.
    """
    until = time.monotonic() + seconds
    lead_import = _claim(org_id, import_id)
    if lead_import is None:
        return False
    try:
        with stored_source(lead_import) as source:
            read_all(lead_import, source, lead_import.mapping, until=until)
    except Unreadable as error:
        finish(lead_import, ImportStatus.FAILED, failure=str(error))
    except Superseded:
        return False
    return True


class Superseded(Exception):
    """Another worker took this import over; what this one was doing is rolled back."""


def _claim(org_id: UUID, import_id: UUID) -> LeadImport | None:
    """Take the lease by the database's clock; attempts are counted here, and the third failure is the last."""
    free = Q(lease_until=None) | Q(lease_until__lt=Now())
    with org_context(org_id):
        mine = LeadImport.objects.for_org(org_id).filter(free, pk=import_id, status=ImportStatus.RUNNING)
        if not mine.update(lease_until=Now() + LEASE, attempts=F("attempts") + 1):
            return None
        lead_import: LeadImport = LeadImport.objects.defer("content").get(org_id=org_id, pk=import_id)
        if lead_import.started_at is None:
            lead_import.started_at = clock.now()
            lead_import.save(update_fields=["started_at"])
        has_content = LeadImport.objects.filter(org_id=org_id, pk=import_id, content__isnull=False).exists()
    if not has_content:
        finish(
            lead_import,
            ImportStatus.FAILED,
            failure="The command was interrupted. Run it again: rows that are here already are not doubled.",
        )
        return None
    if lead_import.attempts > MAX_ATTEMPTS:
        finish(
            lead_import,
            ImportStatus.FAILED,
            failure=f"The import stopped {MAX_ATTEMPTS} times after row {lead_import.processed:,}. "
            "Look for something odd in the rows after it, or import the rest as a file of its own.",
        )
        return None
    return lead_import


def read_all(
    lead_import: LeadImport,
    source: Source,
    mapping: Mapping[str, str],
    *,
    report: Report | None = None,
    until: float | None = None,
) -> None:
    """Batch after batch, each in a transaction with its counts.

    `report` gets the problems instead of the database. At `until` (of `time.monotonic`) the import is handed on.
    """
    batcher = Batcher(
        RowReader(source, dict(mapping)),
        org_id=lead_import.org_id,
        update_existing=lead_import.update_existing,
        import_id=lead_import.pk,
        origin=f"Import: {lead_import.file_name}",
    )
    rows = source.rows()
    for done in in_batches(islice(rows, lead_import.processed)):
        batcher.remember(done)
        _advance(lead_import, BatchResult())
    with ahead(map(batcher.prepare, in_batches(rows))) as batches:
        for batch in batches:
            with org_context(lead_import.org_id):
                import_sql.lock(lead_import.org_id)
                result = batcher.write(batch)
                _advance(lead_import, result)
                if report is None:
                    _keep_problems(lead_import, result)
            lead_import.processed += result.processed
            if report is not None:
                for _, problem in result.problems:
                    report(problem)
            if until is not None and time.monotonic() > until:
                _hand_on(lead_import)
                return
    finish(lead_import, ImportStatus.COMPLETED)


def _held(lead_import: LeadImport) -> Q:
    """The row, while it is ours: the same attempt, and nobody went further than we did."""
    return Q(
        org_id=lead_import.org_id,
        pk=lead_import.pk,
        status=ImportStatus.RUNNING,
        attempts=lead_import.attempts,
        processed=lead_import.processed,
    )


def _advance(lead_import: LeadImport, result: BatchResult) -> None:
    """Move the counts by this batch and renew the lease, if it is still ours. Raises Superseded."""
    counts = {name: F(name) + getattr(result, name) for name in COUNTS}
    with org_context(lead_import.org_id):
        if not LeadImport.objects.filter(_held(lead_import)).update(lease_until=Now() + LEASE, **counts):
            raise Superseded


def _hand_on(lead_import: LeadImport) -> None:
    """Let go with work left. This attempt did not fail, so it is not counted."""
    with org_context(lead_import.org_id):
        let_go = {"lease_until": None, "attempts": F("attempts") - 1}
        if LeadImport.objects.filter(_held(lead_import)).update(**let_go):
            jobs.wake("leads.tasks.run_import", lead_import.org_id, lead_import.pk)


def _keep_problems(lead_import: LeadImport, result: BatchResult) -> None:
    ImportProblem.objects.bulk_create(
        (
            ImportProblem(
                org_id=lead_import.org_id, lead_import=lead_import, outcome=outcome, **problem.as_json()
            )
            for outcome, problem in result.problems
        ),
        batch_size=1000,
    )


def finish(lead_import: LeadImport, status: str, failure: str = "") -> None:
    """Close the import, if it is still ours, and let go of the file; the object then says what the database says."""
    with org_context(lead_import.org_id):
        done = {"total": F("processed")} if status == ImportStatus.COMPLETED else {}
        LeadImport.objects.filter(_held(lead_import)).update(
            status=status, failure=failure, content=None, lease_until=None, completed_at=clock.now(), **done
        )
        lead_import.refresh_from_db()
