"""A held message's turn: its bytes are fixed, its moment chosen, and it is queued."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet

from campaigns import rendering, windows
from campaigns.models import (
    CampaignStatus,
    Enrollment,
    EnrollmentStatus,
    Message,
    MessageEvent,
    MessageStatus,
)
from campaigns.services import enrollment as enrollments
from campaigns.services.outbox.building import bytes_of
from campaigns.services.transitions import cancel, move, record_event
from leadpilot.lib import clock, jobs, pace
from leadpilot.lib.errors import DomainError
from leadpilot.orgs.models import Organization

FOLLOW_UP_JITTER = pace.time("follow_up_jitter", timedelta(minutes=30))


def release_due(*, org: Organization, limit: int = 200) -> int:
    """The sequencer: queue held messages whose step's turn has come, with their bytes; returns how many."""
    now = clock.now()
    with transaction.atomic():
        due = (
            Message.objects.for_org(org)
            .filter(
                status=MessageStatus.HELD,
                in_reply_to=None,
                enrollment__status=EnrollmentStatus.ACTIVE,
                enrollment__next_step=F("email_sequence"),
                enrollment__next_step_at__lte=now,
                campaign__status=CampaignStatus.ACTIVE,
            )
            .select_related("org", "lead", "mailbox", "campaign", "enrollment", "thread")
            .select_for_update(of=("self",), skip_locked=True)
            .order_by("enrollment__next_step_at")[:limit]
        )
        return sum(release(message, now) for message in due)


def is_due(message: Message, now: datetime) -> bool:
    """Whether it is its step's turn in a sequence and a campaign that run."""
    if message.enrollment_id is None or message.email_sequence is None:
        return False
    return (
        Enrollment.objects.for_org(message.org_id)
        .filter(
            pk=message.enrollment_id,
            status=EnrollmentStatus.ACTIVE,
            campaign__status=CampaignStatus.ACTIVE,
            next_step=message.email_sequence,
            next_step_at__lte=now,
        )
        .exists()
    )


def release(message: Message, now: datetime) -> bool:
    """held → queued. The bytes are built now, from what was really sent in the thread, and never again."""
    fields: dict[str, Any] = {}
    if message.raw is None:
        try:
            raw = bytes_of(message, now)
        except DomainError as error:
            _cannot_be_built(message, str(error))
            return False
        fields = {"raw": raw, "raw_hash": rendering.raw_hash(raw)}
    at, why = _moment(message, now)
    if not move(messages=_one(message), to=MessageStatus.QUEUED, reason=why, scheduled_for=at, **fields):
        return False
    message.refresh_from_db()
    record_event(
        message=message, kind=MessageEvent.Kind.QUEUED, key=f"queued:{at.isoformat()}", at=at.isoformat()
    )
    if at <= now:
        jobs.wake("campaigns.tasks.drain_mailbox", message.org_id, message.mailbox_id)
    return True


def _one(message: Message) -> QuerySet[Message]:
    return Message.objects.for_org(message.org_id).filter(pk=message.pk)


def _cannot_be_built(message: Message, why: str) -> None:
    cancel(messages=_one(message), reason=why)
    if message.enrollment is not None:
        enrollments.pause(
            enrollment=message.enrollment, reason=f"Step {message.email_sequence} cannot be sent: {why}"
        )


def _moment(message: Message, now: datetime) -> tuple[datetime, str]:
    """When a released message may leave, and why then."""
    approved_at: datetime = message.approved_at or now
    earliest = max(now, approved_at + timedelta(seconds=settings.UNDO_SECONDS))
    if message.campaign is None or message.in_reply_to_id is not None:
        return earliest, "Leaves when the time to undo is over."
    window = windows.window_for(message.campaign, message.lead, message.org)
    if not window.is_open(earliest):
        at = windows.spread(windows.next_opening(earliest, window), window, str(message.pk))
        return at, f"Waits for the sending window to open ({window.zone.key})."
    if (message.email_sequence or 1) > 1:
        at = windows.spread(earliest, window, str(message.pk), FOLLOW_UP_JITTER)
        return at, "Its turn in the sequence."
    return earliest, "Leaves when the time to undo is over."
