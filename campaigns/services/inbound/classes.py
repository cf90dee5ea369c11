"""What a mail means, written down, and what its class asks of the lead's sequences (SPEC SQ-3, IN-4)."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

from django.db import transaction

from campaigns import windows
from campaigns.models import Classification, Enrollment, EnrollmentStatus, InboundMessage, StopReason, Thread
from campaigns.services import enrollment as enrollments
from campaigns.services import outcomes
from campaigns.services.unsubscribe import unsubscribe
from leadpilot.lib import clock
from leadpilot.orgs.models import User
from leads.models import Lead

ROBOTS = (Classification.OUT_OF_OFFICE, Classification.AUTO_REPLY, Classification.BOUNCE)
_ENDS = (
    Classification.INTERESTED,
    Classification.NOT_INTERESTED,
    Classification.QUESTION,
    Classification.OBJECTION,
    Classification.WRONG_PERSON,
    Classification.REFERRAL,
)


@transaction.atomic
def record_classification(
    *,
    inbound: InboundMessage,
    classification: str,
    sentiment: str = "",
    confidence: float | None = None,
    reason: str = "",
    extracted: dict[str, Any] | None = None,
    by: str,
) -> InboundMessage:
    """Write down what a mail means, and do what the class asks of its lead's sequences (SPEC SQ-3, IN-4).

    `unsubscribe` opts out. A person's answer ends them, but `other` leaves them paused for a person. An automatic answer
    lets them go on; an absence until after `extracted["return_date"]` (ISO), or five working days. Repeating is harmless.
    """
    kind = Classification(classification)
    fields: dict[str, Any] = {
        "classification": kind,
        "sentiment": sentiment,
        "confidence": confidence,
        "classification_reason": reason,
        "extracted": extracted or {},
        "classified_by": by[:40],
        "classified_at": clock.now(),
    }
    if kind in ROBOTS:
        fields["is_automatic"] = True
    InboundMessage.objects.for_org(inbound.org_id).filter(pk=inbound.pk).update(**fields)
    inbound.refresh_from_db()
    if inbound.lead is not None:
        _follow(inbound, inbound.lead, kind, reason)
    return inbound


def _follow(inbound: InboundMessage, lead: Lead, kind: Classification, reason: str) -> None:
    if kind is Classification.UNSUBSCRIBE:
        unsubscribe(lead=lead, origin="asked for it in an answer", message=inbound.message)
    elif kind in _ENDS:
        enrollments.stop_lead(lead=lead, reason=StopReason.REPLIED, note=f"{kind.label}. {reason}".strip())
    elif kind is Classification.BOUNCE and inbound.message is not None:
        outcomes.soft_bounce(message=inbound.message, said=reason or inbound.subject)
    elif kind in (Classification.OUT_OF_OFFICE, Classification.AUTO_REPLY):
        _go_on(inbound, lead, kind)


def _go_on(inbound: InboundMessage, lead: Lead, kind: Classification) -> None:
    """Resume what an automatic answer paused, unless a person wrote as well.

    The lead is locked: a person's mail that is being taken in just now is seen, or pauses what is resumed here.
    """
    enrollments.lock_lead(lead)
    paused = Enrollment.objects.for_org(lead.org_id).filter(lead=lead, status=EnrollmentStatus.PAUSED)
    for one in paused.select_related("campaign", "lead", "org"):
        people = InboundMessage.objects.for_org(lead.org_id).filter(lead=lead, is_automatic=False)
        if people.filter(created_at__gt=one.resumed_at or one.enrolled_at).exists():
            continue
        if kind is Classification.AUTO_REPLY:
            why = "The automatic answer asks for nothing; the sequence goes on."
            enrollments.resume(enrollment=one, reason=why)
        else:
            at, why = _after_absence(inbound, lead, windows.window_for(one.campaign, lead, one.org))
            enrollments.resume(enrollment=one, at=at, reason=why)


def _after_absence(inbound: InboundMessage, lead: Lead, window: windows.Window) -> tuple[datetime, str]:
    back = _return_date(inbound)
    if back is None:
        why = f"{lead.name} is away, it is not said until when; the sequence goes on in five working days."
        return windows.add_working_days(clock.now(), 5, window), why
    why = f"{lead.name} is away until {back:%d %B %Y}; the sequence goes on the working day after."
    return windows.add_working_days(back.replace(tzinfo=window.zone), 1, window), why


def _return_date(inbound: InboundMessage) -> datetime | None:
    text = str((inbound.extracted or {}).get("return_date") or "")[:10]
    try:
        day = datetime.fromisoformat(text).date()
    except ValueError:
        return None
    far = clock.now().astimezone(UTC).date() + timedelta(days=365)
    return datetime.combine(day, time(9)) if day <= far else None


@transaction.atomic
def mark_handled(*, inbound: InboundMessage, by: User | None = None) -> InboundMessage:
    """Someone has dealt with it; its thread is read when nothing else waits in it. Doing it again changes nothing."""
    rows = InboundMessage.objects.for_org(inbound.org_id)
    rows.filter(pk=inbound.pk, handled_at=None).update(handled_at=clock.now())
    if inbound.thread_id and not rows.filter(thread_id=inbound.thread_id, handled_at=None).exists():
        Thread.objects.for_org(inbound.org_id).filter(pk=inbound.thread_id).update(unread=False)
    inbound.refresh_from_db()
    return inbound
