"""Imports as people meet them: upload, mapping, preview, start; and the whole of it for the command line."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import IO
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from leadpilot.lib import clock, jobs
from leadpilot.lib.errors import Conflict, DomainError
from leadpilot.orgs import services as orgs
from leadpilot.orgs.models import Organization, User
from leadpilot.orgs.tenancy import org_context
from leads.importing.columns import CUSTOM, FIELD_LABELS, IGNORE, apply_overrides
from leads.importing.problems import Unreadable
from leads.importing.source import Source, open_source
from leads.models import ImportStatus, LeadImport
from leads.services import import_files, import_run
from leads.services.import_files import stored_source
from leads.services.import_rows import Batcher, BatchResult, RowReader, Tally, in_batches
from leads.services.import_run import LEASE, Report

AT_ONCE = 2000  # rows that are imported within the request
PREVIEW_ROWS = 5000  # rows that a preview tries out


class BrokeOff(Unreadable):
    """The file could be read for a while; `tally` says what was imported until then, and that stays."""

    def __init__(self, why: str, tally: Tally) -> None:
        super().__init__(
            f"{why} The {tally.processed:,} rows before that were dealt with; a second run doubles nothing."
        )
        self.tally = tally


@transaction.atomic
def upload(*, org: Organization, by: User | None, file_name: str, file: IO[bytes]) -> LeadImport:
    """Keep an uploaded file and what was detected of it, ready for its mapping. Raises Unreadable (field `file`)."""
    with import_files.temporary(file_name) as path:
        size = import_files.copy_in(file, path)
        if size > import_files.MAX_UPLOAD:
            raise Unreadable(
                f"This file has {size >> 20} MB; at most {import_files.MAX_UPLOAD >> 20} MB can be uploaded. "
                "Split it, or use manage.py import_leads on the server.",
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
        import_files.store_content(lead_import, path)
    return lead_import


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
        LeadImport.objects.for_org(lead_import.org_id)
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
        import_run.run(org_id=lead_import.org_id, import_id=lead_import.pk)
    else:
        jobs.wake("leads.tasks.run_import", lead_import.org_id, lead_import.pk)
    lead_import.refresh_from_db()
    return lead_import


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
    at all (field `map` when the mapping cannot be), BrokeOff for one that cannot be read to its end.
    """
    source = open_source(path)
    chosen = _corrected(source, mapping or {})
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
            status=ImportStatus.RUNNING,  # how many rows there are is known at the end
            attempts=1,
            started_at=clock.now(),
            lease_until=None,
        )
        LeadImport.objects.filter(pk=lead_import.pk).update(lease_until=Now() + LEASE)
    try:
        import_run.read_all(lead_import, source, chosen, report=report)
    except Unreadable as error:
        import_run.finish(lead_import, ImportStatus.FAILED, failure=str(error))
        raise BrokeOff(str(error), _tally(lead_import)) from error
    except import_run.Superseded as error:
        with org_context(org_id):
            lead_import.refresh_from_db()
        raise BrokeOff(
            "A step took so long that the import was given up. Run it again.", _tally(lead_import)
        ) from error
    return _tally(lead_import)


def _tally(lead_import: LeadImport) -> Tally:
    return Tally(**{name: getattr(lead_import, name) for name in asdict(Tally())})


def _corrected(source: Source, wanted: Mapping[str, str]) -> dict[str, str]:
    titles = {title.casefold(): title for title in source.titles}
    for title in wanted:
        if title.casefold() not in titles:
            raise Unreadable(
                f"There is no column “{title}”; the columns are: {', '.join(source.titles)}.", field="map"
            )
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
