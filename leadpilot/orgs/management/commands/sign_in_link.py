"""Print a one-time sign-in link."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from leadpilot.orgs.models import User
from leadpilot.orgs.services import issue_sign_in_link


class Command(BaseCommand):
    help = "Print a one-time sign-in link for a user (by default the demo organization's owner)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--email", default="demo@leadpilot.example")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(email=options["email"].lower()).first()
        if user is None:
            raise CommandError(f"--email: nobody signs in as {options['email']}; run “make setup” first.")
        self.stdout.write(f"{settings.PUBLIC_URL}/enter/{issue_sign_in_link(user=user)}/")
