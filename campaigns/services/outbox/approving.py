"""From an approval to the one message it makes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Max

from campaigns import rendering
from campaigns.models import (
    Campaign,
    Enrollment,
    InboundMessage,
    Mailbox,
    Message,
    MessageEvent,
    MessageStatus,
    SequenceStep,
    Thread,
)
from campaigns.services.enrollment import RUNNING
from campaigns.services.outbox.building import bytes_of
from campaigns.services.outbox.releasing import is_due, release
from campaigns.services.transitions import record_event
from leadpilot.lib import clock
from leadpilot.lib.errors import Conflict, DomainError
from leadpilot.lib.ids import new_id
from leadpilot.orgs.models import Organization, User
from leads.models import Lead

_DEAD = (MessageStatus.CANCELLED, MessageStatus.NOT_SENT)


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
    Raises Conflict when other words were approved, when this step or answer has a message already or its sequence is
    over, and DomainError (field `subject` or `body`) when no mail can be made of it.
    """
    _require_as_shown(lead, mailbox, subject, body, content_hash)
    if enrollment is not None and in_reply_to is None:
        _require_running(enrollment)
        _require_step(enrollment, step_number)
    message = _new_message(
        org=org,
        lead=lead,
        campaign=campaign,
        enrollment=enrollment,
        mailbox=mailbox,
        in_reply_to=in_reply_to,
        approved_by=approved_by,
        email_sequence=step_number,
        subject=subject,
        body=body,
        approved_hash=content_hash,
        personalization_tokens=personalization_tokens or {},
        ai_model_used=ai_model_used,
        ai_prompt_version=ai_prompt_version,
    )
    return _keep(message)


def _require_as_shown(lead: Lead, mailbox: Mailbox, subject: str, body: str, content_hash: str) -> None:
    shown = rendering.content_hash(from_email=mailbox.email, to_email=lead.email, subject=subject, body=body)
    if shown != content_hash:
        raise Conflict(
            "The draft, the lead's address or the mailbox changed since it was shown; look at it again."
        )
    if not body.strip():
        raise DomainError("The mail is empty; write its text first.", field="body")


def _require_running(enrollment: Enrollment) -> None:
    """Keep the sequence from ending until this is committed; whoever is changing it just now goes first."""
    rows = Enrollment.objects.for_org(enrollment.org_id).filter(pk=enrollment.pk, status__in=RUNNING)
    if not rows.select_for_update(no_key=True, skip_locked=True).values_list("pk").first():
        raise Conflict("The sequence ended, or is being changed just now; look at it again.")


def _require_step(enrollment: Enrollment, number: int | None) -> None:
    """The step has to be there still; `campaigns.services.steps` waits for the sequence that is held here."""
    steps = SequenceStep.objects.for_org(enrollment.org_id).filter(campaign=enrollment.campaign_id)
    if number is not None and not steps.filter(number=number).exists():
        raise Conflict(f"Step {number} was taken out of the campaign.")


def _new_message(*, org: Organization, lead: Lead, mailbox: Mailbox, **fields: Any) -> Message:
    """What follows from the rest: ids, addresses, thread, revision and times."""
    pk, now = new_id(), clock.now()
    campaign, in_reply_to = fields["campaign"], fields["in_reply_to"]
    return Message(
        pk=pk,
        org=org,
        lead=lead,
        mailbox=mailbox,
        thread=thread_of(org, lead, mailbox, campaign, in_reply_to, fields["subject"]),
        revision=_next_revision(org, lead, campaign, fields["email_sequence"]),
        to_email=lead.email,
        from_email=mailbox.email,
        message_id=rendering.new_message_id(pk, mailbox.email),
        status_reason="Approved; waits for its turn.",
        scheduled_for=now + timedelta(seconds=settings.UNDO_SECONDS),
        approved_at=now,
        created_at=now,
        **fields,
    )


def _keep(message: Message) -> Message:
    now = message.created_at
    bytes_of(message, now)  # what cannot become a mail is said to the approver, not found out at night
    try:
        with transaction.atomic():
            message.save(force_insert=True)
    except IntegrityError as error:
        raise Conflict("There is an approved message for this already.") from error
    record_event(message=message, kind=MessageEvent.Kind.APPROVED, by=str(message.approved_by or "the gate"))
    if message.enrollment_id is None or message.in_reply_to_id is not None or is_due(message, now):
        release(message, now)
    return message


def _next_revision(org: Organization, lead: Lead, campaign: Campaign | None, step_number: int | None) -> int:
    """One more than the revisions that were cancelled or proved unsent. A living one keeps its number: Conflict."""
    if step_number is None:
        return 1
    rows = Message.objects.for_org(org).filter(lead=lead, campaign=campaign, email_sequence=step_number)
    if rows.exclude(status__in=_DEAD).exists():
        raise Conflict(f"Step {step_number} has been approved for {lead.name} already.")
    return (rows.aggregate(last=Max("revision"))["last"] or 0) + 1


def thread_of(
    org: Organization,
    lead: Lead,
    mailbox: Mailbox,
    campaign: Campaign | None,
    in_reply_to: InboundMessage | None,
    subject: str,
) -> Thread:
    """The conversation a mail to this lead belongs to, made when there is none."""
    if in_reply_to is not None and in_reply_to.thread is not None:
        known: Thread = in_reply_to.thread
        return known
    found = Thread.objects.for_org(org).filter(lead=lead, mailbox=mailbox, campaign=campaign)
    thread: Thread = found.order_by("created_at").first() or Thread.objects.create(
        org=org,
        lead=lead,
        mailbox=mailbox,
        campaign=campaign,
        subject=subject[:300],
        last_message_at=clock.now(),
    )
    return thread
