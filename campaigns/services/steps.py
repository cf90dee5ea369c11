"""The steps of a campaign: one to five mails, each so many working days after the one before (seed 000, 4.3 and 6.3)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import transaction

from campaigns.models import (
    Campaign,
    CampaignStatus,
    Enrollment,
    EnrollmentStatus,
    Message,
    MessageStatus,
    SequenceStep,
)
from leadpilot.lib import clock
from leadpilot.lib.errors import Conflict, DomainError
from leadpilot.orgs.models import User
from leadpilot.orgs.services import record

MOST_STEPS = 5
# Seed 000, section 6.3; the delays are working days after the step before.
DEFAULT_STEPS: tuple[dict[str, Any], ...] = (
    {
        "type": "introduction",
        "tone": "professional_friendly",
        "personalization_depth": "high",
        "length": "short",
        "delay_days": 0,
    },
    {
        "type": "value_proposition",
        "tone": "consultative",
        "personalization_depth": "medium",
        "length": "medium",
        "delay_days": 3,
    },
    {
        "type": "case_study",
        "tone": "educational",
        "personalization_depth": "medium",
        "length": "medium",
        "delay_days": 4,
    },
    {
        "type": "soft_reminder",
        "tone": "casual",
        "personalization_depth": "low",
        "length": "very_short",
        "delay_days": 5,
    },
    {
        "type": "breakup",
        "tone": "understanding",
        "personalization_depth": "low",
        "length": "short",
        "delay_days": 7,
    },
)
_LEFT = (
    MessageStatus.SENT,
    MessageStatus.SENDING,
    MessageStatus.CLAIMED,
    MessageStatus.UNKNOWN,
    MessageStatus.REFUSED,
)
_WAITING = (MessageStatus.HELD, MessageStatus.QUEUED, MessageStatus.DEFERRED)
_RUNNING = (EnrollmentStatus.ACTIVE, EnrollmentStatus.PAUSED)


@transaction.atomic
def set_steps(*, campaign: Campaign, steps: Iterable[dict[str, Any]]) -> None:
    """Replace the steps, one to five, numbered in their order. Raises DomainError for another number of them."""
    found = list(steps)
    if not 1 <= len(found) <= MOST_STEPS:
        raise DomainError("A sequence has one to five steps.", field="steps")
    rows = SequenceStep.objects.for_org(campaign.org_id).filter(campaign=campaign)
    rows.filter(number__gt=len(found)).delete()
    for number, step in enumerate(found, start=1):
        rows.update_or_create(
            org_id=campaign.org_id, campaign=campaign, number=number, defaults={**step, "number": number}
        )


@transaction.atomic
def update_step(*, step: SequenceStep, by: User | None = None, **fields: Any) -> SequenceStep:
    """Change one step. Drafts and messages that are written already stay as they are."""
    for name, value in fields.items():
        setattr(step, name, value)
    step.save(update_fields=list(fields))
    _told(step.campaign, by, "changed", step.number)
    return step


@transaction.atomic
def add_step(*, campaign: Campaign, by: User | None = None) -> SequenceStep:
    """One more mail at the end, as the seed has it at that place; the agent writes it for leads under way, too.

    Raises DomainError when there are five, Conflict for a campaign that is over.
    """
    number = _last(campaign) + 1
    if number > MOST_STEPS:
        raise DomainError(f"A sequence has at most {MOST_STEPS} steps; this one has them.", field="steps")
    step: SequenceStep = SequenceStep.objects.create(
        org_id=campaign.org_id, campaign=campaign, number=number, **DEFAULT_STEPS[number - 1]
    )
    _told(campaign, by, "added", number)
    return step


@transaction.atomic
def remove_last_step(*, campaign: Campaign, by: User | None = None) -> int:
    """Take the last mail off; sequences that waited for it alone are complete. Returns its number.

    Raises DomainError when it is the only step, or when it has left or is approved for anybody: the message says for
    how many. Raises Conflict for a campaign that is over.
    """
    number = _last(campaign)
    if number <= 1:
        raise DomainError("Step 1 stays: a sequence has at least one step.", field="steps")
    running = Enrollment.objects.for_org(campaign.org_id).filter(campaign=campaign, status__in=_RUNNING)
    # Whoever is approving a mail holds its sequence: wait for them, then count what they approved.
    list(running.select_for_update(no_key=True).order_by("pk").values_list("pk"))
    SequenceStep.objects.for_org(campaign.org_id).filter(campaign=campaign, number=number).delete()
    _refuse_when_used(campaign, number)
    running.filter(next_step=number).update(
        status=EnrollmentStatus.COMPLETED,
        next_step_at=None,
        next_reason=f"Step {number} was taken out of the campaign; the mail before it was the last.",
        finished_at=clock.now(),
    )
    _told(campaign, by, "removed", number)
    return number


def _last(campaign: Campaign) -> int:
    """The number of the last step. The campaign is locked, so that two people do not add or remove at once."""
    rows = Campaign.objects.for_org(campaign.org_id).filter(pk=campaign.pk)
    status = rows.select_for_update(no_key=True).values_list("status", flat=True).get()
    if status in (CampaignStatus.ARCHIVED, CampaignStatus.COMPLETED):
        raise Conflict(f"The campaign is {CampaignStatus(status).label.lower()}; its steps stay as they are.")
    steps = SequenceStep.objects.for_org(campaign.org_id).filter(campaign=campaign)
    return steps.order_by("-number").values_list("number", flat=True).first() or 0


def _refuse_when_used(campaign: Campaign, number: int) -> None:
    messages = Message.objects.for_org(campaign.org_id).filter(
        campaign=campaign, email_sequence=number, in_reply_to=None
    )
    if left := messages.filter(status__in=_LEFT).count():
        leads = "1 lead" if left == 1 else f"{left} leads"
        raise DomainError(
            f"Step {number} stays: it has been sent to {leads} already, and what was sent has to stay explained.",
            field="steps",
        )
    if waiting := messages.filter(status__in=_WAITING).count():
        leads = "1 lead" if waiting == 1 else f"{waiting} leads"
        raise DomainError(
            f"Step {number} stays: it is approved for {leads} and waits to leave; take those approvals back first.",
            field="steps",
        )


def _told(campaign: Campaign, by: User | None, what: str, number: int) -> None:
    record(
        org=campaign.org,
        actor=by,
        action=f"campaign.step_{what}",
        message=f"Step {number} of “{campaign}” was {what}.",
        subject=campaign,
    )
