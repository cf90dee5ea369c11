"""From a claim to the open mouth: the intent on record first, and the last looks at the world.

One statement each, since every mail waits for it: the look and what follows from it are one snapshot and one round trip.
"""

from __future__ import annotations

from datetime import timedelta

from campaigns.last_look import IN_THE_WAY, way_of
from campaigns.models import MessageStatus
from campaigns.services.ledger.accepting import accepted_statement
from campaigns.services.ledger.claim import Claim
from campaigns.services.ledger.finishing import finish
from campaigns.services.ledger.returning import release
from campaigns.services.transitions import sources_sql
from campaigns.smtp import Result
from leadpilot.lib import clock, failpoints, pace
from leadpilot.lib.ids import new_id
from leadpilot.orgs import statements
from leadpilot.orgs.tenancy import org_context

SEND_LEASE = pace.time(
    "send_lease", timedelta(minutes=4)
)  # one conversation; longer than all its limits together

_BEGIN = f"""
WITH look AS ({IN_THE_WAY}), begun AS (
    UPDATE campaigns_message m
       SET status = 'sending', status_reason = '', lease_until = clock_timestamp() + %(lease)s::interval
      FROM look
     WHERE look.code = '' AND m.org_id = %(org)s AND m.id = %(id)s AND m.lease_owner = %(owner)s
       AND m.attempts = %(attempt)s AND m.status IN ({sources_sql(MessageStatus.SENDING)})
    RETURNING m.id
), tried AS (
    INSERT INTO campaigns_sendattempt (id, org_id, message_id, number, lease_owner, outcome, phase, answer, started_at)
    SELECT %(try)s, %(org)s, begun.id, %(attempt)s, %(owner)s, 'intent', '', '', %(now)s FROM begun
)
SELECT EXISTS (SELECT FROM begun)
"""  # noqa: S608 - constants only


def begin(claim: Claim) -> bool:
    """Commit the intent to send, before the first byte goes out. False: not ours any more, or something came up.

    Then the message is back in the queue, and the next claim says why it waits.
    """
    if clock.now() >= claim.until:
        return _given_back(claim)
    failpoints.hit("ledger.before_intent_commit")
    [[(begun,)]] = statements.run(claim.org_id, _begin_statement(claim))
    if not begun:
        return _given_back(claim)
    failpoints.hit("ledger.after_intent")
    return True


def hand_over(done: Claim, result: Result, to: Claim) -> tuple[str, bool]:
    """`finish` of an accepted mail and `begin` of the next one of the same drain, in one transaction.

    When it raises, it is as if neither had been called, or both: the fences tell.
    """
    if clock.now() >= to.until:
        return finish(done, result), _given_back(to)
    failpoints.hit("ledger.before_finish_commit")
    failpoints.hit("ledger.before_intent_commit")
    now = clock.now()
    # The new message's row before the old one's: what is accepted goes on to lock its lead, sequence and mailbox.
    [[(begun,)], accepted] = statements.run(
        done.org_id, _begin_statement(to), accepted_statement(done, result, now)
    )
    failpoints.hit("ledger.after_finish")
    status = str(MessageStatus.SENT) if accepted else finish(done, result)
    if not begun:
        return status, _given_back(to)
    failpoints.hit("ledger.after_intent")
    return status, True


def _begin_statement(claim: Claim) -> statements.Statement:
    return _BEGIN, {
        **_way(claim, MessageStatus.CLAIMED),
        "org": claim.org_id,
        "lease": SEND_LEASE,
        "try": new_id(),
        "now": clock.now(),
    }


def _given_back(claim: Claim) -> bool:
    with org_context(claim.org_id):
        release([claim])
    return False


def may_still_go(claim: Claim) -> bool:
    """The same look once more, before the last dot of a conversation that took its time."""
    look = {**_way(claim, MessageStatus.SENDING), "org": claim.org_id}
    [found] = statements.run(claim.org_id, (IN_THE_WAY, look))
    return found == [("",)]


def _way(claim: Claim, status: str) -> dict[str, object]:
    return way_of(
        message_id=claim.message_id,
        to_email=claim.rcpt_to,
        status=str(status),
        owner=claim.owner,
        attempt=claim.attempt,
    )
