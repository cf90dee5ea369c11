"""Sentences of a page, and the change from "we" to the company's name. What cannot be changed safely is left alone."""

from __future__ import annotations

import re

_ABBREVIATED = re.compile(
    r"(?:\b(?:Dr|Prof|Mr|Mrs|Ms|St|No|Nr|Co|Inc|Ltd|Corp|vs|approx|ca|etc|bzw|inkl|z\.B|u\.a|e\.g|i\.e|Jan|Feb|Mar|Apr|Jun|"
    r"Jul|Aug|Sept?|Oct|Nov|Dec|Mio|Mrd)|\b[A-Z]|\b\d{1,2})\.$"
)
_END = re.compile(r"[.!?…]+[\"”’»)]*(?=\s+[\"“„‚«(]?[A-ZÀ-ÖØ-Þ0-9])")
_MONTH_NEXT = re.compile(r"\s+(?:Jan|Feb|Mär|Mar|Apr|Mai|May|Jun|Jul|Aug|Sep|Okt|Oct|Nov|Dez|Dec)")

_MODALS_WORDS = """
    will would can could should may might must shall cannot can't won't
"""
_MODALS = frozenset(_MODALS_WORDS.split())
PAST_WORDS = """
    became began bought bred broke brought built came cast chose cut did drank drew drove fell felt
    fought found gave got grew grown had held hid hit kept knew launched learned led left let lit lost
    made meant met moved opened paid put ran rang rose said sang saw sent set shut sold spent split
    started stood swam taught thought told took understood was went were won wore wrote
"""
PAST = frozenset(PAST_WORDS.split())
_BASE_WORDS = """
    accept achieve add advise aim answer apply arrange ask assemble assist automate bake believe book
    bottle brew bring build buy call care carry change charge check choose clean coach collect combine
    connect consult cook coordinate count cover craft create cultivate deal deliver deploy design
    develop distribute do drive earn educate employ enable engineer ensure equip expand expect explain
    export farm fill finance find finish fit focus follow fund give grow guarantee handle harvest head
    help hire hold hope host implement import improve increase inspect install insure integrate invest
    invite keep know lead learn lend let like list live look love maintain make manage manufacture map
    measure monitor move need negotiate offer open operate organise organize oversee own pack partner
    pay photograph plan plant play post pour power prefer prepare print process produce promise protect
    provide publish reach read record recruit reduce release rely rent repair reply represent research
    respond roast run save see select sell send serve ship show simplify solve sort source specialise
    specialize sponsor staff start stock store strive study supervise supply support take teach tell
    test think track trade train transform translate travel treat trust try turn understand use value
    visit want wash weave win wish work write
"""
_BASE = frozenset(_BASE_WORDS.split())
_ADVERB = r"(?:also|now|still|never|always|just|already|even|only|often|today|[a-z]{3,}ly)"
_WE = re.compile(
    rf"\b[Ww]e\b(?P<short>['’](?:re|ve|ll|d))?(?P<adverb>(?: {_ADVERB})*) ?(?P<verb>[a-z]+(?:['’]t)?)?"
)
_OUR = re.compile(r"\b[Oo]ur\b(?! own\b)|\b[Oo]ur(?= own\b)")
_US = re.compile(r"\b[Uu]s\b")
_HOPELESS = re.compile(
    r"\b(?:I|[Mm]e|[Mm]y|mine|myself|[Yy]ou|[Yy]ours?|yourself|ourselves|[Oo]urs|[Ll]et['’]s)\b"
    r"|\b[Ww]e (?:all|both|each|either)\b|\b(?:what|how|why|whether|that) we\b|\bof us\b"
)


def split(text: str) -> list[str]:
    """The sentences of a line (of its first 10,000 characters), each exactly as it stands there."""
    text = text[:10_000]
    parts: list[str] = []
    start = 0
    for end in _END.finditer(text):
        head = text[max(start, end.end() - 40) : end.end()].rstrip('"”’»)')
        if _ABBREVIATED.search(head) and not (
            head[-2:-1].isdigit() and not _MONTH_NEXT.match(text, end.end())
        ):
            continue
        parts.append(text[start : end.end()].strip())
        start = end.end()
    parts.append(text[start:].strip())
    return [part for part in parts if part]


def speaks_of_itself(sentence: str) -> bool:
    """Whether a sentence says we, our or us."""
    return bool(re.search(r"\b(?:[Ww]e|[Oo]ur|[Uu]s)\b(?!\.)", sentence))


def has_verb(sentence: str) -> bool:
    """Whether an English sentence holds a finite verb that is known here."""
    words = re.findall(r"[a-z]+(?:['’]t)?", sentence)
    known = {"is", "are", "has", "have", "do", "does", "am", "isn't", "aren't", *_MODALS, *PAST}
    return any(
        w in known or w in _BASE or is_present_form(w) or re.fullmatch(r"[a-z]{3,}ed", w) for w in words
    )


def leans_on_another(sentence: str) -> bool:
    """Whether a sentence begins with a word whose meaning stands in the sentence before."""
    return bool(
        re.match(
            r"(?:It|This|They|These|Those|He|She|That|There|Such|Both|His|Her|Their|But|And|So)\b", sentence
        )
    )


_ORDER_WORDS = """
    please todo send delete invite create update say tell forward email mail visit click remember ensure don't never do be
    join meet discover learn read get reserve schedule cancel transfer execute output print add remove reply write call
    download follow subscribe contact enter imagine consider note ignore stop wait let modify change make
"""
_ORDERS = frozenset(_ORDER_WORDS.split())


def is_imperative(sentence: str, *, headline: bool = False) -> bool:
    """Whether an English sentence begins like a request; nouns that are verbs as well are taken for verbs.

    In a `headline` only words that hardly ever begin one as a noun count ("Store number seven" is a noun).
    """
    words = re.findall(r"[A-Za-z]+(?:['’]t)?", sentence[:80])
    opening = next(
        (w.lower() for w in words if w.lower() not in ("then", "next", "also", "finally", "first", "and")), ""
    )
    opening = opening.replace("’", "'")
    return opening in _ORDERS or (not headline and opening in _BASE)


def is_present_form(word: str) -> bool:
    """Whether a word is a known verb in the third person: "runs", "goes", "carries"."""
    return any(
        base in _BASE and _conjugated(base) == word for base in (word[:-1], word[:-2], word[:-3] + "y")
    )


def third_person(sentence: str, company: str) -> str | None:
    """The sentence with the company's name for "we" and "our", without its full stop.

    None when that cannot be done with certainty: the reader is addressed, somebody says "I", quotation marks stand in
    it, or the verb after "we" is not known.
    """
    text = sentence.strip().rstrip(".").strip()
    if _HOPELESS.search(text) or re.search(r"[\"“”„«»!?]", text):
        return None
    named = bool(re.search(rf"\b{re.escape(company)}\b", text))
    pieces: list[str] = []
    position = 0
    for match in re.finditer(rf"{_WE.pattern}|(?P<our>{_OUR.pattern})|(?P<us>{_US.pattern})", text):
        pieces.append(text[position : match.start()])
        position = match.end()
        if match["our"]:
            word = "its" if named else f"{company}’s" if not company.endswith("s") else f"{company}’"
            pieces.append(word[0].upper() + word[1:] if match.start() == 0 else word)
        elif match["us"]:
            pieces.append("it" if named else company)
        else:
            clause = _clause(match, text[match.end() :], "it" if named else company)
            if clause is None:
                return None
            pieces.append(clause[0].upper() + clause[1:] if match.start() == 0 else clause)
        named = True
    return "".join(pieces) + text[position:]


def _clause(match: re.Match[str], rest: str, subject: str) -> str | None:
    adverb, verb = match["adverb"] or "", match["verb"] or ""
    if match["short"]:
        word = {"re": " is", "ve": " has", "ll": " will"}.get(match["short"][1:])
        return f"{subject}{word}{adverb}{' ' + verb if verb else ''}" if word else None
    if verb == "are" and re.match(r" \d[\d,.]* (?:people|colleagues|employees|staff|architects)\b", rest):
        return f"{subject}{adverb} has"
    changed = {"are": "is", "have": "has", "do": "does", "aren't": "isn't", "aren’t": "isn’t"}.get(verb)
    changed = changed or {
        "haven't": "hasn't",
        "don't": "doesn't",
        "haven’t": "hasn’t",
        "don’t": "doesn’t",
    }.get(verb)
    if not changed:
        changed = _conjugated(verb)
    if changed is None:
        return None
    if changed != verb and _second_verb(rest):
        return None
    return f"{subject}{adverb} {changed}"


def _conjugated(verb: str) -> str | None:
    if (
        verb in _MODALS
        or verb in PAST
        or (len(verb) > 4 and verb.endswith("ed") and verb not in ("need", "speed"))
    ):
        return verb
    if verb not in _BASE:
        return None
    if verb.endswith(("s", "sh", "ch", "x", "z", "o")):
        return f"{verb}es"
    return f"{verb[:-1]}ies" if verb.endswith("y") and verb[-2] not in "aeiou" else f"{verb}s"


def _second_verb(rest: str) -> bool:
    """Another verb of the same subject ("and sell …") would have to change too."""
    return any(
        match[1] in _BASE
        for match in re.finditer(r"(?:,| and| or| but| then) (?:also |then )?([a-z]+)", rest[:300])
    )


# Words that may begin a statement without being a name, so that they become small inside a sentence.
_SMALL_WORDS = """
    a an the on in since by at from after before during until between within with last this today half
    each every one two three four five six seven eight nine ten its more most for
"""
_SMALL = frozenset(_SMALL_WORDS.split())


def as_clause(statement: str) -> str:
    """A statement for use after "I saw that": small first letter unless it begins with a name."""
    first = statement.split(" ", 1)[0].rstrip(",")
    return statement[0].lower() + statement[1:] if first.lower() in _SMALL else statement


def addressed(statement: str, name: str) -> str | None:
    """A statement about somebody as one says it to them: "you wrote …", "your team …". None when that is not certain.

    The statement must begin with the name and name the person once.
    """
    if not statement.startswith(name) or statement.count(name) > 1:
        return None
    rest = statement[len(name) :]
    if rest.startswith(("’s ", "'s ")):
        return f"your{rest[2:]}"
    match = re.match(
        r" (?P<adverb>(?:still|also|now|always|never|currently|formerly|previously|once) )?(?P<verb>[a-z]+)\b",
        rest,
    )
    if not match or re.search(r"\b(?:he|she|his|her|him|himself|herself)\b", rest.split("“")[0]):
        return None
    verb = {"is": "are", "was": "were", "has": "have", "does": "do"}.get(match["verb"]) or _base_of(
        match["verb"]
    )
    # A second verb would have to change as well ("runs the shop and writes …").
    later = re.findall(r"[a-z]+", rest[match.end() :].split("“")[0])
    if verb is None or (verb != match["verb"] and any(is_present_form(word) for word in later)):
        return None
    return f"you {match['adverb'] or ''}{verb}{rest[match.end() :]}"


def _base_of(verb: str) -> str | None:
    """A verb as it follows "you": past forms as they are, "runs" as "run"; None for a word that is not known."""
    if verb in PAST or verb in _MODALS or re.fullmatch(r"[a-z]{3,}ed", verb):
        return verb
    return next(
        (
            base
            for base in (verb[:-1], verb[:-2], verb[:-3] + "y")
            if base in _BASE and _conjugated(base) == verb
        ),
        None,
    )
