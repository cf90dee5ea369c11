"""`manage.py sent_checks`: which mailboxes a restore locked, and what a person may do about them."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from leadpilot.ops import comparing, locking
from leadpilot.ops.models import SentCheck, SentCheckStatus
from leadpilot.orgs.services import organization_id
from leadpilot.orgs.tenancy import org_context


class Command(BaseCommand):
    """Lists; with --compare looks into Sent now; with --release opens a lock that nothing can prove."""

    help = "Mailboxes that are locked since a backup was restored: list, compare now, or release one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What to do; nothing is listed twice."""
        parser.add_argument("--compare", action="store_true", help="look into every locked Sent folder now")
        parser.add_argument("--release", metavar="EMAIL", help="let a mailbox send though nothing is proved")
        parser.add_argument("--org", metavar="SLUG", help="the organization of the mailbox to release")
        parser.add_argument("--reason", default="", help="why nothing is sent twice; it is kept")

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit with an error when the mailbox to release is not locked."""
        if options["release"]:
            self._release(options)
        if options["compare"]:
            for org_id, mailbox_id in _waiting():
                comparing.compare(org_id=org_id, mailbox_id=mailbox_id)
        self._list()

    def _release(self, options: dict[str, Any]) -> None:
        if not options["org"] or not options["reason"].strip():
            raise CommandError(
                "--release needs --org SLUG and --reason: look into the mailbox's Sent folder, cancel in Campaigns → "
                "Messages what has left, then say so."
            )
        org_id = organization_id(slug=options["org"])
        if org_id is None:
            raise CommandError(f"There is no organization {options['org']}.")
        with org_context(org_id):
            rows = SentCheck.objects.for_org(org_id).filter(
                status=SentCheckStatus.WAITING, mailbox__email__iexact=options["release"]
            )
            lock = rows.select_related("org", "mailbox").first()
            if lock is None:
                raise CommandError(f"{options['release']} is not locked in {options['org']}.")
            locking.release(lock=lock, by=None, reason=options["reason"].strip())

    def _list(self) -> None:
        waiting = _waiting()
        for org_id, mailbox_id in waiting:
            with org_context(org_id):
                rows = SentCheck.objects.for_org(org_id).filter(status=SentCheckStatus.WAITING)
                lock = rows.select_related("org", "mailbox").filter(mailbox_id=mailbox_id).first()
                if lock is not None:
                    self.stdout.write(
                        f"{lock.org.slug}  {lock.mailbox.email}: {lock.problem or 'not compared yet'}"
                    )
        if not waiting:
            self.stdout.write("No mailbox is locked.")


def _waiting() -> list[tuple[UUID, UUID]]:
    rows = SentCheck.objects.using("system").filter(status=SentCheckStatus.WAITING)
    return list(rows.order_by("created_at").values_list("org_id", "mailbox_id"))
