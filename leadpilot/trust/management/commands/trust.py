"""`manage.py trust ledger --faults 300 --seed 1`: break everything around a real campaign, then check every promise."""

from __future__ import annotations

import subprocess
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from leadpilot.trust import ground
from leadpilot.trust.control import ROOT


class Command(BaseCommand):
    help = "Prove what LeadPilot promises: a fault campaign in a world of its own."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One campaign so far: the ledger."""
        parser.add_argument("what", choices=["ledger"])
        parser.add_argument("--faults", type=int, default=300)
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--folder", type=Path, default=None, help="where the evidence is kept")
        parser.add_argument("--inside", action="store_true", help="run here; the ground is laid already")

    def handle(self, *args: Any, **options: Any) -> None:
        """Lay the ground and run in a process that knows nothing else. Exits with 1 when a promise is broken."""
        name = time.strftime("%Y%m%d-%H%M%S") + f"-{options['seed']}"
        folder = (options["folder"] or Path(settings.VAR) / "trust" / name).absolute()
        if options["inside"]:
            self._run(folder, options["seed"], options["faults"])
            return
        folder.mkdir(parents=True, exist_ok=True)
        self.stdout.write(f"evidence is kept in {folder}")
        asked = [f"--{name}={options[name]}" for name in ("faults", "seed")]
        with ground.private_ground(folder) as environment:
            code = subprocess.run(
                [
                    sys.executable,
                    str(ROOT / "manage.py"),
                    "trust",
                    "ledger",
                    "--inside",
                    f"--folder={folder}",
                    *asked,
                ],
                env=environment,
                cwd=ROOT,
                check=False,
            ).returncode
        sys.exit(code)

    def _run(self, folder: Path, seed: int, faults: int) -> None:
        # The models of the campaign are needed only inside, where the settings lead to its own database.
        from leadpilot.trust import campaign

        outcome = campaign.run(folder, seed, faults, lambda text: self.stderr.write(text))
        for line in campaign.report(outcome, folder):
            self.stdout.write(line)
        if outcome.broken:
            sys.exit(1)
