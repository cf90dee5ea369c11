"""People named on a page: from structured data, and from lines where a name stands over or beside a role."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from leads.research.blocks import Block, clean

_TITLES = r"(?:(?:Dr|Prof|Mr|Mrs|Ms|Dipl|Ing|Dame|Sir)\.? )*"
_PART = r"(?:[A-ZÀ-ÖØ-ÞŁŚŠŽČĆ][\w'’.-]*|[a-z]{2,3}(?= ))"
_NAME = re.compile(rf"^{_TITLES}(?P<name>[A-ZÀ-ÖØ-ÞŁŚŠŽČĆ][\w'’.-]+(?: {_PART}){{1,4}})$")
_ROLE = re.compile(
    r"\b(?:chief|c[eotfm]o|cpo|ciso|founder|owner|partner|president|director|head|manager|lead|leader|vp|vice|officer|"
    r"engineer|developer|designer|architect|analyst|consultant|specialist|coordinator|assistant|accountant|counsel|"
    r"brewer|doctor|dentist|hygienist|professor|scientist|buyer|editor|sales|marketing|operations|support|"
    r"geschäftsführer\w*|leiter\w*|inhaber\w*|vorstand|prokurist\w*|vertrieb|einkauf|directeur|directrice|gérant\w*)\b",
    re.IGNORECASE,
)
_BYLINE = re.compile(
    rf"\b(?i:by|von|par|por|door) {_TITLES}(?P<name>[A-ZÀ-ÖØ-Þ][\w'’.-]+(?: {_PART}){{1,3}})"
)
_IN_BRACKETS = re.compile(
    rf"(?:\(|[·•|–—] ?){_TITLES}(?P<name>[A-ZÀ-ÖØ-Þ][\w'’.-]+(?: {_PART}){{1,3}})\)?\s*$"
)
_NOT_NAMES = re.compile(
    r"\b(?:our|the|we|about|contact|team|news|privacy|policy|read|more|learn|home|open|positions?|new|get|started|"
    r"services?|products?|solutions?|customers?|careers?|inc|ltd|gmbh|llc)\b",
    re.IGNORECASE,
)


@dataclass
class Person:
    """Somebody named on a page, with role and a few words about them; all of it as it stands there."""

    name: str
    role: str = ""
    about: str = ""


def plain_name(name: str) -> str:
    """A name without academic and other titles in front."""
    return re.sub(rf"^{_TITLES}", "", name.strip())


def looks_like_name(text: str) -> bool:
    """Two to five capitalised words without figures that are no menu entry."""
    return len(text) <= 60 and bool(_NAME.match(text)) and not _NOT_NAMES.search(text)


def looks_like_role(text: str) -> bool:
    """A short line without a full stop that names a job."""
    return 2 <= len(text) <= 80 and not re.search(r"[\"“”„:!?]|\.$", text) and bool(_ROLE.search(text))


def from_json_ld(thing: dict[str, Any]) -> Person | None:
    """A schema.org Person; None without a proper name."""
    name, role, about = (thing.get(key) for key in ("name", "jobTitle", "description"))
    if not isinstance(name, str) or not looks_like_name(clean(name)):
        return None
    return Person(
        clean(name),
        clean(role)[:200] if isinstance(role, str) else "",
        clean(about)[:1000] if isinstance(about, str) else "",
    )


def on_page(blocks: list[Block]) -> list[Person]:
    """People from neighbouring lines: name, role, words about them; or "Name, role" in one line."""
    found: list[Person] = []
    for index, block in enumerate(blocks):
        name, comma, role = block.text.partition(", ")
        following = [b.text for b in blocks[index + 1 : index + 3]]
        if comma and looks_like_name(name) and looks_like_role(role):
            found.append(Person(name, role, _about(following[:1])))
        elif looks_like_name(block.text) and following and looks_like_role(following[0]):
            found.append(Person(block.text, following[0], _about(following[1:])))
    return found[:60]


def merge(first: list[Person], second: list[Person]) -> list[Person]:
    """Both lists, each name once; the first list's words win, empty ones are filled from the second."""
    known = {plain_name(person.name).casefold(): person for person in first}
    for person in second:
        have = known.setdefault(plain_name(person.name).casefold(), person)
        have.role = have.role or person.role
        have.about = have.about or person.about
    return list(known.values())[:60]


def byline(text: str) -> str:
    """The author in "By Ada Lovelace, 14 October 2026", "(Ada Lovelace)" or "… · Ada Lovelace"; else nothing."""
    match = _BYLINE.search(text[:200]) or _IN_BRACKETS.search(text[:200])
    return plain_name(match["name"].strip(" ,.")) if match else ""


def _about(lines: list[str]) -> str:
    return lines[0][:1000] if lines and len(lines[0].split()) > 3 and not looks_like_name(lines[0]) else ""
