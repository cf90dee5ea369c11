"""`manage.py backup FILE`: the database and the media files in one file, while everything runs."""

from __future__ import annotations

import os
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from leadpilot.ops.backup import make_backup
from leadpilot.ops.errors import OpsError
from leadpilot.ops.manifest import MEDIA, Manifest


class Command(BaseCommand):
    """Prints what is inside, and what is not."""

    help = "Write the database and the media files into one file, while everything runs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The file, and whether one that is there may be overwritten."""
        parser.add_argument("file", type=Path, help="where to, such as /backups/monday.leadpilot")
        parser.add_argument("--force", action="store_true", help="overwrite the file")

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit with an error, and without a file, when anything fails."""
        began = time.monotonic()
        try:
            made = make_backup(options["file"], force=options["force"])
        except OpsError as error:
            raise CommandError(str(error)) from error
        size = options["file"].stat().st_size / 1e6
        files = sum(name.startswith(MEDIA) for name in made.parts)
        self.stdout.write(
            f"Wrote {options['file']}: {size:.1f} MB, {sum(made.rows.values()):,} rows of {len(made.rows)} tables, "
            f"{files} media files, in {time.monotonic() - began:.1f} s."
        )
        self.stdout.write(_not_inside(made))


def _not_inside(made: Manifest) -> str:
    """Where the secrets are, and what becomes of the backup without them."""
    from_environment = {name for name in ("ENCRYPTION_KEYS", "SECRET_KEY") if os.environ.get(name)}
    if len(from_environment) == 2:
        place = "They are in this process's environment (.env, or your secret store)."
    else:
        place = f"They are in {settings.VAR / 'secrets'}."
    used = ", ".join(f"{name} ({made.keys.get(name, 'not in the ring!')})" for name in made.keys_used)
    return (
        "NOT inside: ENCRYPTION_KEYS and SECRET_KEY. "
        f"{place} Keep a copy of them in another safe place, never beside the backups: "
        f"without ENCRYPTION_KEYS this file cannot be restored{f' (it needs key {used})' if used else ''}, and "
        "without SECRET_KEY the opt-out links in mails that have left stop working."
    )
