"""From an approval to a message that waits to leave: its row, its bytes, its moment (DESIGN 5)."""

from campaigns.services.outbox.approving import approve_message
from campaigns.services.outbox.building import conversation
from campaigns.services.outbox.deciding import cancel_message, settle_unknown
from campaigns.services.outbox.recovering import found_in_sent, record_found
from campaigns.services.outbox.releasing import release_due

__all__ = [
    "approve_message",
    "cancel_message",
    "conversation",
    "found_in_sent",
    "record_found",
    "release_due",
    "settle_unknown",
]
