"""What people and proofs decide about a message: taken back before it leaves, or settled after its answer was lost."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from campaigns.models import Message, MessageEvent, MessageStatus, SendAttempt
from campaigns.services import outcomes, quota
from campaigns.services.transitions import cancel, move, record_event
from leadpilot.lib import clock
from leadpilot.lib.errors import Conflict
from leadpilot.orgs import notes
from leadpilot.orgs.models import User


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
def settle_unknown(
    *, message: Message, sent: bool, by: User | None = None, note: str, at: datetime | None = None
) -> Message:
    """Say what became of a message whose answer was lost: a person's word, or a proof found. Raises Conflict when known.

    `sent` False is only for proof or a person's decision; the message itself is never sent again. `at` is when it
    left, where that is known; else the last try's beginning.
    """
    one = Message.objects.for_org(message.org_id).filter(pk=message.pk, status=MessageStatus.UNKNOWN)
    to = MessageStatus.SENT if sent else MessageStatus.NOT_SENT
    attempts = SendAttempt.objects.for_org(message.org_id).filter(message=message).order_by("-number")
    last = attempts.first()
    when = at or (last.started_at if last else clock.now())
    fields: dict[str, Any] = {"sent_at": when} if sent else {"reserved": []}
    taken = message.reserved
    if not move(messages=one, to=to, reason=note, lease_until=None, **fields):
        message.refresh_from_db()
        raise Conflict(f"It is settled already: {message.get_status_display().lower()}.")
    message.refresh_from_db()
    attempts.filter(outcome="unknown").update(outcome="sent" if sent else "not_sent")
    record_event(message=message, kind=MessageEvent.Kind.SETTLED, sent=sent, by=str(by or ""), note=note)
    if not Message.objects.for_org(message.org_id).filter(status=MessageStatus.UNKNOWN).exists():
        notes.settle(org=message.org_id, type=outcomes.UNKNOWN_NOTE)
    if sent:
        outcomes.sent(message=message, proof=note)
    else:
        quota.give_back(org_id=message.org_id, taken=taken)
    return message
