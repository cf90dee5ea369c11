"""Mails that left although the database does not know it: found in the Sent folder after a backup was restored."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Max

from campaigns import parsing, rendering
from campaigns.models import Enrollment, Mailbox, Message, MessageStatus, SequenceStep
from campaigns.services import enrollment as enrollments
from campaigns.services import outcomes, quota
from campaigns.services.outbox.approving import thread_of
from campaigns.services.outbox.deciding import settle_unknown
from campaigns.services.transitions import lock_open, move
from leadpilot.lib import clock
from leads.models import Lead

WAITING = (MessageStatus.HELD, MessageStatus.QUEUED, MessageStatus.DEFERRED, MessageStatus.UNKNOWN)


@transaction.atomic
def found_in_sent(*, message: Message, raw: bytes, at: datetime | None, note: str) -> bool:
    """A message that waits here has left: it is sent, `note` is the proof, and its sequence goes on.

    `raw` is the mail as it lies in Sent, kept where no bytes had been fixed yet; `at` is when it left. False when the
    message does not wait any more.
    """
    one = Message.objects.for_org(message.org_id).filter(pk=message.pk)
    waiting: Message | None = one.filter(status__in=WAITING).select_for_update(of=("self",)).first()
    if waiting is None:
        return False
    if waiting.status != MessageStatus.UNKNOWN:
        fields = {} if waiting.raw is not None else {"raw": raw, "raw_hash": rendering.raw_hash(raw)}
        move(messages=one, to=MessageStatus.UNKNOWN, reason=note, lease_until=None, **fields)
        waiting.refresh_from_db()
    settle_unknown(message=waiting, sent=True, note=note, at=at)
    if not waiting.reserved:
        _count(waiting)
    return True


@transaction.atomic
def record_found(
    *, mailbox: Mailbox, lead: Lead, pk: UUID, message_id: str, raw: bytes, at: datetime, note: str
) -> Message | None:
    """Write down a mail of ours that the database has never heard of, and hold its lead back.

    A mail with an unsubscribe header is taken for the step whose turn it was in the lead's sequence from this mailbox, so
    that this step cannot be approved again; every sequence of the lead is paused, with `note` as its reason. None when
    the mail is another organization's.
    """
    lock_open(Message.objects.for_org(lead.org_id).filter(lead=lead))
    enrollments.lock_lead(lead)
    parsed = parsing.parse(raw)
    fields: dict[str, Any] = {
        "pk": pk,
        "org": mailbox.org,
        "lead": lead,
        "mailbox": mailbox,
        "to_email": lead.email,
        "from_email": mailbox.email,
        "subject": parsed.subject[:300],
        "body": parsed.text,
        "message_id": message_id,
        "raw": raw,
        "raw_hash": rendering.raw_hash(raw),
        "status": MessageStatus.SENT,
        "status_reason": note,
        "sent_at": at,
        "created_at": min(at, clock.now()),
    }
    step = _step_of(mailbox, lead, raw)
    message = _kept({**fields, **step}) or (_kept(fields) if step else None)
    if message is not None:
        outcomes.sent(message=message, proof=note)
        enrollments.pause_lead(lead=lead, reason=note)
        _count(message)
    return message


def _kept(fields: dict[str, Any]) -> Message | None:
    """The row, or None when the database has one for this id, or for this step and address."""
    thread = thread_of(
        fields["org"], fields["lead"], fields["mailbox"], fields.get("campaign"), None, fields["subject"]
    )
    message = Message(**fields, thread=thread)
    try:
        with transaction.atomic():
            message.save(force_insert=True)
    except IntegrityError:
        return None
    return message


def _step_of(mailbox: Mailbox, lead: Lead, raw: bytes) -> dict[str, Any]:
    """Which step of which sequence it must have been; {} for an answer, and where no sequence runs."""
    if parsing.to_message(raw).get("List-Unsubscribe") is None:
        return {}
    running = Enrollment.objects.for_org(lead.org_id).filter(
        lead=lead, mailbox=mailbox, status__in=enrollments.RUNNING
    )
    found: Enrollment | None = running.select_related("campaign").first()
    if found is None:
        return {}
    steps = SequenceStep.objects.for_org(lead.org_id).filter(campaign=found.campaign, number=found.next_step)
    if not steps.exists():
        return {}
    known = Message.objects.for_org(lead.org_id).filter(
        lead=lead, campaign=found.campaign, email_sequence=found.next_step
    )
    return {
        "campaign": found.campaign,
        "enrollment": found,
        "email_sequence": found.next_step,
        "revision": (known.aggregate(last=Max("revision"))["last"] or 0) + 1,
    }


def _count(message: Message) -> None:
    """It has used up a place of each cap of its day, which the restored counters do not know. Last, as everywhere."""
    campaign = None if message.in_reply_to_id else message.campaign
    caps = quota.caps_for(
        org=message.org, mailbox=message.mailbox, campaign=campaign, now=message.sent_at or clock.now()
    )
    places = quota.Places(org_id=message.org_id, caps=caps)
    places.count(caps)
    places.write()
