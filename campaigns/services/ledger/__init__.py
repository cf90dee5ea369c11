"""The ledger: who works on which message, what was tried, what came of it. A message leaves at most once (DESIGN 5).

    claim  →  begin (intent committed)  →  the conversation, outside of any transaction  →  finish

Every step after the claim is fenced by the lease's owner and the attempt's number; leases use the database's clock.
Rows are locked in one order, so that nobody waits in a circle: mailbox, message, lead, enrollment, and counters last.
"""

from campaigns.services.ledger.claim import Claim, new_owner
from campaigns.services.ledger.claiming import claim_batch
from campaigns.services.ledger.finishing import finish
from campaigns.services.ledger.obstacles import MAX_TRIES
from campaigns.services.ledger.reaping import reap
from campaigns.services.ledger.returning import FIRST_WAIT, back_off, release
from campaigns.services.ledger.sending import begin, hand_over, may_still_go

__all__ = [
    "FIRST_WAIT",
    "MAX_TRIES",
    "Claim",
    "back_off",
    "begin",
    "claim_batch",
    "finish",
    "hand_over",
    "may_still_go",
    "new_owner",
    "reap",
    "release",
]
