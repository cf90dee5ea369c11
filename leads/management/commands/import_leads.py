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
from leads.services.import_run import Report

UNREADABLE = 2
SHOWN = 20


class Command(BaseCommand):
    help = "Import leads from a CSV or XLSX file. Exits with 2 when nothing can be read with what was given."

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
        parser.add_argument(
            "--json", action="store_true", help="print the result as JSON on the last line, whatever happened"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Read the file into the organization and print what became of its rows."""
        with tempfile.TemporaryFile("w+", encoding="utf-8") as spool:
            try:
                tally = self._import(options, lambda problem: _spool(spool, problem))
            except DomainError as error:
                _spool(spool, Problem(0, error.field or "file", _culprit(error.field, options), str(error)))
                if options["json"]:
                    self._print_json(error.tally if isinstance(error, imports.BrokeOff) else Tally(), spool)
                raise CommandError(str(error), returncode=UNREADABLE) from error
            if not tally.processed:
                self.stderr.write("The file has column titles but no rows under them: nothing was imported.")
            if options["json"]:
                self._print_json(tally, spool)
            else:
                self._print_summary(tally, spool, dry=options["dry_run"])

    def _import(self, options: dict[str, Any], report: Report) -> Tally:
        slug = options["org"]
        org_id = organization_id(slug=slug)
        if org_id is None:
            raise DomainError(
                f"There is no organization with the short name “{slug}”: give --org one that exists.",
                field="org",
            )
        return imports.import_file(
            org_id=org_id,
            path=options["file"],
            mapping=dict(_pair(text) for text in options["map"]),
            update_existing=not options["skip_existing"],
            dry=options["dry_run"],
            report=report,
        )

    def _print_json(self, tally: Tally, spool: IO[str]) -> None:
        # Line by line: a million reasons are never held in memory.
        spool.seek(0)
        counts = {name: getattr(tally, name) for name in ("created", "updated", "skipped", "rejected")}
        self.stdout.write(json.dumps(counts)[:-1] + ', "errors": [', ending="")
        for number, line in enumerate(spool):
            self.stdout.write((", " if number else "") + line.rstrip("\n"), ending="")
        self.stdout.write("]}")

    def _print_summary(self, tally: Tally, spool: IO[str], *, dry: bool) -> None:
        spool.seek(0)
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
    line = json.dumps(problem.as_json(), ensure_ascii=False)
    spool.write(line.encode("utf-8", "replace").decode() + "\n")  # a file's name may be no text at all


def _culprit(field: str, options: dict[str, Any]) -> str:
    """What was given for this option."""
    given = {"org": options["org"], "map": ", ".join(options["map"])}
    return str(given.get(field, options["file"]))


def _pair(text: str) -> tuple[str, str]:
    title, equals, name = text.rpartition("=")
    title, name = title.strip(), name.strip().lower()
    if not equals or not title:
        raise DomainError(f"--map takes “Their column=field”, not “{text}”.", field="map")
    if name not in (IGNORE, CUSTOM, *FIELD_LABELS):
        raise DomainError(
            f"“{name}”, given for the column “{title}”, is not a field of a lead; "
            f"use one of: {', '.join(FIELD_LABELS)}, custom.",
            field="map",
        )
    return title, name
