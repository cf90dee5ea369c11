"""From an approval to a message that waits to leave: its row, its bytes, its moment (DESIGN 5)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Max

from campaigns import rendering, windows
from campaigns.models import (
    Campaign,
    CampaignStatus,
    Enrollment,
    EnrollmentStatus,
    InboundMessage,
    Mailbox,
    Message,
    MessageEvent,
    MessageStatus,
    SendAttempt,
    Thread,
)
from campaigns.services import enrollment as enrollments
from campaigns.services import outcomes, quota
from campaigns.services.transitions import cancel, move, record_event
from campaigns.services.unsubscribe import unsubscribe_url
from leadpilot.lib import clock, jobs, pace
from leadpilot.lib.errors import Conflict, DomainError
from leadpilot.lib.ids import new_id
from leadpilot.orgs.models import Organization, User
from leads.models import Lead

FOLLOW_UP_JITTER = pace.time("follow_up_jitter", timedelta(minutes=30))
_DEAD = (MessageStatus.CANCELLED, MessageStatus.NOT_SENT)
_LEFT = (MessageStatus.SENT, MessageStatus.UNKNOWN)


@transaction.atomic
def approve_message(
    *,
    org: Organization,
    lead: Lead,
    mailbox: Mailbox,
    campaign: Campaign | None = None,
    enrollment: Enrollment | None = None,
    step_number: int | None = None,
    in_reply_to: InboundMessage | None = None,
    subject: str,
    body: str,
    content_hash: str,
    approved_by: User | None = None,
    personalization_tokens: dict[str, Any] | None = None,
    ai_model_used: str = "",
    ai_prompt_version: str = "",
) -> Message:
    """Make the one message of an approval. It waits (`held`) for its step's turn, or is queued at once.

    `content_hash` is that of what the approver saw (`rendering.content_hash`). It may leave UNDO_SECONDS after this.
    Raises Conflict when other words were approved or when this step or answer has a message already, and DomainError
    (field `subject` or `body`) when no mail can be made of it.
    """
    shown = rendering.content_hash(from_email=mailbox.email, to_email=lead.email, subject=subject, body=body)
    if shown != content_hash:
        raise Conflict(
            "The draft, the lead's address or the mailbox changed since it was shown; look at it again."
        )
    if not body.strip():
        raise DomainError("The mail is empty; write its text first.", field="body")
    pk, now = new_id(), clock.now()
    message = Message(
        pk=pk,
        org=org,
        lead=lead,
        campaign=campaign,
        enrollment=enrollment,
        mailbox=mailbox,
        thread=_thread(org, lead, mailbox, campaign, in_reply_to, subject),
        in_reply_to=in_reply_to,
        approved_by=approved_by,
        email_sequence=step_number,
        revision=_next_revision(org, lead, campaign, step_number),
        to_email=lead.email,
        from_email=mailbox.email,
        subject=subject,
        body=body,
        approved_hash=content_hash,
        message_id=rendering.new_message_id(pk, mailbox.email),
        personalization_tokens=personalization_tokens or {},
        ai_model_used=ai_model_used,
        ai_prompt_version=ai_prompt_version,
        status_reason="Approved; waits for its turn.",
        scheduled_for=now + timedelta(seconds=settings.UNDO_SECONDS),
        approved_at=now,
        created_at=now,
    )
    _bytes_of(message, now)  # what cannot become a mail is said to the approver, not found out at night
    try:
        with transaction.atomic():
            message.save(force_insert=True)
    except IntegrityError as error:
        raise Conflict("There is an approved message for this already.") from error
    record_event(message=message, kind=MessageEvent.Kind.APPROVED, by=str(approved_by or "the gate"))
    if enrollment is None or in_reply_to is not None or _is_due(message, now):
        _release(message, now)
    return message


def _next_revision(org: Organization, lead: Lead, campaign: Campaign | None, step_number: int | None) -> int:
    """One more than the revisions that were cancelled or proved unsent. A living one keeps its number: Conflict."""
    if step_number is None:
        return 1
    rows = Message.objects.for_org(org).filter(lead=lead, campaign=campaign, email_sequence=step_number)
    if rows.exclude(status__in=_DEAD).exists():
        raise Conflict(f"Step {step_number} has been approved for {lead.name} already.")
    return (rows.aggregate(last=Max("revision"))["last"] or 0) + 1


def _thread(
    org: Organization,
    lead: Lead,
    mailbox: Mailbox,
    campaign: Campaign | None,
    in_reply_to: InboundMessage | None,
    subject: str,
) -> Thread:
    if in_reply_to is not None and in_reply_to.thread is not None:
        known: Thread = in_reply_to.thread
        return known
    found = (
        Thread.objects.for_org(org)
        .filter(lead=lead, mailbox=mailbox, campaign=campaign)
        .order_by("created_at")
    )
    thread: Thread = found.first() or Thread.objects.create(
        org=org,
        lead=lead,
        mailbox=mailbox,
        campaign=campaign,
        subject=subject[:300],
        last_message_at=clock.now(),
    )
    return thread


def _is_due(message: Message, now: datetime) -> bool:
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
        return sum(_release(message, now) for message in due)


def _release(message: Message, now: datetime) -> bool:
    """held → queued. The bytes are built now, from what was really sent in the thread, and never again."""
    fields: dict[str, Any] = {}
    if message.raw is None:
        try:
            raw = _bytes_of(message, now)
        except DomainError as error:
            _cannot_be_built(message, str(error))
            return False
        fields = {"raw": raw, "raw_hash": rendering.raw_hash(raw)}
    at, why = _moment(message, now)
    one = Message.objects.for_org(message.org_id).filter(pk=message.pk)
    if not move(messages=one, to=MessageStatus.QUEUED, reason=why, scheduled_for=at, **fields):
        return False
    message.refresh_from_db()
    record_event(
        message=message, kind=MessageEvent.Kind.QUEUED, key=f"queued:{at.isoformat()}", at=at.isoformat()
    )
    if at <= now:
        jobs.wake("campaigns.tasks.drain_mailbox", message.org_id, message.mailbox_id)
    return True


def _cannot_be_built(message: Message, why: str) -> None:
    cancel(messages=Message.objects.for_org(message.org_id).filter(pk=message.pk), reason=why)
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
        return windows.spread(
            earliest, window, str(message.pk), FOLLOW_UP_JITTER
        ), "Its turn in the sequence."
    return earliest, "Leaves when the time to undo is over."


def _bytes_of(message: Message, now: datetime) -> bytes:
    is_answer = message.in_reply_to_id is not None
    url = (
        ""
        if is_answer
        else unsubscribe_url(org_id=message.org_id, lead_id=message.lead_id, message_id=message.pk)
    )
    return rendering.build_bytes(
        org=message.org,
        mailbox=message.mailbox,
        lead=message.lead,
        message=message,
        envelope=rendering.Envelope(
            message_id=message.message_id,
            date=now,
            unsubscribe_url=url,
            reply_to=message.reply_to,
            automatic=is_answer and message.approved_by_id is None,
            conversation=conversation(message),
        ),
    )


def conversation(message: Message) -> rendering.Conversation:
    """What this message continues, from what was really sent and received in its thread."""
    if message.in_reply_to is not None:
        return _after(message.in_reply_to)
    if message.thread_id is None:
        return rendering.Conversation()
    earlier = list(
        Message.objects.for_org(message.org_id)
        .filter(thread_id=message.thread_id, status__in=_LEFT)
        .exclude(pk=message.pk)
        .order_by("sent_at", "created_at")
        .values_list("message_id", "subject")
    )
    if not earlier:
        return rendering.Conversation()
    ids = tuple(message_id for message_id, _ in earlier)
    return rendering.Conversation(subject=earlier[0][1], in_reply_to=ids[-1], references=ids[:-1])


def _after(inbound: InboundMessage) -> rendering.Conversation:
    known = str(inbound.headers.get("references", "")).split()
    references = tuple(reference for reference in known if rendering.is_message_id(reference))
    last = inbound.header_message_id if rendering.is_message_id(inbound.header_message_id) else ""
    subject = "".join(c if c.isprintable() else " " for c in inbound.subject)[:290]
    return rendering.Conversation(
        subject=subject, in_reply_to=last or (references[-1] if references else ""), references=references
    )


@transaction.atomic
def cancel_message(*, message: Message, reason: str, by: User | None = None) -> Message:
    """Take a message back before it leaves (undo). Raises Conflict when it has left, or is leaving right now."""
    said = f"{reason} ({by})" if by else reason
    if not cancel(messages=Message.objects.for_org(message.org_id).filter(pk=message.pk), reason=said):
        message.refresh_from_db()
        raise Conflict(f"It cannot be taken back: it is {message.get_status_display().lower()}.")
    message.refresh_from_db()
    return message


@transaction.atomic
def settle_unknown(*, message: Message, sent: bool, by: User | None = None, note: str) -> Message:
    """Say what became of a message whose answer was lost: a person's word, or a proof found. Raises Conflict when known.

    `sent` False is only for proof or a person's decision; the message itself is never sent again.
    """
    one = Message.objects.for_org(message.org_id).filter(pk=message.pk, status=MessageStatus.UNKNOWN)
    to = MessageStatus.SENT if sent else MessageStatus.NOT_SENT
    attempts = SendAttempt.objects.for_org(message.org_id).filter(message=message).order_by("-number")
    last = attempts.first()
    when = last.started_at if last else clock.now()
    fields: dict[str, Any] = {"sent_at": when} if sent else {"reserved": []}
    if not move(messages=one, to=to, reason=note, lease_until=None, **fields):
        message.refresh_from_db()
        raise Conflict(f"It is settled already: {message.get_status_display().lower()}.")
    if not sent:
        quota.give_back(org_id=message.org_id, taken=message.reserved)
    message.refresh_from_db()
    attempts.filter(outcome="unknown").update(outcome="sent" if sent else "not_sent")
    record_event(message=message, kind=MessageEvent.Kind.SETTLED, sent=sent, by=str(by or ""), note=note)
    if sent:
        outcomes.sent(message=message, proof=note)
    return message
