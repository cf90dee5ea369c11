"""The day somebody says they are back."""

from __future__ import annotations

import re
from datetime import date, timedelta

MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan januar janvier enero",
            "february feb februar février febrero",
            "march mar märz mars marzo",
            "april apr avril abril",
            "may mai mayo",
            "june jun juni juin junio",
            "july jul juli juillet julio",
            "august aug août agosto",
            "september sep sept septembre septiembre",
            "october oct oktober octobre octubre okt",
            "november nov novembre noviembre",
            "december dec dezember décembre diciembre dez",
        ),
        1,
    )
    for name in names.split()
}
DAYS = {
    name: number
    for number, names in enumerate(
        (
            "monday montag lundi lunes",
            "tuesday dienstag mardi martes",
            "wednesday mittwoch mercredi miércoles",
            "thursday donnerstag jeudi jueves",
            "friday freitag vendredi viernes",
            "saturday samstag samedi sábado",
            "sunday sonntag dimanche domingo",
        )
    )
    for name in names.split()
}
_MONTH = "|".join(sorted(MONTHS, key=len, reverse=True))
_DATES = (
    re.compile(r"\b(?P<y>20\d\d)-(?P<m>\d{1,2})-(?P<d>\d{1,2})\b"),
    re.compile(r"\b(?P<d>\d{1,2})\.\s?(?P<m>\d{1,2})\.(?P<y>20\d\d)?"),
    re.compile(
        rf"\b(?P<d>\d{{1,2}})(?:st|nd|rd|th|\.)?(?: of)? (?P<n>{_MONTH})\b\.?(?:,? (?P<y>20\d\d))?", re.I
    ),
    re.compile(rf"\b(?P<n>{_MONTH})\b\.? (?P<d>\d{{1,2}})(?:st|nd|rd|th)?\b(?:,? (?P<y>20\d\d))?", re.I),
)
_WEEKDAY = re.compile(
    rf"\b(?:back|return\w*|until|wieder|zurück|ab|bis)\b[^.\n]{{0,40}}?\b(?P<day>{'|'.join(DAYS)})\b", re.I
)
FARTHEST = timedelta(days=370)
RECENT = timedelta(days=120)  # a bare date this long ago is past, not next year's


def return_date(text: str, received: date) -> date | None:
    """The latest date in the text that is still to come within a year; a bare weekday counts when no date is named."""
    found = [day for day in _all_dates(text, received) if received <= day <= received + FARTHEST]
    if found:
        return max(found)
    if match := _WEEKDAY.search(text):
        ahead = (DAYS[match["day"].lower()] - received.weekday()) % 7 or 7
        return received + timedelta(days=ahead)
    return None


def _all_dates(text: str, received: date) -> list[date]:
    found = []
    for pattern in _DATES:
        for match in pattern.finditer(text):
            parts = match.groupdict()
            month = int(parts["m"]) if parts.get("m") else MONTHS[parts["n"].lower()]
            day = _named_day(parts.get("y"), month, int(parts["d"]), received)
            if day:
                found.append(day)
    return found


def _named_day(year: str | None, month: int, day: int, received: date) -> date | None:
    """The day meant: without a year the coming one, unless it has just been ("from 20 November to 2 January")."""
    if year:
        return _day(int(year), month, day)
    this_year = _day(received.year, month, day)
    if this_year is None or this_year >= received - RECENT:
        return this_year
    return _day(received.year + 1, month, day)


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
