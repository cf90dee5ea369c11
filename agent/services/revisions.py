"""What is left of the grounding after a person edited the text, and what their own words claim."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from agent import grounding, quality
from agent.models import Draft
from agent.writers.briefs import campaign_values, fact_brief, lead_values, sender_values
from agent.writers.types import FactBrief, Sentence, WrittenMail
from campaigns.models import Mailbox
from leads.queries_evidence import evidence_for

BY_PERSON = "Written by a person"
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=\S)|\n+(?=\S)")


def regroup(sentences: Sequence[dict[str, Any]], body: str) -> list[dict[str, Any]]:
    """Pieces of the edited body: sentences that still stand there, in order, keep their facts; the rest is a person's.

    The texts of the result joined are `body`.
    """
    pieces: list[dict[str, Any]] = []
    at = 0
    for sentence in sentences:
        text = sentence["text"].strip()
        found = body.find(text, at) if text else -1
        if found < 0:
            continue
        _own_words(pieces, body[at:found])
        pieces.append({**sentence, "text": text})
        at = found + len(text)
    _own_words(pieces, body[at:])
    return pieces


def _own_words(pieces: list[dict[str, Any]], text: str) -> None:
    start = 0
    for end in [*(match.end() for match in _SENTENCE_END.finditer(text)), len(text)]:
        piece, start = text[start:end], end
        if not piece.strip() and pieces:
            pieces[-1]["text"] += piece
        elif piece:
            pieces.append(
                {"text": piece, "fact_ids": [], "personal": False, "supported": True, "note": BY_PERSON}
            )


def recheck(draft: Draft, mailbox: Mailbox, body: str) -> list[dict[str, Any]]:
    """The edited body's pieces, with a person's own claims about the reader marked when no source says them."""
    facts = [fact_brief(fact) for fact in evidence_for(draft.lead)]
    typed = (lead_values(draft.lead), sender_values(draft.org, mailbox), campaign_values(draft.campaign))
    known = " ".join(value for values in typed for value in values.values())
    return [
        _judged(piece, facts, known) if piece["note"] == BY_PERSON else piece
        for piece in regroup(draft.sentences, body)
    ]


def _judged(piece: dict[str, Any], facts: Sequence[FactBrief], known: str) -> dict[str, Any]:
    """A person may claim what they know; a claim about the reader and a figure without a source are marked all the same."""
    missing = grounding.unsupported_words(f"· {piece['text']}", facts, known)
    figures = [word for word in missing if any(character.isdigit() for character in word)]
    if not figures and not grounding.ABOUT_THE_READER.search(piece["text"]):
        return piece
    note = (
        f"Your words; not in any source: {', '.join(missing)}."
        if missing
        else "Your words; no fact says this."
    )
    return {**piece, "personal": True, "supported": False, "note": note}


def judge(draft: Draft, sentences: Sequence[dict[str, Any]], subject: str) -> quality.Quality:
    """The quality of the edited mail; a call to action or P.S. counts while it still stands there."""
    pieces = tuple(
        Sentence(s["text"], tuple(s["fact_ids"]), s["personal"], s["supported"], s["note"]) for s in sentences
    )
    body = "".join(piece.text for piece in pieces)
    cta, ps = (draft.personalization_context.get(name, "") for name in ("cta", "ps"))
    mail = WrittenMail(
        step=draft.step_number or 0,
        subject=subject,
        sentences=pieces,
        cta=cta if cta and cta.rstrip("?") in body else ("asked" if "?" in body else ""),
        ps=ps if ps and ps in body else ("P.S." if re.search(r"\bP\.?S\.", body) else ""),
    )
    return quality.assess_quality(mail, lead_name=draft.lead.name, company=draft.lead.company)
