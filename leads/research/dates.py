"""Days written in words or figures, as web pages write them (English, German, French, Spanish, Dutch)."""

from __future__ import annotations

import re
from datetime import date

_NAMES = {
    1: "january januar janvier enero januari jan jän",
    2: "february februar février fevrier febrero februari feb",
    3: "march märz maerz mars marzo maart mar",
    4: "april avril abril apr",
    5: "may mai mayo mei",
    6: "june juni juin junio jun",
    7: "july juli juillet julio jul",
    8: "august août aout agosto augustus aug",
    9: "september septembre septiembre sept sep",
    10: "october oktober octobre octubre oct okt",
    11: "november novembre noviembre nov",
    12: "december dezember décembre decembre diciembre dec dez",
}
_MONTHS = {name: number for number, names in _NAMES.items() for name in names.split()}
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_ISO = re.compile(r"\b(?P<y>(?:19|20)\d\d)-(?P<m>\d\d)-(?P<d>\d\d)")
_DAY_FIRST = re.compile(
    rf"\b(?P<d>\d{{1,2}})(?:st|nd|rd|th|er|\.)?\s{{1,3}}(?:de\s)?(?P<m>{_MONTH})\b\.?,?\s{{1,3}}(?:de\s)?(?P<y>(?:19|20)\d\d)\b",
    re.IGNORECASE,
)
_MONTH_FIRST = re.compile(
    rf"\b(?P<m>{_MONTH})\b\.?\s{{1,3}}(?P<d>\d{{1,2}})(?:st|nd|rd|th)?,?\s{{1,3}}(?P<y>(?:19|20)\d\d)\b",
    re.IGNORECASE,
)
_DOTTED = re.compile(r"\b(?P<d>\d{1,2})\.(?P<m>\d{1,2})\.(?P<y>(?:19|20)\d\d)\b")


def find_date(text: str) -> date | None:
    """The first full day named in a text; None when none is, or when it is no day of the calendar."""
    patterns = (_ISO, _DAY_FIRST, _MONTH_FIRST, _DOTTED)
    matches = [match for pattern in patterns for match in pattern.finditer(text[:5000])]
    for match in sorted(matches, key=lambda m: m.start()):
        month = match["m"].lower()
        try:
            return date(int(match["y"]), _MONTHS.get(month) or int(month), int(match["d"]))
        except ValueError:
            continue
    return None


def in_words(day: date) -> str:
    """ "14 October 2026"."""
    return f"{day.day} {day:%B %Y}"
