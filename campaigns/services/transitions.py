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


def sources_sql(to: str) -> str:
    """The same for hand-written SQL, as a list of literals."""
    return ", ".join(f"'{status}'" for status in sources(to))


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


def lock_open(messages: QuerySet[Message]) -> list[Message]:
    """Lock those that have not begun to leave, before their lead, their sequence and the counters of the caps.

    Who is going to cancel messages of several sequences locks all of them first: a claim holds some and waits for a counter.
    """
    open_ones = messages.filter(status__in=sources(MessageStatus.CANCELLED)).order_by("pk")
    return list(open_ones.select_for_update(of=("self",)).only("pk", "org_id", "status", "reserved"))


def cancel(*, messages: QuerySet[Message], reason: str) -> int:
    """Cancel those that have not begun to leave, and give their places in the caps back. Call in a transaction.

    A worker that has just claimed one finds its fence gone; one that is being sent is left to its end.
    """
    found = lock_open(messages)
    if not found:
        return 0
    org_id = found[0].org_id
    rows = Message.objects.for_org(org_id).filter(pk__in=[message.pk for message in found])
    move(messages=rows, to=MessageStatus.CANCELLED, reason=reason, reserved=[], lease_until=None)
    for message in found:
        record_event(message=message, kind=MessageEvent.Kind.CANCELLED, reason=reason)
    quota.give_back(org_id=org_id, taken=[place for message in found for place in message.reserved])
    return len(found)
