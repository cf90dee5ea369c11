"""A campaign with many approved messages, and the mailboxes they leave from; made by the services."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import time

from campaigns.models import Campaign, Enrollment, InboundKind, Mailbox, Message
from campaigns.rendering import content_hash
from campaigns.services import campaigns as campaign_service
from campaigns.services import mailboxes as mailbox_service
from campaigns.services import outbox
from leadpilot.lib import clock
from leadpilot.orgs.models import Organization
from leadpilot.orgs.tenancy import org_context
from leads.models import Lead

PASSWORD = "trust-only"  # noqa: S105 - opens nothing but the oracle
DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
CHUNK = 200


def address(number: int) -> str:
    """The address of the mailbox with this number."""
    return f"box{number}@northbeam.example"


def accounts(number: int) -> dict[str, str]:
    """Names and passwords of so many mailboxes, for the oracle."""
    return {address(n): PASSWORD for n in range(number)}


def mailboxes(org: Organization, *, smtp_port: int, caps: Sequence[int]) -> list[Mailbox]:
    """One mailbox a cap, all of them at the oracle."""
    with org_context(org.pk):
        return [
            mailbox_service.save_mailbox(
                org=org,
                test=False,
                smtp_password=PASSWORD,
                email=address(n),
                from_name="Alex Moreau",
                signature="Alex",
                smtp_host="127.0.0.1",
                smtp_port=smtp_port,
                smtp_security="none",
                smtp_username=address(n),
                inbound_kind=InboundKind.NONE,
                daily_cap=cap,
                min_spacing_seconds=0,
            )
            for n, cap in enumerate(caps)
        ]


def campaign(org: Organization, pool: Sequence[Mailbox], *, daily_cap: int) -> Campaign:
    """One campaign with one step, open day and night."""
    with org_context(org.pk):
        step = {"type": "introduction", "tone": "casual", "personalization_depth": "low", "length": "short"}
        made = campaign_service.create_campaign(
            org=org,
            name="Autumn",
            mailboxes=pool,
            steps=[{**step, "delay_days": 0}],
            window_days=DAYS,
            window_start=time(0),
            window_end=time(23, 59, 59),
            daily_cap=daily_cap,
        )
        return campaign_service.activate(campaign=made)


def approve(campaign: Campaign, pool: Sequence[Mailbox], number: int, *, first: int = 0) -> list[str]:
    """Approve so many messages, shared evenly over the mailboxes, to leads numbered from `first`; their Message-IDs."""
    approved: list[str] = []
    for begin in range(first, first + number, CHUNK):
        with org_context(campaign.org_id):
            for n in range(begin, min(begin + CHUNK, first + number)):
                approved.append(_approve(campaign, pool[n % len(pool)], n).message_id)
    return approved


def _approve(campaign: Campaign, mailbox: Mailbox, number: int) -> Message:
    lead = Lead.objects.create(
        org=campaign.org, name=f"Lead {number}", email=f"lead{number}@firm{number}.example"
    )
    now = clock.now()
    enrollment = Enrollment.objects.create(
        org=campaign.org,
        campaign=campaign,
        lead=lead,
        mailbox=mailbox,  # the service would look at the load of each mailbox each time
        next_step_at=now,
        enrolled_at=now,
    )
    subject, body = f"For lead {number}", f"Hello {lead.name},\n\nthis is number {number}.\n"
    shown = content_hash(from_email=mailbox.email, to_email=lead.email, subject=subject, body=body)
    return outbox.approve_message(
        org=campaign.org,
        lead=lead,
        mailbox=mailbox,
        campaign=campaign,
        enrollment=enrollment,
        step_number=1,
        subject=subject,
        body=body,
        content_hash=shown,
    )
