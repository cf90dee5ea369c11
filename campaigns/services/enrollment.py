"""One lead's way through a campaign: enrolled, step after step, paused, resumed, stopped (SPEC SQ-3)."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Count, Q

from campaigns.models import (
    Campaign,
    CampaignStatus,
    Enrollment,
    EnrollmentStatus,
    Mailbox,
    MailboxStatus,
    Message,
    MessageStatus,
    StopReason,
    Thread,
)
from campaigns.services.transitions import cancel, lock_open, move
from leadpilot.lib import clock
from leadpilot.lib.errors import Conflict, DomainError
from leadpilot.orgs.models import User
from leads.models import Lead
from leads.models.lead import CLOSED_STATUSES
from leads.services.suppression import find_suppression

RUNNING = (EnrollmentStatus.ACTIVE, EnrollmentStatus.PAUSED)


@transaction.atomic
def enroll(*, campaign: Campaign, lead: Lead, by: User | None = None) -> Enrollment:
    """Put a lead into a campaign, with the one mailbox it will hear from.

    Raises DomainError when the lead is closed or suppressed or no mailbox is there, Conflict when it is enrolled already.
    """
    if campaign.status in (CampaignStatus.ARCHIVED, CampaignStatus.COMPLETED):
        raise DomainError(f"The campaign “{campaign}” is {campaign.get_status_display().lower()}.")
    if lead.status in CLOSED_STATUSES:
        raise DomainError(f"{lead.name} is {lead.get_status_display().lower()} and is not written to.")
    entry = find_suppression(org=lead.org, email=lead.email)
    if entry is not None:
        raise DomainError(f"{entry.value} is on the suppression list ({entry.get_reason_display().lower()}).")
    now = clock.now()
    try:
        with transaction.atomic():
            return Enrollment.objects.create(
                org_id=campaign.org_id,
                campaign=campaign,
                lead=lead,
                mailbox=choose_mailbox(campaign=campaign, lead=lead),
                next_step_at=now,
                next_reason="The first mail leaves as soon as it is approved, in the campaign's sending window.",
                enrolled_at=now,
            )
    except IntegrityError as error:
        raise Conflict(_why_enrolled(campaign, lead)) from error


def _why_enrolled(campaign: Campaign, lead: Lead) -> str:
    other = (
        Enrollment.objects.for_org(campaign.org_id)
        .filter(Q(lead=lead), Q(status__in=RUNNING) | Q(campaign=campaign))
        .select_related("campaign")
        .first()
    )
    if other is None:
        return f"{lead.name} was enrolled by someone else just now."
    if other.campaign_id == campaign.pk:
        return f"{lead.name} is in this campaign already ({other.get_status_display().lower()})."
    return f"{lead.name} is in the campaign “{other.campaign}”; a lead is in one campaign at a time."


def choose_mailbox(*, campaign: Campaign, lead: Lead) -> Mailbox:
    """The mailbox the lead knows already, if it is in the pool and works; else the least loaded for its size.

    Raises DomainError when the pool has none that works.
    """
    pool = Mailbox.objects.for_org(campaign.org_id).filter(pk__in=campaign.pool.values("mailbox_id"))
    working: list[Any] = list(
        pool.filter(status=MailboxStatus.CONNECTED).annotate(
            load=Count("enrollments", filter=Q(enrollments__status__in=RUNNING))
        )
    )
    if not working:
        raise DomainError(f"The campaign “{campaign}” has no mailbox that is connected; add one to it.")
    known = Thread.objects.for_org(lead.org_id).filter(lead=lead).order_by("-last_message_at")
    known_ids = list(known.values_list("mailbox_id", flat=True)[:5])
    by_id: dict[UUID, Mailbox] = {mailbox.pk: mailbox for mailbox in working}
    familiar = next((by_id[known_id] for known_id in known_ids if known_id in by_id), None)
    return familiar or _least_loaded(working)


def _least_loaded(mailboxes: list[Any]) -> Mailbox:
    found: Mailbox = min(mailboxes, key=lambda m: (m.load / max(1, m.daily_cap), str(m.pk)))
    return found


def _one(enrollment: Enrollment) -> Any:
    return Enrollment.objects.for_org(enrollment.org_id).filter(pk=enrollment.pk)


@transaction.atomic
def stop(*, enrollment: Enrollment, reason: str, note: str = "") -> bool:
    """End a sequence for good and cancel what has not left yet; True when it was running."""
    messages = Message.objects.for_org(enrollment.org_id).filter(enrollment=enrollment)
    lock_open(messages)
    stopped = (
        _one(enrollment)
        .filter(status__in=RUNNING)
        .update(
            status=EnrollmentStatus.STOPPED,
            stop_reason=StopReason(reason),
            stop_note=note,
            next_step_at=None,
            next_reason=note or StopReason(reason).label,
            finished_at=clock.now(),
        )
    )
    cancel(messages=messages, reason=f"The sequence was stopped: {note or StopReason(reason).label}")
    enrollment.refresh_from_db()
    return bool(stopped)


@transaction.atomic
def pause(*, enrollment: Enrollment, reason: str) -> bool:
    """Hold a running sequence until `resume`; what was queued waits. True when it was active."""
    lock_open(Message.objects.for_org(enrollment.org_id).filter(enrollment=enrollment))
    paused = _one(enrollment).filter(status=EnrollmentStatus.ACTIVE)
    done = bool(paused.update(status=EnrollmentStatus.PAUSED, next_reason=reason))
    if done:
        queued = Message.objects.for_org(enrollment.org_id).filter(
            enrollment=enrollment, in_reply_to=None, status=MessageStatus.QUEUED
        )
        move(messages=queued, to=MessageStatus.HELD, reason=reason)
    enrollment.refresh_from_db()
    return done


@transaction.atomic
def resume(*, enrollment: Enrollment, at: datetime | None = None, reason: str) -> bool:
    """Go on with a paused sequence, its next step not before `at`. Answers that came until now stop it no more.

    True when it was paused.
    """
    now = clock.now()
    due = max(moment for moment in (at, enrollment.next_step_at, now) if moment is not None)
    done = (
        _one(enrollment)
        .filter(status=EnrollmentStatus.PAUSED)
        .update(status=EnrollmentStatus.ACTIVE, next_step_at=due, next_reason=reason, resumed_at=now)
    )
    enrollment.refresh_from_db()
    return bool(done)


def stop_lead(*, lead: Lead, reason: str, note: str = "") -> int:
    """Stop every running sequence of a lead and cancel what waits for it outside of sequences; returns how many stopped."""
    with transaction.atomic():
        messages = Message.objects.for_org(lead.org_id).filter(lead=lead)
        lock_open(messages)
        lock_lead(lead)
        running = Enrollment.objects.for_org(lead.org_id).filter(lead=lead, status__in=RUNNING)
        count = sum(stop(enrollment=enrollment, reason=reason, note=note) for enrollment in running)
        cancel(messages=messages, reason=note or str(StopReason(reason).label))
    return count


def lock_lead(lead: Lead) -> None:
    """Rows are locked in one order, message, lead, enrollment, so that an answer and a send never wait in a circle."""
    list(
        Lead.objects.for_org(lead.org_id).filter(pk=lead.pk).select_for_update(no_key=True).values_list("pk")
    )


@transaction.atomic
def pause_lead(*, lead: Lead, reason: str) -> int:
    """Pause every active sequence of a lead; returns how many."""
    lock_open(Message.objects.for_org(lead.org_id).filter(lead=lead))
    lock_lead(lead)
    active = Enrollment.objects.for_org(lead.org_id).filter(lead=lead, status=EnrollmentStatus.ACTIVE)
    return sum(pause(enrollment=enrollment, reason=reason) for enrollment in active)
