"""What follows from what happened elsewhere: drafts whose mail has left, and approvals that were overtaken."""

from __future__ import annotations

from django.db.models import Exists, F, OuterRef, Q, Subquery

from agent.models import Draft, DraftStatus
from agent.services import drafts
from campaigns.models import EnrollmentStatus, InboundMessage, Message, MessageStatus, SequenceStep
from leadpilot.lib import clock
from leadpilot.orgs.models import Organization
from leads.models import CLOSED_STATUSES, Lead

STEP_REMOVED = "Its step was taken out of the campaign."
GONE = (MessageStatus.CANCELLED, MessageStatus.REFUSED, MessageStatus.NOT_SENT)


def settle_drafts(org: Organization) -> int:
    """Mark drafts sent or withdrawn by what became of their messages and leads; returns how many moved."""
    return _mark_sent(org) + _mark_gone(org) + _withdraw_removed(org) + _withdraw_overtaken(org)


def _mark_sent(org: Organization) -> int:
    left = Draft.objects.for_org(org).filter(status=DraftStatus.APPROVED, message__status=MessageStatus.SENT)
    when = Message.objects.filter(org_id=OuterRef("org_id"), pk=OuterRef("message_id")).values("sent_at")[:1]
    return left.update(status=DraftStatus.SENT, sent_at=Subquery(when), updated_at=clock.now())


def _mark_gone(org: Organization) -> int:
    dead = Draft.objects.for_org(org).filter(status=DraftStatus.APPROVED, message__status__in=GONE)
    why = Message.objects.filter(org_id=OuterRef("org_id"), pk=OuterRef("message_id")).values(
        "status_reason"
    )[:1]
    return dead.update(status=DraftStatus.WITHDRAWN, withdrawn_reason=Subquery(why), updated_at=clock.now())


def _withdraw_removed(org: Organization) -> int:
    """What waits for approval although its step was taken out of the campaign."""
    step = SequenceStep.objects.filter(
        org_id=OuterRef("org_id"), campaign=OuterRef("campaign"), number=OuterRef("step_number")
    )
    waiting = Draft.objects.for_org(org).filter(
        status__in=[DraftStatus.DRAFT, DraftStatus.PENDING_APPROVAL], enrollment__isnull=False
    )
    return waiting.exclude(Exists(step)).update(
        status=DraftStatus.WITHDRAWN,
        withdrawn_reason=STEP_REMOVED,
        updated_at=clock.now(),
    )


def _withdraw_overtaken(org: Organization) -> int:
    """What waits for approval although the talk has moved on: an answer came, the lead is closed, the sequence over."""
    newer = InboundMessage.objects.filter(
        org_id=OuterRef("org_id"),
        lead_id=OuterRef("lead_id"),
        is_automatic=False,
        created_at__gt=OuterRef("created_at"),
    ).order_by("-created_at")
    waiting = Draft.objects.for_org(org).filter(status__in=[DraftStatus.DRAFT, DraftStatus.PENDING_APPROVAL])
    judged = waiting.annotate(newer=Subquery(newer.values("pk")[:1]))
    answered = Q(newer__isnull=False) & (Q(in_reply_to=None) | ~Q(in_reply_to_id=F("newer")))
    over = Q(in_reply_to=None, enrollment__status=EnrollmentStatus.STOPPED)
    reasons = (
        (Q(lead__status__in=CLOSED_STATUSES), "The lead is closed.", False),
        (answered, "The lead answered after this was written.", False),
        (over, "The sequence was stopped.", True),
    )
    moved = 0
    for condition, reason, keep_answers in reasons:
        leads = set(judged.filter(condition).values_list("lead_id", flat=True)[:200])
        for lead in Lead.objects.for_org(org).filter(pk__in=leads):
            moved += drafts.withdraw_drafts(lead=lead, reason=reason, keep_answers=keep_answers)
    return moved
