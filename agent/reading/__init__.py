"""Reading replies: headers and rules first, then the model; the reader of outside text has no tools."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from agent import llm
from agent.reading import model, rules
from agent.reading.types import Reading

__all__ = ["Reading", "Reply", "classify"]

SURE = 0.75  # from here on the rules' word is taken without asking a model


class Reply(Protocol):
    """What is read of an inbound message."""

    subject: str
    new_text: str
    is_automatic: bool
    received_at: datetime


def classify(reply: Reply) -> Reading:
    """What a reply means, how sure that is and why. Never raises for what the reply says."""
    by_rules = rules.read(reply.subject, reply.new_text, reply.is_automatic, reply.received_at.date())
    if by_rules.confidence >= SURE or reply.is_automatic or not llm.is_configured():
        return by_rules
    try:
        by_model = model.read(reply.subject, reply.new_text)
    except llm.ModelUnavailable:
        return by_rules
    # A wish to be left alone is never overruled by a model.
    return by_rules if by_rules.classification == "unsubscribe" else by_model
