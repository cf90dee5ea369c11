"""Make the demo organization with the people of the sandbox as its leads."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from leadpilot.sandbox.seeding import seed_demo
from leadpilot.sandbox.servers import SandboxServers


class Command(BaseCommand):
    """`manage.py seed_demo`: once; a second run changes nothing."""

    help = "Make the demo organization (slug demo) in the sandbox, unless it is there."

    def handle(self, *args: Any, **options: Any) -> None:
        """Say what was done."""
        if not settings.SANDBOX["enabled"]:
            self.stdout.write("No demo organization: the sandbox is off (LEADPILOT_SANDBOX).")
        elif seed_demo(SandboxServers.world()):
            self.stdout.write("Made the demo organization.")
        elif options["verbosity"] > 1:
            self.stdout.write("The demo organization is there.")
