"""A small real organization for tests: a mailbox, an active campaign, a lead, mail that went out and came back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from agent.models import Draft, DraftStatus
from campaigns.models import (
    Campaign,
    CampaignStatus,
    Enrollment,
    InboundKind,
    InboundMessage,
    Mailbox,
    SequenceStep,
)
from campaigns.models.campaign import CampaignMailbox, StepType
from campaigns.models.mailbox import Security
from campaigns.rendering import content_hash
from campaigns.services import enrollment as enrollments
from campaigns.services import inbound as inbox
from leadpilot.lib import clock
from leads.models import Lead

STEPS = tuple(StepType.values)


def make_lead(org: Any, name: str = "Ada Lovelace", **fields: Any) -> Lead:
    """A lead of Analytical Engines, unless told otherwise."""
    first = name.split()[0].lower()
    return Lead.objects.create(
        org=org,
        **{"name": name, "email": f"{first}@engines.example", "company": "Analytical Engines", **fields},
    )


def make_mailbox(org: Any, email: str = "alice@acme.example") -> Mailbox:
    """A connected mailbox that is read by nobody."""
    return Mailbox.objects.create(
        org=org,
        email=email,
        from_name="Alice",
        smtp_host="127.0.0.1",
        smtp_port=2525,
        smtp_security=Security.NONE,
        inbound_kind=InboundKind.NONE,
    )


def make_campaign(org: Any, *, steps: int = 5, **fields: Any) -> Campaign:
    """An active campaign with steps and one mailbox, sending at any hour."""
    campaign = Campaign.objects.create(
        org=org, **{"name": "Autumn", "status": CampaignStatus.ACTIVE, "started_at": clock.now(), **fields}
    )
    for number in range(1, steps + 1):
        SequenceStep.objects.create(
            org=org,
            campaign=campaign,
            number=number,
            type=STEPS[number - 1],
            tone="friendly",
            personalization_depth="high",
            length="short",
            delay_days=0 if number == 1 else 3,
        )
    CampaignMailbox.objects.create(org=org, campaign=campaign, mailbox=make_mailbox(org))
    return campaign


def make_enrollment(org: Any, lead: Lead | None = None, campaign: Campaign | None = None) -> Enrollment:
    """A lead on its way through a campaign."""
    campaign = campaign or make_campaign(org)
    return enrollments.enroll(campaign=campaign, lead=lead or make_lead(org))


def make_draft(enrollment: Enrollment, step: int = 1, **fields: Any) -> Draft:
    """A draft of one step, waiting for approval."""
    subject, body = f"Step {step}", f"Hi {enrollment.lead.first_name},\n\nThis is step {step}.\n"
    hashed = content_hash(
        from_email=enrollment.mailbox.email, to_email=enrollment.lead.email, subject=subject, body=body
    )
    return Draft.objects.create(
        org_id=enrollment.org_id,
        lead=enrollment.lead,
        campaign=enrollment.campaign,
        enrollment=enrollment,
        step_number=step,
        **{
            "subject": subject,
            "message_body": body,
            "content_hash": hashed,
            "status": DraftStatus.PENDING_APPROVAL,
            **fields,
        },
    )


def make_inbound(
    lead: Lead, mailbox: Mailbox, text: str = "Sounds good, tell me more.", **fields: Any
) -> InboundMessage:
    """A mail that came back, not classified yet, in a thread of its own."""
    thread = inbox.keeping.thread_for(mailbox, lead, None, "Re: Step 1")
    return InboundMessage.objects.create(
        org_id=lead.org_id,
        lead=lead,
        mailbox=mailbox,
        thread=thread,
        **{
            "source_key": f"test:{clock.now().timestamp()}",
            "from_email": lead.email,
            "subject": "Re: Step 1",
            "body_text": text,
            "new_text": text,
            "received_at": clock.now() + timedelta(milliseconds=1),
            **fields,
        },
    )
