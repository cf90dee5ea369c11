"""What is left of the grounding after a person edited the text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

BY_PERSON = "Written by a person"


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
    if not text:
        return
    if not text.strip() and pieces:
        pieces[-1]["text"] += text
        return
    pieces.append({"text": text, "fact_ids": [], "personal": False, "supported": True, "note": BY_PERSON})
