"""A mail's quality before anybody sees it: a score out of 5 and the reasons for each point lost (SPEC WR-6)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.writers.types import WrittenMail

MAX_SUBJECT = 50
WORDS = range(50, 151)
SPAM = re.compile(
    r"\b(100% free|act now|buy now|click here|cheap(?:est)?|congratulations|double your|earn money|guarantee[ds]?|"
    r"limited time|no obligation|once in a lifetime|risk[- ]free|special promotion|urgent|winner|increase sales)\b",
    re.IGNORECASE,
)
PLACEHOLDER = re.compile(
    r"\{\{?\s*\w+\s*\}?\}|\[[A-Za-z _]{2,30}\]|<[A-Z_ ]{3,}>|\bXX+\b|lorem ipsum", re.IGNORECASE
)
LINK = re.compile(r"https?://", re.IGNORECASE)
FLATTERY = re.compile(
    r"\b(amazing|incredible|game[- ]chang\w+|world[- ]class|revolutionary|synergy)\b", re.IGNORECASE
)


@dataclass(frozen=True)
class Quality:
    """`score` from 0 to 5; `reasons` say what cost how much; `blocking` must not reach a reader."""

    score: float
    reasons: tuple[str, ...]
    blocking: bool = False


def assess_quality(mail: WrittenMail, *, lead_name: str = "", company: str = "") -> Quality:
    """Length, spam words, links, placeholders, names, support and readability of one mail."""
    found = [*_form(mail), *_content(mail), *_names(mail, lead_name)]
    score = max(0.0, round(5 - sum(cost for cost, _ in found), 1))
    blocking = bool(PLACEHOLDER.search(f"{mail.subject}\n{mail.body}"))
    return Quality(score=score, reasons=tuple(text for _, text in found), blocking=blocking)


def _form(mail: WrittenMail) -> list[tuple[float, str]]:
    found: list[tuple[float, str]] = []
    words = len(mail.body.split())
    if len(mail.subject) > MAX_SUBJECT:
        found.append(
            (
                0.5,
                f"The subject has {len(mail.subject)} characters; more than {MAX_SUBJECT} are cut on phones.",
            )
        )
    if words not in WORDS:
        found.append((1, f"{words} words; 50 to 150 are read."))
    if not mail.ps:
        found.append((0.3, "There is no P.S."))
    if not mail.cta:
        found.append((0.7, "There is no call to action."))
    longest = max((len(part.split()) for part in re.split(r"[.!?]+", mail.body)), default=0)
    if longest > 40:
        found.append((0.5, f"A sentence of {longest} words is hard to read."))
    return found


def _content(mail: WrittenMail) -> list[tuple[float, str]]:
    found: list[tuple[float, str]] = []
    text = f"{mail.subject}\n{mail.body}"
    for pattern, cost, label in ((SPAM, 0.5, "Spam words"), (FLATTERY, 0.5, "Empty praise")):
        words = sorted({match.group(0).lower() for match in pattern.finditer(text)})
        if words:
            found.append((cost * len(words), f"{label}: {', '.join(words)}."))
    if left := PLACEHOLDER.search(text):
        found.append((3, f"A placeholder was left over: {left.group(0)}"))
    if (links := len(LINK.findall(mail.body))) > 1:
        found.append((0.5, f"{links} links; more than one looks like a newsletter."))
    unsupported = sum(1 for s in mail.sentences if s.personal and not s.supported)
    if unsupported:
        found.append((1.5, f"{unsupported} claim{'s' if unsupported > 1 else ''} without a fact."))
    if mail.step == 1 and not any(s.personal and s.supported for s in mail.sentences):
        found.append((1, "No specific detail from research."))
    return found


def _names(mail: WrittenMail, lead_name: str) -> list[tuple[float, str]]:
    greeting = re.match(r"\s*(?:hi|hello|dear|hey)\s+([^,\n!]{1,60})[,!\n]", mail.body, re.IGNORECASE)
    if not greeting or not lead_name:
        return []
    said = greeting.group(1).strip().lower()
    if said == "there" or any(said == part or part in said.split() for part in lead_name.lower().split()):
        return []
    return [(3, f"The greeting names {greeting.group(1).strip()}, the lead is {lead_name}.")]
