"""What came back: matched to a lead, kept once, and acted on at once (SPEC IN-1, TR-3, TR-4)."""

from campaigns.services.inbound.classes import mark_handled, record_classification
from campaigns.services.inbound.correcting import correct_classification, on_corrected
from campaigns.services.inbound.keeping import on_received
from campaigns.services.inbound.receiving import hold_sender, receive

__all__ = [
    "correct_classification",
    "hold_sender",
    "mark_handled",
    "on_corrected",
    "on_received",
    "receive",
    "record_classification",
]
