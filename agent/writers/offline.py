"""The offline writer: deterministic, needs no key, and says nothing about anybody that no fact supports."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from rapidfuzz import fuzz

from agent.writers import phrases
from agent.writers.types import Brief, FactBrief, Sentence, StepBrief, Written, WrittenMail
from leads.research.sentences import addressed, as_clause

MODEL = "offline"
PROMPT_VERSION = "offline-1"
MAX_SUBJECT = 50
MAX_WORDS = 150
LONGEST_STATEMENT = 170
LONGEST_INSTRUCTIONS = 600  # characters of a step's own words that go into a mail
SAME = 72  # of 100, by shared words: from here on two statements tell the same

# What makes the best opening, best first. A person's own role is nothing to tell them.
OPENERS = (
    "recent_news",
    "company_achievement",
    "recent_activity",
    "pain_point",
    "linkedin_post",
    "twitter_activity",
    "industry_trend",
    "company_info",
)


def write(brief: Brief) -> Written:
    """A mail for each step of the brief. The same brief always gives the same text."""
    facts = usable_facts(brief.facts, brief.lead.get("name", ""))
    first_subject = subject_for(brief)
    mails = []
    for index, step in enumerate(brief.steps):
        subject = first_subject if index == 0 else clip(f"Re: {first_subject}", MAX_SUBJECT)
        fact = facts[index % len(facts)] if facts else None
        mails.append(_mail(brief, step, subject, fact, facts, index))
    return Written(mails=tuple(mails), model=MODEL, prompt_version=PROMPT_VERSION)


def usable_facts(facts: Sequence[FactBrief], name: str = "") -> list[FactBrief]:
    """Facts fit to be mentioned: of a telling kind, sure enough, short enough; best first."""
    fit = [
        fact
        for fact in facts
        if fact.category in OPENERS
        and fact.confidence >= 0.5
        and 20 <= len(fact.statement) <= LONGEST_STATEMENT
        and clause_for(fact, name) is not None
    ]
    best_first = sorted(fit, key=lambda fact: (OPENERS.index(fact.category), -fact.confidence, str(fact.id)))
    return [fact for place, fact in enumerate(best_first) if not _said_before(fact, best_first[:place])]


def _said_before(fact: FactBrief, earlier: Sequence[FactBrief]) -> bool:
    """Two pages often tell the same news; a mail should not."""
    return any(fuzz.token_set_ratio(fact.statement, other.statement) >= SAME for other in earlier)


def subject_for(brief: Brief) -> str:
    """The subject of the first mail, at most 50 characters, with the company's or the person's name where it fits."""
    company, name = brief.lead.get("company", ""), brief.lead.get("first_name", "")
    candidates = [
        pattern.format(company=company, name=name) for pattern in phrases.SUBJECTS if company and name
    ]
    fitting = [subject for subject in candidates if len(subject) <= MAX_SUBJECT]
    return (
        _choose(fitting, brief, "subject")
        if fitting
        else clip(f"{name}, a short question".strip(", "), MAX_SUBJECT)
    )


def clip(text: str, limit: int) -> str:
    """The text cut at a word so that it is no longer than `limit` characters."""
    text = " ".join(text.split())
    if len(text) <= limit:
        return text
    cut = text[: limit - 1].rsplit(" ", 1)[0].rstrip(" ,;:-")
    return f"{cut}…"


def _mail(
    brief: Brief, step: StepBrief, subject: str, fact: FactBrief | None, facts: list[FactBrief], index: int
) -> WrittenMail:
    greeting = Sentence(f"Hi {brief.lead.get('first_name') or 'there'},\n\n")
    call = brief.campaign.get("call_to_action") or _choose(phrases.CALLS[step.type], brief, f"call{index}")
    spare = facts[1] if index == 0 and len(facts) > 1 else None
    body = [greeting, *_opening(brief, step, fact, index), *_middle(brief, step, index)]
    cta = Sentence(f"{_as_question(call)}\n\n")
    postscript = _postscript(brief, step, spare)
    return WrittenMail(
        step=step.number,
        subject=subject,
        sentences=tuple(_within_limit([*body, cta, postscript])),
        cta=call,
        ps=postscript.text.strip(),
    )


def _opening(brief: Brief, step: StepBrief, fact: FactBrief | None, index: int) -> list[Sentence]:
    if fact is None or (step.personalization_depth == "low" and index > 0):
        return [Sentence(f"{_fill(phrases.OPEN_WITHOUT_FACT[step.type], brief, f'open{index}')}\n\n")]
    lead_in = _fill(phrases.OPEN_WITH_FACT[step.type], brief, f"open{index}", site=site_of(fact))
    return [
        Sentence(
            f"{lead_in} {clause_for(fact, brief.lead.get('name', ''))}.", (str(fact.id),), personal=True
        ),
        Sentence(f" {_fill(phrases.BRIDGES[step.type], brief, f'bridge{index}')}\n\n"),
    ]


def _middle(brief: Brief, step: StepBrief, index: int) -> list[Sentence]:
    own = step.instructions.strip()
    offer = _sentences(brief.campaign.get("offer") or brief.sender.get("offer", ""))
    if own:
        text = own if len(own) <= LONGEST_INSTRUCTIONS else clip(own, LONGEST_INSTRUCTIONS)
        return [Sentence(f"{text}\n\n", note="From the step's instructions")]
    told = offer[:2] if step.length in ("short", "medium") else offer[:1]
    who = _fill(phrases.WHO[step.type], brief, f"who{index}")
    text = f"{who} {' '.join(told)}".strip()
    more = _fill(phrases.MORE[step.type], brief, f"more{index}")
    return [Sentence(f"{text}\n\n", note="Your offer"), Sentence(f"{more}\n\n")]


def _postscript(brief: Brief, step: StepBrief, spare: FactBrief | None) -> Sentence:
    if spare is not None:
        text = f"P.S. I also read on {site_of(spare)} that {clause_for(spare, brief.lead.get('name', ''))}.\n"
        return Sentence(text, (str(spare.id),), personal=True)
    return Sentence(f"P.S. {_fill(phrases.POSTSCRIPTS[step.type], brief, 'ps')}\n")


def _within_limit(sentences: list[Sentence]) -> list[Sentence]:
    """Drop what is least needed (the last plain piece before the call) while the mail is over 150 words."""
    while sum(len(s.text.split()) for s in sentences) > MAX_WORDS:
        plain = [i for i, s in enumerate(sentences[1:-2], 1) if not s.personal]
        if not plain:
            break
        longest = max(plain, key=lambda i: len(sentences[i].text))
        words = sentences[longest].text.split()
        if len(words) > 30:
            shorter = _sentences(sentences[longest].text)[:-1]
            if shorter:
                sentences[longest] = Sentence(" ".join(shorter) + "\n\n", note=sentences[longest].note)
                continue
        del sentences[longest]
    return sentences


def site_of(fact: FactBrief) -> str:
    """The host a fact was read on, without `www.`."""
    host = urlsplit(fact.source_url).hostname or "your site"
    return host.removeprefix("www.")


def clause_for(fact: FactBrief, name: str) -> str | None:
    """The fact as it follows “that”, said to the lead: “you wrote …” for what is about them. None when that is unsure."""
    statement = " ".join(fact.statement.split()).rstrip(".!… ")
    if name and name in statement:
        return addressed(statement, name)
    return as_clause(statement)


def _sentences(text: str) -> list[str]:
    return [part for part in re.split(r"(?<=[.!?])\s+", " ".join(text.split())) if part]


def _as_question(call: str) -> str:
    call = " ".join(call.split())
    return call if call.endswith(("?", ".", "!")) else f"{call}?"


def _choose(options: Sequence[str], brief: Brief, place: str) -> str:
    # A person who asks for another text gets other phrases, and the same ones for the same wish.
    seed = f"{brief.lead.get('email', '')}|{place}{brief.feedback}".encode()
    return options[hashlib.sha256(seed).digest()[0] % len(options)]


def _fill(options: Sequence[str], brief: Brief, place: str, **more: str) -> str:
    values = {
        "company": brief.lead.get("company") or "your company",
        "sender": brief.sender.get("company") or brief.sender.get("from_name", ""),
        "title": brief.lead.get("title", ""),
        **more,
    }
    return _choose(options, brief, place).format(**values)
