"""A real campaign whose mails wait to leave, made by the services that the screens use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import time
from typing import Any

from django.test.utils import override_settings

from agent.services import control
from campaigns.models import Campaign, Mailbox, Message
from campaigns.models.campaign import WEEKDAYS
from campaigns.rendering import content_hash
from campaigns.services import campaigns, outbox
from campaigns.services import enrollment as enrollments
from leadpilot.lib.ids import new_id
from leadpilot.orgs.models import Organization, User
from leadpilot.orgs.services import create_organization
from leadpilot.orgs.tenancy import org_context
from leads.models import Lead

NO_CAP = 10_000_000
_BODY = """Hello {name},

I saw that your team of twelve plans its deliveries between Hamburg and Lübeck by hand, and that you are looking for a
dispatcher. We help firms of your size to plan the same tours in a quarter of the time.

Would twenty minutes on Thursday be worth it to see one of your own days planned?
"""


@dataclass(frozen=True)
class Bench:
    """An organization with one mailbox and one campaign."""

    org: Organization
    mailbox: Mailbox
    campaign: Campaign

    def approve(self, mails: int) -> list[Message]:
        """So many leads, each with an approved first mail that is due."""
        with org_context(self.org.pk):
            return [self._approve() for _ in range(mails)]

    def _approve(self) -> Message:
        name = new_id().hex[-10:]
        lead = Lead.objects.create(
            org=self.org, name=f"Ann {name}", email=f"ann@{name}.example", company="Firm"
        )
        subject, body = f"Your tours, {name}", _BODY.format(name=lead.name)
        enrolled = enrollments.enroll(campaign=self.campaign, lead=lead)
        shown = content_hash(from_email=self.mailbox.email, to_email=lead.email, subject=subject, body=body)
        return outbox.approve_message(
            org=self.org,
            lead=lead,
            mailbox=self.mailbox,
            campaign=self.campaign,
            enrollment=enrolled,
            step_number=1,
            subject=subject,
            body=body,
            content_hash=shown,
        )


@contextmanager
def campaign(port: int) -> Iterator[Bench]:
    """One mailbox that sends to this port of this machine, without cap, spacing or window."""
    settings: dict[str, Any] = {"MAX_EMAILS_PER_DAY": NO_CAP, "UNDO_SECONDS": 0}
    with override_settings(OUTBOUND_ALLOW=[f"127.0.0.1:{port}"], **settings):
        yield _make(port)


def _make(port: int) -> Bench:
    name = new_id().hex[-12:]
    owner = User.objects.create_user(f"{name}@bench.example", None, name="Bench")
    org = create_organization(
        name="Bench",
        slug=f"bench-{name}",
        owner=owner,
        postal_address="1 Harbour Street",
        offer="We plan tours.",
    )
    with org_context(org.pk):
        assert Organization.objects.filter(pk=org.pk).update(max_emails_per_day=NO_CAP) == 1
        org.refresh_from_db()
        control.start(org=org, by=owner)
        control.update_config(org=org, by=owner, max_messages_per_day=10_000)
        mailbox = Mailbox(
            org=org,
            email=f"alex@{name}.example",
            from_name="Alex Moreau",
            signature="Alex Moreau",
            smtp_host="127.0.0.1",
            smtp_port=port,
            smtp_security="none",
            inbound_kind="none",
            min_spacing_seconds=0,
            daily_cap=NO_CAP,
        )
        mailbox.save()
        made = campaigns.create_campaign(
            org=org,
            name="Bench",
            mailboxes=[mailbox],
            window_days=list(WEEKDAYS),
            window_start=time(0),
            window_end=time(23, 59, 59),
            daily_cap=NO_CAP,
        )
        return Bench(org, mailbox, campaigns.activate(campaign=made))
