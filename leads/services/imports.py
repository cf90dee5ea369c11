"""One import, from upload to result. The row remembers how far it came; whoever holds its lease goes on from there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import IO
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from leadpilot.lib import clock, jobs
from leadpilot.lib.errors import Conflict, DomainError
from leadpilot.orgs import services as orgs
from leadpilot.orgs.models import Organization, User
from leadpilot.orgs.tenancy import org_context
from leads.importing.columns import CUSTOM, FIELD_LABELS, IGNORE, apply_overrides
from leads.importing.problems import Problem, Unreadable
from leads.importing.source import Source, open_source
from leads.models import ImportProblem, ImportStatus, LeadImport
from leads.services import import_sql
from leads.services.import_rows import Batcher, BatchResult, RowReader, Tally, in_batches

MAX_UPLOAD = 60 << 20  # bytes
AT_ONCE = 2000  # rows that are imported within the request
PREVIEW_ROWS = 5000  # rows that a preview tries out
LEASE = timedelta(seconds=120)
MAX_ATTEMPTS = 3
PIECE = 4 << 20
Report = Callable[[Problem], None]


@transaction.atomic
def upload(*, org: Organization, by: User | None, file_name: str, file: IO[bytes]) -> LeadImport:
    """Keep an uploaded file and what was detected of it, ready for its mapping. Raises Unreadable (field `file`)."""
    with _temporary(file_name) as path:
        size = _copy(file, path)
        if size > MAX_UPLOAD:
            raise Unreadable(
                f"This file has {size >> 20} MB; at most {MAX_UPLOAD >> 20} MB can be uploaded. Split it, or use "
                "manage.py import_leads on the server.",
                field="file",
            )
        source = open_source(path)
        lead_import = LeadImport.objects.create(
            org=org,
            created_by=by,
            file_name=os.path.basename(file_name)[:255] or "leads.csv",
            content=b"",
            encoding=source.encoding,
            delimiter=source.delimiter,
            mapping=source.mapping,
            total=source.count(),
        )
        _store_content(lead_import, path)
    return lead_import


def _copy(file: IO[bytes], path: Path) -> int:
    size = 0
    with path.open("wb") as target:
        while (piece := file.read(PIECE)) and size <= MAX_UPLOAD:
            size += len(piece)
            target.write(piece)
    return size


def _store_content(lead_import: LeadImport, path: Path) -> None:
    with path.open("rb") as file, connection.cursor() as cursor:
        while piece := file.read(PIECE):
            cursor.execute(
                "UPDATE leads_leadimport SET content = content || %s WHERE org_id = %s AND id = %s",
                [piece, lead_import.org_id, lead_import.pk],
            )


@contextmanager
def _temporary(file_name: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="leadpilot-import-") as folder:
        yield Path(folder) / f"leads{Path(file_name).suffix.lower()[:8]}"


@contextmanager
def stored_source(lead_import: LeadImport, *, encoding: str = "", delimiter: str = "") -> Iterator[Source]:
    """The uploaded file, opened as it was detected or, where given, corrected. Raises Unreadable.

    The file is copied out of the database first; the block itself runs in no transaction of ours.
    """
    with _temporary(lead_import.file_name) as path:
        with org_context(lead_import.org_id):
            _fetch_content(lead_import, path)
        yield open_source(
            path, encoding=encoding or lead_import.encoding, delimiter=delimiter or lead_import.delimiter
        )


def _fetch_content(lead_import: LeadImport, path: Path) -> None:
    with path.open("wb") as target, connection.cursor() as cursor:
        position = 1
        while True:
            cursor.execute(
                "SELECT substring(content FROM %s FOR %s) FROM leads_leadimport WHERE org_id = %s AND id = %s",
                [position, PIECE, lead_import.org_id, lead_import.pk],
            )
            row = cursor.fetchone()
            if not row or not row[0]:
                return
            target.write(row[0])
            position += PIECE


@transaction.atomic
def reinterpret(*, lead_import: LeadImport, encoding: str, delimiter: str) -> LeadImport:
    """Read the file with another encoding or delimiter than was detected; the mapping is guessed anew."""
    with stored_source(lead_import, encoding=encoding, delimiter=delimiter) as source:
        lead_import.encoding, lead_import.delimiter = source.encoding, source.delimiter
        lead_import.mapping, lead_import.total = source.mapping, source.count()
    lead_import.save(update_fields=["encoding", "delimiter", "mapping", "total"])
    return lead_import


def check_mapping(mapping: Mapping[str, str]) -> None:
    """Raise DomainError for an unknown field, for no address, or for nothing that gives a name."""
    known = {IGNORE, CUSTOM, *FIELD_LABELS}
    for title, name in mapping.items():
        if name not in known:
            raise DomainError(f"“{name}” is not a field of a lead (column “{title}”).", field=title)
    fields = set(mapping.values())
    if "email" not in fields:
        raise DomainError(
            "No column is mapped to Email: choose the column with the addresses.", field="email"
        )
    if not fields & {"name", "first_name", "last_name"}:
        raise DomainError(
            "No column is mapped to Name: choose the column with the people's names.", field="name"
        )


def dry_run(
    *, lead_import: LeadImport, source: Source, mapping: Mapping[str, str], update_existing: bool
) -> tuple[BatchResult, int]:
    """What importing would do with the first `PREVIEW_ROWS` rows; the result, and how many rows were looked at."""
    batcher = Batcher(
        RowReader(source, dict(mapping)),
        org_id=lead_import.org_id,
        update_existing=update_existing,
        dry_run=True,
    )
    total = BatchResult()
    for batch in in_batches(islice(source.rows(), PREVIEW_ROWS)):
        result = batcher.take(batch)
        total.add(result)
        total.problems.extend(result.problems)
    return total, total.processed


@transaction.atomic
def start(
    *, lead_import: LeadImport, mapping: Mapping[str, str], update_existing: bool, by: User | None
) -> LeadImport:
    """Begin: a small file is imported at once, a large one by the workers. Raises DomainError, or Conflict when begun."""
    check_mapping(mapping)
    begun = (
        LeadImport.objects.for_org(lead_import.org_id)  # type: ignore[attr-defined]
        .filter(pk=lead_import.pk, status=ImportStatus.UPLOADED)
        .update(
            status=ImportStatus.RUNNING,
            mapping=dict(mapping),
            update_existing=update_existing,
            lease_until=None,
        )
    )
    if not begun:
        raise Conflict("This import has been started already.")
    orgs.record(
        org=lead_import.org,
        actor=by,
        action="import.started",
        message=f"{lead_import.file_name} is being imported ({lead_import.total:,} rows).",
        subject=lead_import,
    )
    if lead_import.total < AT_ONCE:
        run(org_id=lead_import.org_id, import_id=lead_import.pk)
    else:
        jobs.wake("leads.tasks.run_import", lead_import.org_id, lead_import.pk)
    lead_import.refresh_from_db()
    return lead_import


def waiting() -> list[tuple[UUID, UUID]]:
    """(organization, import) of imports that nobody works on, over all organizations: a system function, ids only."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT org_id, import_id FROM leads_waiting_imports()")
        return list(cursor.fetchall())


def run(*, org_id: UUID, import_id: UUID) -> bool:
    """Work on an import until it is done; False when somebody else holds it or it is over.

    Killed at any point, the next call goes on after the last committed batch: counts and rows move together.
    """
    lead_import = _claim(org_id, import_id)
    if lead_import is None:
        return False
    try:
        with stored_source(lead_import) as source:
            _read_all(lead_import, source, lead_import.mapping)
    except Unreadable as error:
        _finish(lead_import, ImportStatus.FAILED, failure=str(error))
    except Superseded:
        return False
    return True


class Superseded(Exception):
    """Another worker took this import over; what this one was doing is rolled back."""


def _claim(org_id: UUID, import_id: UUID) -> LeadImport | None:
    """Take the lease by the database's clock; attempts are counted here, and the third failure is the last."""
    free = Q(lease_until=None) | Q(lease_until__lt=Now())
    with org_context(org_id):
        mine = LeadImport.objects.for_org(org_id).filter(free, pk=import_id, status=ImportStatus.RUNNING)  # type: ignore[attr-defined]
        if not mine.update(lease_until=Now() + LEASE, attempts=F("attempts") + 1):
            return None
        lead_import: LeadImport = LeadImport.objects.defer("content").get(org_id=org_id, pk=import_id)
        if lead_import.started_at is None:
            lead_import.started_at = clock.now()
            lead_import.save(update_fields=["started_at"])
        has_content = LeadImport.objects.filter(org_id=org_id, pk=import_id, content__isnull=False).exists()
    if not has_content:
        _finish(
            lead_import,
            ImportStatus.FAILED,
            failure="The command was interrupted. Run it again: rows that are here already are not doubled.",
        )
        return None
    if lead_import.attempts > MAX_ATTEMPTS:
        _finish(
            lead_import,
            ImportStatus.FAILED,
            failure=f"The import stopped {MAX_ATTEMPTS} times after row {lead_import.processed:,}. "
            "Look for something odd in the rows after it, or import the rest as a file of its own.",
        )
        return None
    return lead_import


def _read_all(
    lead_import: LeadImport, source: Source, mapping: Mapping[str, str], report: Report | None = None
) -> None:
    """Batch after batch, each in a transaction with its counts. `report` gets the problems instead of the database."""
    batcher = Batcher(
        RowReader(source, dict(mapping)),
        org_id=lead_import.org_id,
        update_existing=lead_import.update_existing,
        import_id=lead_import.pk,
        origin=f"Import: {lead_import.file_name}",
    )
    rows = source.rows()
    batcher.remember(islice(rows, lead_import.processed))
    for batch in in_batches(rows):
        with org_context(lead_import.org_id):
            import_sql.lock(lead_import.org_id)
            result = batcher.take(batch)
            _advance(lead_import, result)
            if report is None:
                _keep_problems(lead_import, result)
        if report is not None:
            for _, problem in result.problems:
                report(problem)
    _finish(lead_import, ImportStatus.COMPLETED)


def _held(lead_import: LeadImport) -> Q:
    return Q(
        org_id=lead_import.org_id,
        pk=lead_import.pk,
        status=ImportStatus.RUNNING,
        attempts=lead_import.attempts,
    )


def _advance(lead_import: LeadImport, result: BatchResult) -> None:
    """Move the counts by this batch and renew the lease, if it is still ours. Raises Superseded."""
    counts = {name: F(name) + number for name, number in asdict(Tally(**_counts(result))).items()}
    if not LeadImport.objects.filter(_held(lead_import)).update(lease_until=Now() + LEASE, **counts):
        raise Superseded


def _counts(result: BatchResult) -> dict[str, int]:
    return {
        name: getattr(result, name) for name in ("processed", "created", "updated", "skipped", "rejected")
    }


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


def _finish(lead_import: LeadImport, status: str, failure: str = "") -> None:
    """Close the import and let go of the file."""
    with org_context(lead_import.org_id):
        done = {"total": F("processed")} if status == ImportStatus.COMPLETED else {}
        LeadImport.objects.filter(_held(lead_import)).update(
            status=status, failure=failure, content=None, lease_until=None, completed_at=clock.now(), **done
        )
        lead_import.refresh_from_db()


def import_file(
    *,
    org_id: UUID,
    path: Path,
    mapping: Mapping[str, str] | None = None,
    update_existing: bool = True,
    dry: bool = False,
    report: Report,
) -> Tally:
    """Import a file that lies on this machine, in this process; `mapping` corrects the guess by column title.

    `report` is called for each problem. With `dry` nothing is written. Raises Unreadable for a file that cannot be read
    at all, DomainError for a mapping that cannot be.
    """
    source = open_source(path)
    chosen = _corrected(source, mapping or {})
    total = source.count()
    if dry:
        return _try_all(org_id, source, chosen, update_existing, report)
    with org_context(org_id):
        lead_import = LeadImport.objects.create(
            org_id=org_id,
            file_name=path.name[:255],
            encoding=source.encoding,
            delimiter=source.delimiter,
            mapping=chosen,
            update_existing=update_existing,
            status=ImportStatus.RUNNING,
            total=total,
            attempts=1,
            started_at=clock.now(),
            lease_until=None,
        )
        LeadImport.objects.filter(pk=lead_import.pk).update(lease_until=Now() + LEASE)
    _read_all(lead_import, source, chosen, report)
    return Tally(**{name: getattr(lead_import, name) for name in asdict(Tally())})


def _corrected(source: Source, wanted: Mapping[str, str]) -> dict[str, str]:
    titles = {title.casefold(): title for title in source.titles}
    for title in wanted:
        if title.casefold() not in titles:
            raise Unreadable(f"There is no column “{title}”; the columns are: {', '.join(source.titles)}.")
    mapping = apply_overrides(source.mapping, {titles[t.casefold()]: name for t, name in wanted.items()})
    if "email" not in mapping.values():
        raise Unreadable(
            f"No column holds email addresses; the columns are: {', '.join(source.titles)}. "
            'Name one "email", or say which it is with --map "Their column=email".'
        )
    return mapping


def _try_all(
    org_id: UUID, source: Source, mapping: Mapping[str, str], update_existing: bool, report: Report
) -> Tally:
    batcher = Batcher(
        RowReader(source, dict(mapping)), org_id=org_id, update_existing=update_existing, dry_run=True
    )
    total = Tally()
    for batch in in_batches(source.rows()):
        with org_context(org_id):
            result = batcher.take(batch)
        total.add(result)
        for _, problem in result.problems:
            report(problem)
    return total
