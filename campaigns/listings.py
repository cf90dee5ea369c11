"""What the pages of inbox, campaigns and mailboxes read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from campaigns import queries
from campaigns.models import (
    Campaign,
    CampaignStatus,
    Enrollment,
    EnrollmentStatus,
    InboundMessage,
    Mailbox,
    Message,
    MessageStatus,
    Thread,
)
from leadpilot.lib import clock
from leadpilot.orgs.days import TODAY, start_of_day
from leadpilot.orgs.models import User
from leads.models import Lead


def thread_list(
    org: Any,
    *,
    q: str = "",
    state: str = "open",
    kind: str = "",
    mailbox: str = "",
    campaign: str = "",
    user: User | None = None,
) -> QuerySet[Thread]:
    """Conversations with at least one answer, the latest first, each with its latest answer's text and class.

    `state` is `open`, `mine` (open and given to `user`), `unread`, `snoozed` or `closed`.
    """
    answers = InboundMessage.objects.filter(org_id=OuterRef("org_id"), thread=OuterRef("pk"))
    latest = answers.order_by("-received_at")
    threads = (
        Thread.objects.for_org(org)
        .filter(Exists(answers))
        .select_related("lead", "mailbox", "campaign", "assigned_to")
        .annotate(
            answer_text=Subquery(latest.values("new_text")[:1]),
            answer_class=Subquery(latest.values("classification")[:1]),
            answered_at=Subquery(latest.values("received_at")[:1]),
        )
    )
    asleep = Q(snoozed_until__gt=clock.now())
    if state == "closed":
        threads = threads.filter(is_open=False)
    elif state == "snoozed":
        threads = threads.filter(asleep, is_open=True)
    else:
        threads = threads.filter(~asleep | Q(snoozed_until=None), is_open=True)
    if state == "unread":
        threads = threads.filter(unread=True)
    if state == "mine":
        threads = threads.filter(assigned_to=user)
    if kind:
        threads = threads.filter(answer_class=kind)
    if mailbox:
        threads = threads.filter(mailbox_id=mailbox)
    if campaign:
        threads = threads.filter(campaign_id=campaign)
    if q:
        named = Q(lead__name__icontains=q) | Q(lead__email__icontains=q) | Q(lead__company__icontains=q)
        threads = threads.filter(named | Q(subject__icontains=q) | Q(answer_text__icontains=q))
    return threads.order_by("-last_message_at", "-pk")


@dataclass(frozen=True)
class Turn:
    """One mail of a conversation: `message` when we wrote it, `inbound` when they did."""

    at: Any
    message: Message | None = None
    inbound: InboundMessage | None = None
    is_last: bool = False


SHOWN = (
    MessageStatus.SENT,
    MessageStatus.SENDING,
    MessageStatus.QUEUED,
    MessageStatus.DEFERRED,
    MessageStatus.UNKNOWN,
    MessageStatus.REFUSED,
    MessageStatus.NOT_SENT,
)


def conversation(thread: Thread) -> list[Turn]:
    """Everything said in a thread, oldest first; what has not left yet comes last."""
    ours = Message.objects.for_org(thread.org_id).filter(thread=thread, status__in=SHOWN).defer("raw")
    theirs = InboundMessage.objects.for_org(thread.org_id).filter(thread=thread)
    turns = [
        Turn(message.sent_at or message.scheduled_for or message.created_at, message=message)
        for message in ours
    ]
    turns += [Turn(inbound.received_at, inbound=inbound) for inbound in theirs]
    turns.sort(key=lambda turn: (turn.message is not None and turn.message.sent_at is None, turn.at))
    return [*turns[:-1], replace(turns[-1], is_last=True)] if turns else []


def campaign_list(org: Any, *, q: str = "", status: str = "") -> QuerySet[Campaign]:
    """Campaigns with their counts."""
    campaigns = Campaign.objects.for_org(org)
    if q:
        campaigns = campaigns.filter(Q(name__icontains=q) | Q(goal__icontains=q))
    campaigns = campaigns.filter(status=status) if status else campaigns.exclude(status="archived")
    return with_counts(campaigns).order_by("-created_at", "-pk")


def with_counts(campaigns: QuerySet[Campaign]) -> QuerySet[Campaign]:
    """Annotate enrolled, active, sent, answered and bounced; each from its own subquery, so that none multiplies."""
    enrolled = _count(Enrollment.objects.all())
    active = _count(Enrollment.objects.filter(status=EnrollmentStatus.ACTIVE))
    sent = _count(Message.objects.filter(status=MessageStatus.SENT))
    answered = _count(Message.objects.filter(replied=True), distinct_lead=True)
    bounced = _count(Message.objects.filter(bounced=True), distinct_lead=True)
    return campaigns.annotate(
        enrolled_count=enrolled,
        active_count=active,
        sent_count=sent,
        replied_count=answered,
        bounced_count=bounced,
    )


def _count(rows: QuerySet[Any], *, distinct_lead: bool = False) -> Any:
    counted = Count("lead_id", distinct=True) if distinct_lead else Count("pk")
    mine = rows.filter(org_id=OuterRef("org_id"), campaign=OuterRef("pk")).order_by().values("campaign")
    return Coalesce(Subquery(mine.annotate(number=counted).values("number")), 0)


def enrollment_list(
    campaign: Campaign, *, q: str = "", status: str = "", reason: str = ""
) -> QuerySet[Enrollment]:
    """The leads of a campaign, running ones first, each with the mail of its next step (`mail_status`, `mail_reason`)."""
    mail = Message.objects.filter(
        org_id=OuterRef("org_id"), enrollment=OuterRef("pk"), email_sequence=OuterRef("next_step")
    ).order_by("-revision")
    rows = (
        Enrollment.objects.for_org(campaign.org_id)
        .filter(campaign=campaign)
        .select_related("lead", "campaign")
        .annotate(
            mail_status=Subquery(mail.values("status")[:1]),
            mail_reason=Subquery(mail.values("status_reason")[:1]),
        )
    )
    if status:
        rows = rows.filter(status=status)
    if reason:
        rows = rows.filter(stop_reason=reason)
    if q:
        rows = rows.filter(
            Q(lead__name__icontains=q) | Q(lead__email__icontains=q) | Q(lead__company__icontains=q)
        )
    return rows.order_by("status", F("next_step_at").asc(nulls_last=True), "-enrolled_at", "pk")


@dataclass(frozen=True)
class Waiting:
    """Why the next step of a lead has not left: one sentence, when it is due if that is still to come, and whether a
    person can hasten it by approving."""

    enrollment: Enrollment
    reason: str
    at: Any = None
    asks: bool = False


_ON_ITS_WAY = (MessageStatus.QUEUED, MessageStatus.DEFERRED, MessageStatus.CLAIMED, MessageStatus.SENDING)


def why_not_yet(row: Any) -> Waiting:
    """The one reason why a lead of `enrollment_list` has not got its next mail; the nearest obstacle wins."""
    if row.status == EnrollmentStatus.STOPPED:
        return Waiting(row, row.stop_note or row.get_stop_reason_display())
    if row.status != EnrollmentStatus.ACTIVE:
        return Waiting(row, row.next_reason)
    if row.campaign.status != CampaignStatus.ACTIVE:
        return Waiting(row, f"The campaign is {row.campaign.get_status_display().lower()}.")
    if row.mail_status in _ON_ITS_WAY or row.mail_status == MessageStatus.UNKNOWN:
        return Waiting(row, row.mail_reason or MessageStatus(row.mail_status).label)
    if row.next_step_at and row.next_step_at > clock.now():
        return Waiting(row, row.next_reason, at=row.next_step_at)
    if row.mail_status in (None, MessageStatus.CANCELLED, MessageStatus.NOT_SENT):
        return Waiting(row, f"Step {row.next_step} is due; its mail is not approved yet.", asks=True)
    return Waiting(row, row.mail_reason or row.next_reason)


WAITING = "waiting"  # in the list's filter: whatever has not left yet but will


def message_list(
    org: Any, *, q: str = "", status: str = "", campaign: str = "", mailbox: str = "", sent: str = ""
) -> QuerySet[Message]:
    """Everything that leaves or left, newest first; `status` is one of MessageStatus or `waiting`, `sent` is `today`."""
    rows = Message.objects.for_org(org).select_related("lead", "mailbox", "campaign", "thread").defer("raw")
    if status == WAITING:
        rows = rows.filter(status__in=queries.WAITING)
    elif status:
        rows = rows.filter(status=status)
    if campaign:
        rows = rows.filter(campaign_id=campaign)
    if mailbox:
        rows = rows.filter(mailbox_id=mailbox)
    if sent == TODAY:
        rows = rows.filter(sent_at__gte=start_of_day(org))
    if q:
        rows = rows.filter(Q(lead__name__icontains=q) | Q(to_email__icontains=q) | Q(subject__icontains=q))
    return rows.order_by("-pk")  # ids are in the order of time, and this one needs no further index


@dataclass(frozen=True)
class StepState:
    """A step of a lead's sequence and where its mail is."""

    number: int
    label: str
    message: Message | None
    is_next: bool


def lead_steps(lead: Lead) -> tuple[Enrollment | None, Sequence[StepState]]:
    """The lead's latest enrolment with the state of each step."""
    enrollment = (
        Enrollment.objects.for_org(lead.org_id)
        .filter(lead=lead)
        .select_related("campaign", "mailbox")
        .order_by("-enrolled_at")
        .first()
    )
    if enrollment is None:
        return None, ()
    messages = Message.objects.for_org(lead.org_id).filter(
        enrollment=enrollment, email_sequence__isnull=False
    )
    latest = {m.email_sequence: m for m in messages.order_by("revision").defer("raw")}
    running = enrollment.status in (EnrollmentStatus.ACTIVE, EnrollmentStatus.PAUSED)
    return enrollment, [
        StepState(
            number=step.number,
            label=step.get_type_display(),
            message=latest.get(step.number),
            is_next=running and step.number == enrollment.next_step,
        )
        for step in enrollment.campaign.steps.all()
    ]


def uuid_or_empty(text: str) -> str:
    """The text when it is a UUID, else nothing: a filter that makes no sense filters nothing."""
    try:
        return str(UUID(text))
    except ValueError:
        return ""


def mailbox_list(org: Any) -> QuerySet[Mailbox]:
    """The organization's mailboxes, by address."""
    return Mailbox.objects.for_org(org).order_by("email")
