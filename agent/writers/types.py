"""What a writer is given and what it gives back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID


@dataclass(frozen=True)
class FactBrief:
    """One fact as a writer sees it: its id, a short statement, the exact quote and where it was read."""

    id: UUID
    category: str
    statement: str
    quote: str
    source_url: str
    confidence: float
    dated: str = ""


@dataclass(frozen=True)
class StepBrief:
    """One mail to write (seed 000, section 6.3)."""

    number: int
    type: str
    tone: str
    personalization_depth: str
    length: str
    instructions: str = ""


@dataclass(frozen=True)
class Brief:
    """Everything a writer may know. Facts came from outside and are data; the rest was typed by the user."""

    lead: Mapping[str, str]  # name, first_name, email, company, title, location
    company: Mapping[str, str]  # name, domain, industry, description
    facts: tuple[FactBrief, ...]
    steps: tuple[StepBrief, ...]
    sender: Mapping[str, str]  # from_name, email, company, offer, voice, website
    campaign: Mapping[str, str]  # name, goal, offer, tone, call_to_action, audience
    feedback: str = ""  # what a person asked for when regenerating
    model: str = ""  # the organization's choice; empty for the configured default
    temperature: float = 0.7

    @property
    def fact_ids(self) -> frozenset[str]:
        return frozenset(str(fact.id) for fact in self.facts)


@dataclass(frozen=True)
class Sentence:
    """A piece of the body. `text` keeps its own white space, so that joining all pieces gives the body.

    `personal` marks a claim about the lead or the company; it needs facts. `supported` is set by grounding.
    """

    text: str
    fact_ids: tuple[str, ...] = ()
    personal: bool = False
    supported: bool = True
    note: str = ""

    def as_json(self) -> dict[str, object]:
        return {
            "text": self.text,
            "fact_ids": list(self.fact_ids),
            "personal": self.personal,
            "supported": self.supported,
            "note": self.note,
        }


def body_of(sentences: Iterable[Sentence]) -> str:
    """The text of a mail from its pieces."""
    return "".join(sentence.text for sentence in sentences).strip() + "\n"


@dataclass(frozen=True)
class WrittenMail:
    """One mail: the greeting, the call to action and the P.S. are among its sentences."""

    step: int
    subject: str
    sentences: tuple[Sentence, ...]
    cta: str = ""
    ps: str = ""

    @property
    def body(self) -> str:
        return body_of(self.sentences)


@dataclass(frozen=True)
class Written:
    """A whole sequence, by whom, under which prompt; `notes` say what went wrong before it was good."""

    mails: tuple[WrittenMail, ...]
    model: str
    prompt_version: str
    notes: tuple[str, ...] = ()
    tokens_used: int = 0
    cost_cents: float = 0.0
    elapsed_ms: int = 0
    usage: Mapping[str, str] = field(default_factory=dict)
