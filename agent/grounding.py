"""Whether each personal sentence rests on facts, and whether the facts say what the sentence says.

A model proposes fact ids; this decides. It is deliberately strict: numbers, dates and names that stand in a
personal sentence have to stand in the quotes or statements it names, or among what the user typed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from agent.writers.types import Brief, FactBrief, Sentence, Written, WrittenMail

# "you", "your company", and compliments: a sentence with one of these claims something about the reader.
ABOUT_THE_READER = re.compile(
    r"\b(congrat\w*|impress\w*|i (?:saw|noticed|read|heard|love|loved|admire)|you(?:'ve| have) (?:just|recently)|"
    r"your (?:recent|new|latest|impressive|great|work on|post|article|talk|growth|expansion|launch|funding))\b",
    re.IGNORECASE,
)
_TELLING = re.compile(r"\d[\d.,]*%?|\b[A-ZÄÖÜÅÉ][\w’'-]{2,}")
# Percentages, money, factors: what invented case studies are made of.
_RESULTS = re.compile(
    r"\d[\d.,]*\s?(?:%|percent\b)|[$€£]\s?\d[\d.,]*|\d[\d.,]*\s?(?:€|EUR\b|USD\b|dollars\b|euros?\b)|\b\d+(?:\.\d+)?x\b",
    re.IGNORECASE,
)
_SMALL_WORDS = (
    "The This That These Those With From Since When What Which Who How Why Where And But For Our Your Their His Her "
    "Its One Two Also Once Here There Would Could Should May Can Are Was Were Have Has Had Not Hello Dear Best Regards"
)
_COMMON = frozenset(_SMALL_WORDS.split())


def check(written: Written, brief: Brief) -> Written:
    """The same sequence with `personal`, `supported` and `note` set on every sentence."""
    facts = {str(fact.id): fact for fact in brief.facts}
    company = [
        text for key, text in brief.company.items() if key != "description"
    ]  # read on a page, not typed
    typed = [*brief.lead.values(), *company, *brief.sender.values(), *brief.campaign.values()]
    known = " ".join([*typed, *(step.instructions for step in brief.steps), brief.feedback])
    return replace(written, mails=tuple(_check_mail(mail, facts, known) for mail in written.mails))


def _check_mail(mail: WrittenMail, facts: Mapping[str, FactBrief], known: str) -> WrittenMail:
    return replace(mail, sentences=tuple(check_sentence(s, facts, known) for s in mail.sentences))


def check_sentence(sentence: Sentence, facts: Mapping[str, FactBrief], known: str) -> Sentence:
    """Decide about one sentence; fact ids that do not exist are dropped."""
    cited = [facts[fact_id] for fact_id in sentence.fact_ids if fact_id in facts]
    ids = tuple(str(fact.id) for fact in cited)
    personal = sentence.personal or bool(ids) or bool(ABOUT_THE_READER.search(sentence.text))
    if not personal:
        return _check_plain(sentence, known)
    if not cited:
        return replace(
            sentence, fact_ids=(), personal=True, supported=False, note="No fact was named for this claim."
        )
    missing = unsupported_words(sentence.text, cited, known)
    note = f"Not in the quoted sources: {', '.join(missing)}." if missing else sentence.note
    return replace(sentence, fact_ids=ids, personal=True, supported=not missing, note=note)


def _check_plain(sentence: Sentence, known: str) -> Sentence:
    """A sentence that says it claims nothing: results and prices in it have to be the user's own."""
    typed = _fold(known)
    invented = [figure for figure in _RESULTS.findall(sentence.text) if _fold(figure).strip() not in typed]
    if not invented:
        return replace(sentence, supported=True)
    note = f"Not in anything you wrote: {', '.join(figure.strip() for figure in invented)}."
    return replace(sentence, personal=True, supported=False, note=note)


def unsupported_words(text: str, cited: Iterable[FactBrief], known: str) -> list[str]:
    """Numbers and names of a sentence that stand neither in the cited facts nor in what the user typed."""
    sources = " ".join(f"{fact.statement} {fact.quote} {fact.source_url} {fact.dated}" for fact in cited)
    haystack = _fold(f"{sources} {known}")
    body = re.sub(r"^\W*\w+", "", text.strip(), count=1)  # the first word is capital by grammar
    body = re.sub(r"(?<=[.!?:]\s)[A-Z]\w*", "", body)
    telling = dict.fromkeys(_TELLING.findall(body))
    return [word for word in telling if word not in _COMMON and _fold(word).strip(".,") not in haystack]


def _fold(text: str) -> str:
    return text.replace("’", "'").lower()
