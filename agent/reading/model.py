"""The model as a reader: it gets the text of a reply as data and returns values of a fixed schema."""

from __future__ import annotations

import json
from datetime import date
from typing import Literal

from pydantic import BaseModel, Field

from agent import llm
from agent.prompts import prompt
from agent.reading.types import Reading

MAX_TEXT = 6_000
DOUBT = 0.4
MACHINES = ("out_of_office", "auto_reply", "bounce")
Class = Literal[
    "interested",
    "not_interested",
    "question",
    "objection",
    "out_of_office",
    "unsubscribe",
    "wrong_person",
    "referral",
    "bounce",
    "auto_reply",
    "other",
]


class ReadingOut(BaseModel):
    """A reading as the model returns it."""

    classification: Class
    sentiment: Literal["positive", "neutral", "negative", "angry"]
    confidence: float = Field(ge=0, le=1)
    reason: str = Field(max_length=400)
    return_date: date | None = None
    contact_name: str = Field(default="", max_length=120)
    contact_email: str = Field(default="", max_length=254)


def read(subject: str, text: str) -> Reading:
    """What the model makes of a reply. Raises llm.ModelUnavailable."""
    instructions, version = prompt("reading")
    material = json.dumps({"subject": subject[:300], "reply": text[:MAX_TEXT]}, ensure_ascii=False)
    answer = llm.ask(
        instructions=instructions,
        prompt=material,
        output_type=ReadingOut,
        temperature=0,
        timeout=30,
        purpose=version,
    )
    out = answer.output
    extracted = {
        "return_date": out.return_date.isoformat() if out.return_date else "",
        # An address counts only when it stands in the reply: a model may not invent a recipient.
        "contact_email": out.contact_email.lower() if out.contact_email.lower() in text.lower() else "",
        "contact_name": out.contact_name if out.contact_name.lower() in text.lower() else "",
    }
    if out.classification in MACHINES:
        return _for_a_person(out, answer.model)
    return Reading(
        classification=out.classification,
        sentiment=out.sentiment,
        confidence=out.confidence,
        reason=out.reason,
        by=answer.model,
        extracted={key: value for key, value in extracted.items() if value},
    )


def _for_a_person(out: ReadingOut, by: str) -> Reading:
    """Left for a person: after a machine's answer a sequence goes on, so only headers and rules may say it was one."""
    taken_for = out.classification.replace("_", " ")
    return Reading(
        classification="other",
        sentiment=out.sentiment,
        confidence=min(out.confidence, DOUBT),
        reason=f"The model took it for “{taken_for}”, but its headers do not say so. {out.reason}",
        by=by,
    )
