"""How a message's status changes: by conditional update, along `TRANSITIONS` only, with an event for the timeline."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from campaigns.models import Message, MessageEvent, MessageStatus
from campaigns.models.message import TRANSITIONS
from campaigns.services import quota
from leadpilot.lib import clock


def sources(to: str) -> list[str]:
    """The statuses from which `to` may be reached."""
    return [str(status) for status, targets in TRANSITIONS.items() if to in targets]


def move(*, messages: QuerySet[Message], to: str, reason: str = "", **fields: Any) -> int:
    """Bring those of these messages to a status that may go there; returns how many did."""
    return messages.filter(status__in=sources(to)).update(status=to, status_reason=reason, **fields)


def record_event(*, message: Message, kind: str, key: str = "", **data: Any) -> None:
    """Append an event, once per key (default: its kind)."""
    event = MessageEvent(
        org_id=message.org_id,
        message=message,
        kind=kind,
        dedupe_key=(key or kind)[:120],
        data=data,
        happened_at=clock.now(),
    )
    MessageEvent.objects.bulk_create([event], ignore_conflicts=True)


def cancel(*, messages: QuerySet[Message], reason: str) -> int:
    """Cancel those that have not begun to leave, and give their places in the caps back. Call in a transaction.

    A worker that has just claimed one finds its fence gone; one that is being sent is left to its end.
    """
    open_ones = messages.filter(status__in=sources(MessageStatus.CANCELLED)).order_by("pk")
    count = 0
    for message in open_ones.select_for_update(of=("self",)).only("pk", "org_id", "status", "reserved"):
        one = Message.objects.for_org(message.org_id).filter(pk=message.pk)
        move(messages=one, to=MessageStatus.CANCELLED, reason=reason, reserved=[], lease_until=None)
        quota.give_back(org_id=message.org_id, taken=message.reserved)
        record_event(message=message, kind=MessageEvent.Kind.CANCELLED, reason=reason)
        count += 1
    return count
