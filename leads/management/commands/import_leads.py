"""Import a CSV or XLSX file from the command line."""

from __future__ import annotations

import json
import tempfile
from argparse import ArgumentParser
from pathlib import Path
from typing import IO, Any

from django.core.management.base import BaseCommand, CommandError

from leadpilot.lib.errors import DomainError
from leadpilot.orgs.services import organization_id
from leads.importing.columns import CUSTOM, FIELD_LABELS, IGNORE
from leads.importing.problems import Problem
from leads.services import imports
from leads.services.import_rows import Tally

UNREADABLE = 2
SHOWN = 20


class Command(BaseCommand):
    help = "Import leads from a CSV or XLSX file. Exits with 2 when the file as a whole cannot be read."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What is in the file, and for whom."""
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("--org", required=True, metavar="SLUG", help="the organization's short name")
        parser.add_argument("--dry-run", action="store_true", help="write nothing, tell what would happen")
        parser.add_argument(
            "--map",
            action="append",
            default=[],
            metavar="'Their column=field'",
            help=f"correct the guess for a column; fields: {', '.join(FIELD_LABELS)}, custom, or nothing to ignore it",
        )
        parser.add_argument(
            "--skip-existing", action="store_true", help="leave leads that are here already as they are"
        )
        parser.add_argument("--json", action="store_true", help="print the result as JSON on the last line")

    def handle(self, *args: Any, **options: Any) -> None:
        """Read the file into the organization and print what became of its rows."""
        org_id = organization_id(slug=options["org"])
        if org_id is None:
            raise CommandError(f"There is no organization with the short name “{options['org']}”.")
        mapping = dict(_pair(text) for text in options["map"])
        with tempfile.TemporaryFile("w+", encoding="utf-8") as spool:
            try:
                tally = imports.import_file(
                    org_id=org_id,
                    path=options["file"],
                    mapping=mapping,
                    update_existing=not options["skip_existing"],
                    dry=options["dry_run"],
                    report=lambda problem: _spool(spool, problem),
                )
            except DomainError as error:
                raise CommandError(str(error), returncode=UNREADABLE) from error
            spool.seek(0)
            if options["json"]:
                self._print_json(tally, spool)
            else:
                self._print_summary(tally, spool, dry=options["dry_run"])

    def _print_json(self, tally: Tally, spool: IO[str]) -> None:
        # Line by line: a million reasons are never held in memory.
        counts = {name: getattr(tally, name) for name in ("created", "updated", "skipped", "rejected")}
        self.stdout.write(json.dumps(counts)[:-1] + ', "errors": [', ending="")
        for number, line in enumerate(spool):
            self.stdout.write((", " if number else "") + line.rstrip("\n"), ending="")
        self.stdout.write("]}")

    def _print_summary(self, tally: Tally, spool: IO[str], *, dry: bool) -> None:
        would = "would be " if dry else ""
        self.stdout.write(
            f"{tally.processed:,} rows: {tally.created:,} {would}created, {tally.updated:,} {would}updated, "
            f"{tally.skipped:,} {would}skipped, {tally.rejected:,} {would}rejected."
        )
        for number, line in enumerate(spool):
            if number == SHOWN:
                self.stdout.write("… and more; --json lists them all.")
                break
            problem = json.loads(line)
            self.stdout.write(f"  Row {problem['row']}, {problem['field']}: {problem['message']}")


def _spool(spool: IO[str], problem: Problem) -> None:
    spool.write(json.dumps(problem.as_json(), ensure_ascii=False) + "\n")


def _pair(text: str) -> tuple[str, str]:
    title, equals, name = text.rpartition("=")
    title, name = title.strip(), name.strip().lower()
    if not equals or not title:
        raise CommandError(f"--map takes “Their column=field”, not “{text}”.", returncode=UNREADABLE)
    if name not in (IGNORE, CUSTOM, *FIELD_LABELS):
        raise CommandError(
            f"“{name}” is not a field of a lead; use one of: {', '.join(FIELD_LABELS)}, custom.",
            returncode=UNREADABLE,
        )
    return title, name
