"""The organization that sends while everything breaks: mailboxes, campaigns, leads, approvals. Made by the services."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import time
from typing import Any

from django.conf import settings

from agent.models import AgentConfig
from agent.services import control
from campaigns.models import Campaign, InboundKind, Mailbox, Message
from campaigns.rendering import content_hash
from campaigns.services import campaigns as campaign_service
from campaigns.services import enrollment as enrollments
from campaigns.services import mailboxes as mailbox_service
from campaigns.services import outbox
from leadpilot.orgs.models import Organization, User
from leadpilot.orgs.services import create_organization
from leadpilot.orgs.tenancy import org_context
from leads.models import Lead

MAILBOXES, CAMPAIGNS = 14, 3
MANY = 100_000  # of anything a day
PASSWORD = "trust-only"  # noqa: S105 - opens nothing but the oracle
WAITING = ("queued", "deferred", "claimed", "sending")
_DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_STEPS: list[dict[str, Any]] = [
    {
        "type": "introduction",
        "tone": "casual",
        "personalization_depth": "low",
        "length": "short",
        "delay_days": 0,
    },
    {
        "type": "soft_reminder",
        "tone": "casual",
        "personalization_depth": "low",
        "length": "short",
        "delay_days": 0,
    },
]


def address(number: int) -> str:
    """The address of the mailbox with this number."""
    return f"box{number}@northbeam.example"


def accounts() -> dict[str, str]:
    """Names and passwords of all mailboxes, for the fake servers."""
    return {address(number): PASSWORD for number in range(1, MAILBOXES + 1)}


@dataclass
class Population:
    """One organization; `approved` remembers what was approved, by Message-ID, outside the database."""

    org: Organization
    owner: User
    mailboxes: list[Mailbox] = field(default_factory=list)
    campaigns: list[Campaign] = field(default_factory=list)
    approved: dict[str, str] = field(default_factory=dict)
    leads: int = 0

    def feed(self, number: int) -> None:
        """Let `number` more leads be approved for both steps."""
        for _ in range(number):
            self.leads += 1
            self._one_lead(self.campaigns[self.leads % len(self.campaigns)])

    def waiting(self) -> int:
        """How many messages are due now or being worked on."""
        with org_context(self.org.pk):
            return Message.objects.for_org(self.org).filter(status__in=WAITING).count()

    def _one_lead(self, campaign: Campaign) -> None:
        number = self.leads
        with org_context(self.org.pk):
            lead = Lead.objects.create(
                org=self.org, name=f"Lead {number}", email=f"lead{number}@firm{number}.example"
            )
            enrollment = enrollments.enroll(campaign=campaign, lead=lead)
            made = [self._approve(enrollment, lead, step) for step in (1, 2)]
        self.approved.update(made)

    def _approve(self, enrollment: Any, lead: Lead, step: int) -> tuple[str, str]:
        subject, body = f"Lead {self.leads} step {step}", f"Hello {lead.name},\n.\nthis is step {step}.\n"
        shown = content_hash(
            from_email=enrollment.mailbox.email, to_email=lead.email, subject=subject, body=body
        )
        message = outbox.approve_message(
            org=self.org,
            lead=lead,
            mailbox=enrollment.mailbox,
            campaign=enrollment.campaign,
            enrollment=enrollment,
            step_number=step,
            subject=subject,
            body=body,
            content_hash=shown,
            approved_by=self.owner,
        )
        return message.message_id, subject


def populate(*, smtp_port: int, imap_port: int, zone: str) -> Population:
    """Make the organization. Without an `imap_port` its mailboxes are not read, and unknown messages stay unknown."""
    owner = User.objects.create_user("owner@northbeam.example", "correct horse battery", name="Olga")
    org = create_organization(
        name="Northbeam",
        owner=owner,
        time_zone=zone,
        postal_address="1 Harbour Street, 20457 Hamburg",
        offer="We plan deliveries.",
        max_emails_per_day=settings.MAX_EMAILS_PER_DAY,
    )
    people = Population(org, owner)
    with org_context(org.pk):
        control.config_for(org)
        AgentConfig.objects.for_org(org).update(
            max_messages_per_day=MANY
        )  # more than the settings' page lets one
        people.mailboxes = [_mailbox(org, n, smtp_port, imap_port) for n in range(1, MAILBOXES + 1)]
        people.campaigns = [_campaign(org, n, people.mailboxes) for n in range(1, CAMPAIGNS + 1)]
    return people


def _mailbox(org: Organization, number: int, smtp_port: int, imap_port: int) -> Mailbox:
    return mailbox_service.save_mailbox(
        org=org,
        test=False,
        smtp_password=PASSWORD,
        imap_password=PASSWORD,
        email=address(number),
        from_name="Alex Moreau",
        signature="Alex",
        smtp_host="127.0.0.1",
        smtp_port=smtp_port,
        smtp_security="none",
        smtp_username=address(number),
        inbound_kind=InboundKind.IMAP if imap_port else InboundKind.NONE,
        imap_host="127.0.0.1" if imap_port else "",
        imap_port=imap_port or 993,
        imap_security="none",
        imap_username=address(number),
        daily_cap=MANY,
        min_spacing_seconds=1 if number == 1 else 0,
    )


def _campaign(org: Organization, number: int, mailboxes: list[Mailbox]) -> Campaign:
    campaign = campaign_service.create_campaign(
        org=org,
        name=f"Autumn {number}",
        mailboxes=mailboxes,
        steps=_STEPS,
        window_days=_DAYS,
        window_start=time(0),
        window_end=time(23, 59, 59),
        daily_cap=MANY,
    )
    return campaign_service.activate(campaign=campaign)
