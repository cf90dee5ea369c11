"""Back into the queue: what was claimed and not sent, with its places in the caps."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from campaigns.models import Message, MessageStatus, SendAttempt
from campaigns.services import quota
from campaigns.services.ledger.claim import Claim
from campaigns.services.transitions import move
from leadpilot.lib import pace

FIRST_WAIT = pace.time("first_wait", timedelta(minutes=5))
_NOBODY_THERE = ("intent", "connect", "greeting", "ehlo", "tls", "auth")  # phases before any mail is named
LONGEST_WAIT = pace.time("longest_wait", timedelta(hours=4))


def back_off(tries: int) -> timedelta:
    """How long to wait after this many tries: 5 minutes, doubled each time, at most 4 hours."""
    doubled: int = 2 ** min(max(tries - 1, 0), 10)
    return min(FIRST_WAIT * doubled, LONGEST_WAIT)


def tries_of(message: Message) -> int:
    """How often a server was really asked to take it. `attempts` counts claims: one that was released, or found no
    connection, says nothing about this mail.
    """
    tried = SendAttempt.objects.for_org(message.org_id).filter(message=message)
    return tried.exclude(phase__in=_NOBODY_THERE).count()


def release(claims: Iterable[Claim]) -> None:
    """Put claimed messages that were not begun back into the queue. Call in a transaction of their organization."""
    held = {claim.message_id: claim for claim in claims}
    if not held:
        return
    org_id = next(iter(held.values())).org_id
    rows = Message.objects.for_org(org_id).filter(pk__in=held, status=MessageStatus.CLAIMED)
    locked = rows.select_for_update(of=("self",)).defer("raw").order_by("pk")
    requeue([m for m in locked if _is_held(m, held[m.pk])], reason="Queued.")


def _is_held(message: Message, claim: Claim) -> bool:
    return (message.lease_owner, message.attempts) == (claim.owner, claim.attempt)


def requeue(messages: list[Message], *, reason: str, until: datetime | None = None) -> None:
    """Nothing was sent of these locked messages of one organization: queue them, and free their places in the caps.

    The counters come last, as everywhere: whoever holds one may be waited for by every claim of the organization.
    """
    if not messages:
        return
    org_id = messages[0].org_id
    fields = {"scheduled_for": until} if until else {}
    rows = Message.objects.for_org(org_id).filter(pk__in=[m.pk for m in messages])
    move(messages=rows, to=MessageStatus.QUEUED, reason=reason, reserved=[], lease_until=None, **fields)
    quota.give_back(org_id=org_id, taken=[place for m in messages for place in m.reserved])
