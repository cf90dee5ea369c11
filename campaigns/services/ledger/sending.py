"""From a claim to the open mouth: the intent on record first, and the last looks at the world."""

from __future__ import annotations

from datetime import timedelta

from django.db.models.functions import Now

from campaigns import clearance
from campaigns.models import Message, MessageStatus, SendAttempt
from campaigns.services.ledger.claim import Claim
from campaigns.services.ledger.returning import release
from campaigns.services.transitions import move
from leadpilot.lib import clock, failpoints, pace
from leadpilot.orgs.tenancy import org_context

SEND_LEASE = pace.time(
    "send_lease", timedelta(minutes=4)
)  # one conversation; longer than all its limits together


def begin(claim: Claim) -> bool:
    """Commit the intent to send, before the first byte goes out. False: not ours any more, or something came up.

    Then the message is back in the queue, and the next claim says why it waits.
    """
    with org_context(claim.org_id):
        if clock.now() >= claim.until or _in_the_way(claim, MessageStatus.CLAIMED):
            release([claim])
            return False
        ours = Message.objects.for_org(claim.org_id).filter(**claim.fence())
        if not move(messages=ours, to=MessageStatus.SENDING, lease_until=Now() + SEND_LEASE):
            return False
        SendAttempt.objects.create(
            org_id=claim.org_id,
            message_id=claim.message_id,
            number=claim.attempt,
            lease_owner=claim.owner,
            started_at=clock.now(),
        )
        failpoints.hit("ledger.before_intent_commit")
    failpoints.hit("ledger.after_intent")
    return True


def may_still_go(claim: Claim) -> bool:
    """The same look once more, before the last dot of a conversation that took its time."""
    with org_context(claim.org_id):
        return not _in_the_way(claim, MessageStatus.SENDING)


def _in_the_way(claim: Claim, status: str) -> str:
    return clearance.standing_in_the_way(
        org_id=claim.org_id,
        message_id=claim.message_id,
        to_email=claim.rcpt_to,
        status=status,
        owner=claim.owner,
        attempt=claim.attempt,
    )
