"""`manage.py restore FILE`: a backup becomes the database, whole or not at all, with sending locked."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from leadpilot.ops import archive
from leadpilot.ops.errors import OpsError
from leadpilot.ops.restore import Restored, restore


class Command(BaseCommand):
    """Asks before anything that is there is put aside."""

    help = "Restore a backup into an empty database, or with --replace in the place of the one that is there."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The file, and how much may be lost."""
        parser.add_argument("file", type=Path, help="what manage.py backup wrote")
        parser.add_argument("--replace", action="store_true", help="put a database with rows in it aside")
        parser.add_argument("--drop-old", action="store_true", help="remove that one afterwards, for good")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit with an error, and with everything as it was, when anything fails."""
        try:
            if options["replace"] and not options["yes"]:
                self._ask(options["file"], drop_old=options["drop_old"])
            done = restore(
                options["file"],
                replace=options["replace"],
                drop_old=options["drop_old"],
                say=self.stdout.write,
            )
        except OpsError as error:
            left = " ".join(getattr(error, "__notes__", ()))
            raise CommandError(f"{error} The database is as it was. {left}".rstrip()) from error
        self._tell(done)

    def _ask(self, file: Path, *, drop_old: bool) -> None:
        name = connections["default"].settings_dict["NAME"]
        with archive.opened(file) as found:
            made = found.manifest
        self.stdout.write(
            f"{file} was made on {made.made_at:%d %B %Y, %H:%M} UTC by LeadPilot {made.version}: "
            f"{made.rows.get('orgs_organization', 0)} organizations, {made.rows.get('leads_lead', 0):,} leads, "
            f"{made.rows.get('campaigns_message', 0):,} messages. It takes the place of the database {name}, which is "
            f"{'REMOVED' if drop_old else 'kept under another name'}."
        )
        if not sys.stdin.isatty():
            raise CommandError("Nobody is there to be asked: say --yes. Nothing was changed.")
        if input(f"Type {name} to go on: ").strip() != name:
            raise CommandError("Nothing was changed.")

    def _tell(self, done: Restored) -> None:
        locked = done.locked
        for warning in done.warnings:
            self.stderr.write(f"Warning: {warning}")
        self.stdout.write(f"Restored as {done.target}, as of {done.manifest.made_at:%d %B %Y, %H:%M} UTC.")
        if done.aside:
            self.stdout.write(
                f"The database that was there is kept as {done.aside}. Remove it when you do not need it any more: "
                f'DROP DATABASE "{done.aside}".'
            )
        self.stdout.write(
            f"{locked.organizations} organizations are stopped and {locked.mailboxes} mailboxes locked; "
            f"{locked.messages} messages may have left since. Start LeadPilot: it compares each Sent folder by itself. "
            "manage.py sent_checks tells how far it is. Everybody has to sign in again."
        )
