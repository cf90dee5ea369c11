"""Campaigns and their steps: made, changed, checked before they start, paused (SPEC SQ-1, SQ-2; seed 000, section 6.3)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import transaction

from campaigns.models import (
    Campaign,
    CampaignStatus,
    Enrollment,
    Mailbox,
    Message,
    StopReason,
)
from campaigns.models.campaign import WEEKDAYS, CampaignMailbox
from campaigns.services import enrollment as enrollments
from campaigns.services import outbox
from campaigns.services.preflight import NotReady, PreflightCheck, preflight
from campaigns.services.steps import DEFAULT_STEPS, add_step, remove_last_step, set_steps, update_step
from campaigns.services.transitions import lock_open
from leadpilot.lib import clock
from leadpilot.lib.errors import Conflict, DomainError
from leadpilot.orgs.models import Organization, User
from leadpilot.orgs.services import record

__all__ = [
    "DEFAULT_STEPS",
    "NotReady",
    "PreflightCheck",
    "activate",
    "add_step",
    "archive",
    "create_campaign",
    "pause",
    "preflight",
    "remove_last_step",
    "set_mailboxes",
    "set_steps",
    "update_campaign",
    "update_step",
]
_FIELDS = {
    *("name", "description", "goal", "offer", "tone", "audience", "call_to_action", "kind", "approval_mode"),
    *("enroll_automatically", "window_days", "window_start", "window_end", "daily_cap", "scheduled_for"),
}


@transaction.atomic
def create_campaign(
    *,
    org: Organization,
    by: User | None = None,
    name: str,
    mailboxes: Iterable[Mailbox] = (),
    steps: Iterable[dict[str, Any]] | None = None,
    **fields: Any,
) -> Campaign:
    """A draft campaign with its steps (the five of seed 000 unless given). Raises DomainError naming a field."""
    campaign = Campaign(org=org, created_by=by)
    _set(campaign, {"name": name, **fields})
    campaign.save(force_insert=True)
    set_mailboxes(campaign=campaign, mailboxes=mailboxes)
    set_steps(campaign=campaign, steps=DEFAULT_STEPS if steps is None else steps)
    record(
        org=org,
        actor=by,
        action="campaign.created",
        message=f"The campaign “{campaign}” was made.",
        subject=campaign,
    )
    return campaign


@transaction.atomic
def update_campaign(*, campaign: Campaign, by: User | None = None, **fields: Any) -> Campaign:
    """Change the named fields. What is approved already keeps its words. Raises DomainError naming a field."""
    _set(campaign, fields)
    campaign.save(update_fields=[*fields, "updated_at"])
    record(
        org=campaign.org,
        actor=by,
        action="campaign.changed",
        message=f"Changed: {', '.join(fields)}.",
        subject=campaign,
    )
    return campaign


def _set(campaign: Campaign, fields: dict[str, Any]) -> None:
    if unknown := fields.keys() - _FIELDS:
        raise TypeError(f"A campaign has no field {', '.join(sorted(unknown))}.")
    for name, value in fields.items():
        setattr(campaign, name, value.strip() if isinstance(value, str) else value)
    if not campaign.name:
        raise DomainError("Give the campaign a name.", field="name")
    if not campaign.window_days or set(campaign.window_days) - set(WEEKDAYS):
        raise DomainError("Choose at least one day of the week to send on.", field="window_days")
    if campaign.window_end <= campaign.window_start:
        raise DomainError("The sending window ends before it starts.", field="window_end")


@transaction.atomic
def set_mailboxes(*, campaign: Campaign, mailboxes: Iterable[Mailbox]) -> None:
    """The pool this campaign sends from. Leads that are under way keep the mailbox they know."""
    wanted = {mailbox.pk for mailbox in mailboxes}
    pool = CampaignMailbox.objects.for_org(campaign.org_id).filter(campaign=campaign)
    pool.exclude(mailbox_id__in=wanted).delete()
    present = set(pool.values_list("mailbox_id", flat=True))
    for mailbox_id in wanted - present:
        CampaignMailbox.objects.create(org_id=campaign.org_id, campaign=campaign, mailbox_id=mailbox_id)


@transaction.atomic
def activate(*, campaign: Campaign, by: User | None = None) -> Campaign:
    """Start or go on. Raises NotReady with the list, Conflict for an archived or completed one."""
    checks = preflight(campaign=campaign)
    if any(check.blocks and not check.ok for check in checks):
        raise NotReady(checks)
    _move(
        campaign,
        by,
        CampaignStatus.ACTIVE,
        (CampaignStatus.DRAFT, CampaignStatus.PAUSED, CampaignStatus.ACTIVE),
    )
    Campaign.objects.for_org(campaign.org_id).filter(pk=campaign.pk, started_at=None).update(
        started_at=clock.now()
    )
    outbox.release_due(org=campaign.org)
    campaign.refresh_from_db()
    return campaign


@transaction.atomic
def pause(*, campaign: Campaign, by: User | None = None) -> Campaign:
    """Hold everything of it, also what is queued. Raises Conflict when it is not active."""
    return _move(campaign, by, CampaignStatus.PAUSED, (CampaignStatus.ACTIVE, CampaignStatus.PAUSED))


@transaction.atomic
def archive(*, campaign: Campaign, by: User | None = None) -> Campaign:
    """End it for good: its sequences stop, what waits is cancelled."""
    lock_open(Message.objects.for_org(campaign.org_id).filter(campaign=campaign))
    _move(campaign, by, CampaignStatus.ARCHIVED, tuple(CampaignStatus))
    running = Enrollment.objects.for_org(campaign.org_id).filter(
        campaign=campaign, status__in=enrollments.RUNNING
    )
    for enrollment in running:
        enrollments.stop(enrollment=enrollment, reason=StopReason.ARCHIVED, note="The campaign was archived.")
    return campaign


def _move(campaign: Campaign, by: User | None, to: str, allowed: tuple[str, ...]) -> Campaign:
    rows = Campaign.objects.for_org(campaign.org_id).filter(pk=campaign.pk)
    moved = rows.filter(status__in=allowed).exclude(status=to).update(status=to, updated_at=clock.now())
    campaign.refresh_from_db()
    if not moved and campaign.status != to:
        raise Conflict(f"The campaign is {campaign.get_status_display().lower()}.")
    if moved:
        record(
            org=campaign.org,
            actor=by,
            action=f"campaign.{to}",
            message=f"The campaign “{campaign}” is {campaign.get_status_display().lower()}.",
            subject=campaign,
        )
    return campaign
