"""`manage.py trust ledger --faults 300 --seed 1`: break everything around a real campaign, then check every promise.

The other campaigns are modules with HELP, `add_arguments(parser)` and `run(out, options)`, which returns the exit code.
"""

from __future__ import annotations

import signal
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
from leadpilot.trust.engine import command as engine

CAMPAIGNS = {"engine": engine}


class Command(BaseCommand):
    help = "Prove what LeadPilot promises: a fault campaign in a world of its own."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The ledger's here, the others' in their modules."""
        known = parser.add_subparsers(dest="what", required=True)
        ledger = known.add_parser("ledger", help=self.help)
        ledger.add_argument("--faults", type=int, default=300)
        ledger.add_argument("--seed", type=int, default=1)
        ledger.add_argument("--folder", type=Path, default=None, help="where the evidence is kept")
        ledger.add_argument("--inside", action="store_true", help="run here; the ground is laid already")
        for name, campaign in CAMPAIGNS.items():
            campaign.add_arguments(known.add_parser(name, help=campaign.HELP))

    def handle(self, *args: Any, **options: Any) -> None:
        """Lay the ground and run in a process that knows nothing else. Exits with 1 when a promise is broken."""
        if options["what"] in CAMPAIGNS:
            sys.exit(CAMPAIGNS[options["what"]].run(self.stdout, options))
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that nothing is left running
        name = time.strftime("%Y%m%d-%H%M%S") + f"-{options['seed']}"
        folder = (options["folder"] or Path(settings.VAR) / "trust" / name).absolute()
        if options["inside"]:
            self._run(folder, options["seed"], options["faults"])
            return
        folder.mkdir(parents=True, exist_ok=True)
        self.stdout.write(f"evidence is kept in {folder}")
        asked = [f"--{name}={options[name]}" for name in ("faults", "seed")]
        with ground.private_ground(folder) as environment:
            inner = [
                sys.executable,
                str(ROOT / "manage.py"),
                "trust",
                "ledger",
                "--inside",
                f"--folder={folder}",
            ]
            process = subprocess.Popen([*inner, *asked], env=environment, cwd=ROOT)
            try:
                code = process.wait()
            finally:  # whoever stops us stops it, too, in good order
                process.terminate()
                process.wait()
        sys.exit(code)

    def _run(self, folder: Path, seed: int, faults: int) -> None:
        # The models of the campaign are needed only inside, where the settings lead to its own database.
        from leadpilot.trust import campaign, report

        outcome = campaign.run(folder, seed, faults, lambda text: self.stderr.write(text))
        for line in report.report(outcome, folder):
            self.stdout.write(line)
        if outcome.broken or outcome.short:
            sys.exit(1)
