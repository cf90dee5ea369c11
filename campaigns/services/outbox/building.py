"""A message's bytes: built once, from what was approved and what was really said in its thread."""

from __future__ import annotations

from datetime import datetime

from campaigns import rendering
from campaigns.models import InboundMessage, Message, MessageStatus
from campaigns.services.unsubscribe import unsubscribe_url

_LEFT = (MessageStatus.SENT, MessageStatus.UNKNOWN)


def bytes_of(message: Message, now: datetime) -> bytes:
    """The mail with `now` as its date. Raises BadContent when no mail can be made of it."""
    is_answer = message.in_reply_to_id is not None
    url = unsubscribe_url(org_id=message.org_id, lead_id=message.lead_id, message_id=message.pk)
    return rendering.build_bytes(
        org=message.org,
        mailbox=message.mailbox,
        lead=message.lead,
        message=message,
        envelope=rendering.Envelope(
            message_id=message.message_id,
            date=now,
            unsubscribe_url="" if is_answer else url,
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
