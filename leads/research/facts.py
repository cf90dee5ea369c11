"""Statements with the words they rest on, taken from pages without a model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date

from leads.models import FactCategory
from leads.research import dates, guards, sentences
from leads.research.drafts import FactDraft, PageView, is_sound
from leads.research.people import plain_name
from leads.research.person_facts import person_drafts

_MOST_PER_PAGE = 8
_MOST = 40
_LONGEST_LINE = 3000  # what is longer is no paragraph that somebody wrote
C = FactCategory
_ACHIEVED = re.compile(
    r"\b(?:awards?|awarded|prize|won|wins?|gold|silver|shortlisted|record|funding|raised|series [a-e]|milestone|"
    r"certifi\w+|licen[cs]e|passed|passes|first time|largest|reach\w*|grew|growth|doubled|tripled|faster|rank\w*|"
    r"auszeichnung|preis gewonnen|rekord)\b|\b(?:up|fell|down) from\b",
    re.IGNORECASE,
)
_NEWS = re.compile(
    r"\b(?:open(?:s|ed|ing)|launch(?:es|ed)?|announc\w+|acquir\w+|partner(?:s|ed|ship)|signed|join(?:s|ed)|moved|expand\w*|"
    r"releas\w+|introduc\w+|started|rollout|went live|goes live|will (?:open|work|use|launch|join)|hir(?:es|ed)|new)\b",
    re.IGNORECASE,
)
_PAIN = re.compile(
    r"\b(?:questions?|calls?|tickets?|requests?|e-?mails?|messages?|inquir\w+|enquir\w+|complaints?|backlog|delays?|delayed|waiting|"
    r"no-shows?|by hand|manual\w*|overwhelm\w*|inbox|answering machine|anfragen|reklamation\w*|twice what|"
    r"could answer|nuisance|cost(?:s)? (?:us|them) most)\b",
    re.IGNORECASE,
)
_HIRING = re.compile(
    r"\b(?:looking for|hiring|we hire|open (?:position|role)s?|vacanc\w+|join (?:us|our team)|wir suchen|stellen\w*)\b",
    re.IGNORECASE,
)
_ABOUT = re.compile(
    r"\b(?:founded|started|established|began|family|owned|employ\w*|people work|based in|headquarter\w*|offices?|"
    r"customers?|clients?|help\w*|make[s]?|build[s]?|design[s]?|sell[s]?|offer[s]?|provide[s]?|give[s]?|"
    r"show[s]?|develop[s]?|produc\w+|"
    r"manufactur\w+|serv\w+|specialis\w+|specializ\w+|is an?|grow[s]?|brew\w*|run[s]?|move[s]?|"
    r"gegründet|mitarbeite\w+|fertig\w+)\b",
    re.IGNORECASE,
)
_JOB = re.compile(
    r"\b(?:specialist|engineer|manager|lead|developer|coordinator|assistant|director|analyst|consultant|technician|"
    r"representative|designer|associate|dispatcher|nurse|sales|support|head|reception|relations|buyer|liaison|officer|"
    r"sachbearbeit\w+|mechaniker\w*|\(m/w/d\))(?=\W|$)",
    re.IGNORECASE,
)
_ASKING = re.compile(r"\b(?:my|me|should)\b", re.IGNORECASE)
_SPEECH_AFTER = re.compile(
    r"(?P<quote>[\"“„](?P<said>[^\"“”„]{15,260}?)[,.!?]?[\"”“])"
    r"(?P<link>,? (?:says?|said|explains?|explained|adds?|sagt|erklärt) )"
    r"(?P<who>(?:(?:Dr|Prof|Mr|Mrs|Ms)\. )?[A-ZÀ-ÖØ-Þ][\w'’-]{1,30}(?: (?:[a-z]{2,3} )?[A-ZÀ-ÖØ-Þ][\w'’-]{1,30}){1,3})"
)
_SPEECH_BEFORE = re.compile(
    r"(?P<who>(?:(?:Dr|Prof|Mr|Mrs|Ms)\. )?[A-ZÀ-ÖØ-Þ][\w'’-]{1,30}(?: (?:[a-z]{2,3} )?[A-ZÀ-ÖØ-Þ][\w'’-]{1,30}){1,3})"
    r"(?P<role>, [^\"“„:.]{2,60})?: (?P<quote>[\"“„](?P<said>[^\"“”„]{15,260}?)[.!?]?[\"”“])"
)


def company_facts(pages: Iterable[PageView], company: str, *, today: date) -> list[FactDraft]:
    """Facts about the company, the most telling first; each quote stands letter by letter in its page's text."""
    drafts: list[FactDraft] = []
    for page in pages:
        found = [draft for draft in _page_facts(page, company, today) if is_sound(draft, page)]
        drafts += sorted(found, key=lambda draft: -draft.confidence)[:_MOST_PER_PAGE]
    return _once(drafts)[:_MOST]


def lead_facts(pages: Iterable[PageView], company: str, name: str, *, today: date) -> list[FactDraft]:
    """Facts about the person by this name: role, words, articles, what is said about them."""
    drafts = [
        replace(draft, about_lead=True)
        for page in pages
        for draft in (*person_drafts(page, company, name), *_lead_speech(page, name))
        if is_sound(draft, page)
    ]
    return _once([_aged(draft, today) for draft in drafts])[:15]


def short_name(company: str, texts: Iterable[str]) -> str:
    """The name a company calls itself by in its texts: "Brightwave" for Brightwave Freight Systems."""
    name = re.sub(
        r",? (?:Inc|LLC|Ltd|Limited|GmbH|AG|SE|KG|BV|B\.V|SA|S\.A|SL|SRL|AS|AB|Oy|PLC|Corp|Corporation)\.?$",
        "",
        company.strip(),
    )
    words = name.split()
    text = "\n".join(texts)[:200_000]
    for length in range(1, len(words)):
        prefix, following = " ".join(words[:length]), words[length]
        if len(prefix) < 4 or not prefix[0].isupper() or prefix.endswith(("&", "and", "und", "of")):
            continue
        alone = re.findall(
            rf"(?<![\w.@/-]){re.escape(prefix)}(?! {re.escape(following)})(?= (?:[a-z]|\d)|['’]s )", text
        )
        if len(alone) >= (2 if length == 1 else 1):
            return prefix
    return name


def _page_facts(page: PageView, company: str, today: date) -> Iterator[FactDraft]:
    if page.is_article and _is_headline(page.headline):
        yield _aged(_headline(page, page.headline, page.published, company), today)
    listed = [] if page.is_article else [(t, d) for t, d in page.news[:4] if _is_headline(t)]
    for title, day in listed:
        yield _aged(replace(_headline(page, title, day, company), confidence=0.6), today)
    bios = {person.about for person in page.people if person.about}
    for line in page.lines:
        if guards.is_order(line) or line in bios or len(line) > _LONGEST_LINE:
            continue
        if page.kind == "careers":
            yield from _jobs(page, line, company)
        for draft in _line_facts(page, line, company):
            yield _aged(draft, today)


def _line_facts(page: PageView, line: str, company: str) -> Iterator[FactDraft]:
    spoken = list(_speech(line))
    for who, said, quote in spoken:
        yield FactDraft(
            C.PAIN_POINT if _PAIN.search(said) else C.RECENT_NEWS,
            f"{who} said “{said}”",
            quote,
            page.url,
            0.7 if _PAIN.search(said) else 0.6,
            page.published,
        )
    if spoken or len(line.split()) < 5:
        return
    for sentence in sentences.split(line):
        if draft := _sentence_fact(page, sentence, company):
            yield draft


def _sentence_fact(page: PageView, sentence: str, company: str) -> FactDraft | None:
    if (
        not 25 <= len(sentence) <= 300
        or not sentence.endswith((".", "”", '"'))
        or not sentence[0].isprintable()
    ):
        return None
    english = page.language in ("en", "")
    if sentences.leans_on_another(sentence) or _ASKING.search(sentence):
        return None
    if english and (not sentences.has_verb(sentence) or sentences.is_imperative(sentence)):
        return None
    specific = bool(re.search(r"\d", sentence))
    own = sentences.speaks_of_itself(sentence)
    named = bool(re.search(rf"\b{re.escape(company)}\b", sentence))
    if not (own or named or (specific and page.is_article)):
        return None
    category = _category(page, sentence)
    if category is None:
        return None
    statement = sentences.third_person(sentence, company) if (own or named) and english else None
    confidence = 0.55 + 0.15 * specific + 0.05 * bool(dates.find_date(sentence)) + (0.1 if statement else 0.0)
    if statement is None:
        if (
            not specific
            or '"' in sentence
            or re.search(r"\b(?:it|they|this) (?:was|is|were|are|has|had)\b", sentence)
        ):
            return None
        statement = f"{company} writes “{sentence.rstrip('.')}”"
    day = dates.find_date(sentence)
    if day and page.published and day > page.published:
        day = page.published  # what is announced for later was news on the day it was announced
    return FactDraft(category, statement, sentence, page.url, confidence, day or page.published)


def _category(page: PageView, sentence: str) -> FactCategory | None:
    if _HIRING.search(sentence) and (page.kind == "careers" or sentences.speaks_of_itself(sentence)):
        return C.PAIN_POINT
    if _PAIN.search(sentence) and re.search(r"\d", sentence):
        return C.PAIN_POINT
    if page.is_article and _ACHIEVED.search(sentence) and re.search(r"\d", sentence):
        return C.COMPANY_ACHIEVEMENT
    if page.is_article or page.kind == "news":
        return C.RECENT_NEWS if _NEWS.search(sentence) or re.search(r"\d", sentence) else None
    if re.search(r"\b(?:awards?|prize|medal) ?\b", sentence, re.IGNORECASE) and re.search(
        r"\b(?:won|wins|received)\b", sentence
    ):
        return C.COMPANY_ACHIEVEMENT
    if _ABOUT.search(sentence) or re.search(r"\d", sentence):
        return C.COMPANY_INFO
    return None


def _is_headline(text: str) -> bool:
    """One phrase of at least two words that asks for nothing."""
    single = len(text) <= 160 and len(text.split()) > 1 and len(sentences.split(text)) == 1
    return single and not _ASKING.search(text) and not sentences.is_imperative(text, headline=True)


def _headline(page: PageView, title: str, day: date | None, company: str) -> FactDraft:
    """A headline that is a sentence about the company is taken as it is, others as what was published."""
    quote = _with_day(page, title, day)
    when = f" on {dates.in_words(day)}" if day and quote != title else ""
    statement = f"{company} published “{title.rstrip('.')}”{when}"
    if re.match(rf"{re.escape(company)} [a-z]+s\b", title) and page.language in ("en", ""):
        statement = title.rstrip(".!")
    category = C.COMPANY_ACHIEVEMENT if _ACHIEVED.search(title) else C.RECENT_NEWS
    return FactDraft(category, statement, quote, page.url, 0.75, day)


def _with_day(page: PageView, title: str, day: date | None) -> str:
    """The page's words from the headline to the day beside it; the headline alone when no day stands near."""
    lines = page.lines
    at = next((i for i, line in enumerate(lines) if title in line), None)
    if at is None or day is None:
        return title
    for near in (at, at + 1, at - 1, at + 2):
        if 0 <= near < len(lines) and len(lines[near]) < 300 and dates.find_date(lines[near]) == day:
            return "\n".join(lines[min(at, near) : max(at, near) + 1])
    return title


def _jobs(page: PageView, line: str, company: str) -> Iterator[FactDraft]:
    """A line of a careers page that names a position."""
    title = re.split(r": | – | — ", line)[0].strip().rstrip(".:")
    if (
        6 <= len(title) <= 90
        and _JOB.search(title)
        and not re.search(r"[.!?]", title)
        and title[0].isupper()
        and not sentences.speaks_of_itself(title)
    ):
        yield FactDraft(C.PAIN_POINT, f"{company} is hiring for the position “{title}”", line, page.url, 0.65)


def _speech(line: str) -> Iterator[tuple[str, str, str]]:
    """(who, words, exact quote) of direct speech with its speaker."""
    if len(line) > _LONGEST_LINE:
        return
    for match in _SPEECH_AFTER.finditer(line):
        yield plain_name(match["who"]), match["said"], match.group()
    for match in _SPEECH_BEFORE.finditer(line):
        yield plain_name(match["who"]), match["said"], match.group()


def _lead_speech(page: PageView, name: str) -> Iterator[FactDraft]:
    for line in page.lines:
        for who, said, quote in _speech(line):
            if who.casefold() == plain_name(name).casefold():
                statement = f"{plain_name(name)} said “{said}”"
                yield FactDraft(C.RECENT_ACTIVITY, statement, quote, page.url, 0.85, page.published)


def _aged(draft: FactDraft, today: date) -> FactDraft:
    """News lose confidence with age: half a year is fine, after two years they are history."""
    if draft.dated is None or draft.category == C.COMPANY_INFO:
        return draft
    days = (today - draft.dated).days
    loss = 0.0 if days < 180 else 0.15 if days < 365 else 0.3 if days < 730 else 0.45
    return replace(draft, confidence=round(max(0.1, draft.confidence - loss), 2))


def _once(drafts: list[FactDraft]) -> list[FactDraft]:
    """Each statement and each quote once, the most confident of them."""
    kept: list[FactDraft] = []
    seen: set[str] = set()
    for draft in sorted(drafts, key=lambda draft: -draft.confidence):
        keys = {re.sub(r"\W+", " ", text.casefold()).strip() for text in (draft.quote, draft.statement)}
        if not keys & seen:
            kept.append(draft)
        seen |= keys
    return kept


__all__ = ["FactDraft", "PageView", "company_facts", "is_sound", "lead_facts", "short_name"]
