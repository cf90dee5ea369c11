"""Facts about one person: role, what a page tells about them, what they wrote, where they are mentioned."""

from __future__ import annotations

import re
from collections.abc import Iterator

from leads.models import FactCategory
from leads.research import dates, sentences
from leads.research.drafts import FactDraft, PageView
from leads.research.people import looks_like_role, plain_name

C = FactCategory
_PERSONAL = re.compile(
    r"\b(?:before|previously|former(?:ly)?|used to|grew up|born|loves?|likes?|enjoys?|hobby|plays?|climb\w*|sail\w*|cycl\w+|"
    r"marathons?|weekends?|outside (?:of )?work|studied|graduated|taught|volunteer\w*|speaks|dog|cat|garden\w*|paint\w*|"
    r"fridays?|years? (?:as|at|in|of)|phd|joined)\b",
    re.IGNORECASE,
)
_THIRD = re.compile(
    r"^(?P<adverb>(?:Still|Also|Now|Always|Never|Currently|Formerly|Previously|Once) )?(?P<verb>[A-Za-z]+)\b"
)
_NO_VERB_WORDS = """
    always various sales operations press business process its this less across previous
"""
_NO_VERB = frozenset(_NO_VERB_WORDS.split())


def person_drafts(page: PageView, company: str, name: str) -> Iterator[FactDraft]:
    """What this page says about the person of this name."""
    name = plain_name(name)
    if len(name.split()) < 2:
        return
    yield from _role(page, company, name)
    yield from _about(page, company, name)
    yield from _wrote(page, name)
    yield from _mentioned(page, company, name)


def same_person(one: str, other: str) -> bool:
    """Equal names without titles; a middle name or initial more in one of them does no harm."""
    a, b = (plain_name(text).casefold().split() for text in (one, other))
    return bool(a and b) and (a == b or (min(len(a), len(b)) > 1 and a[0] == b[0] and a[-1] == b[-1]))


def _role(page: PageView, company: str, name: str) -> Iterator[FactDraft]:
    for person in page.people:
        if not same_person(person.name, name) or not person.role or not looks_like_role(person.role):
            continue
        quote = _standing_together(page, person.name, person.role)
        if quote:
            yield FactDraft(C.PERSON_ROLE, f"{name} is {person.role} at {company}", quote, page.url, 0.9)


def _standing_together(page: PageView, name: str, role: str) -> str:
    """The page's words for name and role, if one follows the other."""
    match = re.search(
        rf"(?:[A-Z]\w{{1,4}}\. )?{re.escape(name)}(?:,? |\n| [–—|-] ){re.escape(role)}", page.text
    )
    return match.group() if match else ""


def _about(page: PageView, company: str, name: str) -> Iterator[FactDraft]:
    about = next((p.about for p in page.people if same_person(p.name, name) and p.about), "")
    for sentence in sentences.split(about)[:5]:
        statement = _with_subject(sentence, name, company, page.language)
        if statement:
            category = C.PERSONAL_INTERESTS if _PERSONAL.search(sentence) else C.PERSON_ROLE
            yield FactDraft(category, statement, sentence, page.url, 0.8)


def _with_subject(sentence: str, name: str, company: str, language: str) -> str:
    """ "Runs planning." as a statement about somebody by name; phrases without a verb are quoted."""
    text = sentence.strip().rstrip(".")
    if (
        sentences.is_imperative(text)
        or re.search(r"[\"“”„!?]", text)
        or re.search(r"\b(?:I|you|your|my)\b", text)
    ):
        return ""
    if language not in ("en", ""):
        return f"{company} writes “{text}” about {name}"
    if name in text or re.search(rf"\b{re.escape(name.split()[-1])}\b", text):
        return text
    match = _THIRD.match(text)
    verb = match["verb"].lower() if match else ""
    is_verb = verb not in _NO_VERB and (
        sentences.is_present_form(verb)
        or re.fullmatch(r"[a-z]{3,}ed", verb)
        or verb in sentences.PAST
        or verb in ("has", "is", "does")
    )
    if match and is_verb and re.match(rf"{re.escape(match.group())} ", text + " "):
        return f"{name} {text[0].lower()}{text[1:]}"
    if owner := re.match(r"(?:His|Her) ", text):
        return f"{name}’s {text[owner.end() :]}"
    if pronoun := re.search(r"\b(?:[Ss]he|[Hh]e)\b", text):
        return f"{text[: pronoun.start()]}{name}{text[pronoun.end() :]}"
    return f"{company} describes {name} as “{text}”"


def _wrote(page: PageView, name: str) -> Iterator[FactDraft]:
    if not (
        page.is_article and 8 < len(page.headline) <= 160 and page.author and same_person(page.author, name)
    ):
        return
    lines = page.lines
    start = next((i for i, line in enumerate(lines) if line == page.headline), None)
    end = (
        next((i for i in range(start, min(start + 5, len(lines))) if name in lines[i]), None)
        if start is not None
        else None
    )
    if start is None or end is None:
        return
    when = f" on {dates.in_words(page.published)}" if page.published else ""
    quote = "\n".join(lines[start : end + 1])
    title = page.headline.rstrip(".")
    yield FactDraft(C.RECENT_ACTIVITY, f"{name} wrote “{title}”{when}", quote, page.url, 0.9, page.published)


def _mentioned(page: PageView, company: str, name: str) -> Iterator[FactDraft]:
    """Sentences with the name and a verb of their own, outside of quotation marks."""
    for line in page.lines if page.language in ("en", "") else ():
        if name not in line or len(line) > 3000 or len(line.split()) < 7:
            continue
        for sentence in sentences.split(line):
            if name not in sentence or re.search(r"[\"“”„:]", sentence) or not sentence.endswith("."):
                continue
            if sentences.is_imperative(sentence):
                continue
            plain = None if sentences.speaks_of_itself(sentence) else sentence.rstrip(".")
            statement = sentences.third_person(sentence, company) or plain
            if statement:
                category = C.RECENT_ACTIVITY if page.is_article else C.PERSON_ROLE
                yield FactDraft(category, statement, sentence, page.url, 0.8, page.published)
