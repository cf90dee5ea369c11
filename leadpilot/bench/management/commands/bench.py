"""`manage.py bench send`: measure one subject and its limit, and print `name value unit` lines."""

from __future__ import annotations

from argparse import ArgumentParser
from contextlib import nullcontext
from importlib import import_module
from typing import Any

from django.core.management.base import BaseCommand

from leadpilot.bench import SUBJECTS, figures, ground


class Command(BaseCommand):
    help = "Measure how fast LeadPilot is, beside its limit, in a database made for it."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One sub-command a subject."""
        chosen = parser.add_subparsers(dest="subject", required=True, metavar="{" + ",".join(SUBJECTS) + "}")
        for name in SUBJECTS:
            module = import_module(f"leadpilot.bench.{SUBJECTS[name]}")
            one = chosen.add_parser(name, help=module.HELP)
            one.add_argument(
                "--here", action="store_true", help="use the configured database; rows stay in it"
            )
            module.add_arguments(one)

    def handle(self, *args: Any, subject: str, here: bool, **options: Any) -> None:
        """Print each figure as it is found, and the machine's load at the end."""
        module = import_module(f"leadpilot.bench.{SUBJECTS[subject]}")
        known = {name: options[name] for name in module.OPTIONS}
        with nullcontext() if here else ground.leadpilots():
            for figure in module.measure(**known):
                self.stdout.write(str(figure))
        self.stdout.write(str(figures.load()))
