"""When a mail may leave: sending windows, working days and local days, in people's own time zones."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
SPREAD = timedelta(hours=2)
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Window:
    """Days of the week and a time of day [start, end), on the wall clock of `zone`."""

    days: frozenset[str]
    start: time
    end: time
    zone: ZoneInfo

    def is_open(self, moment: datetime) -> bool:
        """Whether `moment` lies in the window, by the wall clock."""
        local = moment.astimezone(self.zone)
        return WEEKDAYS[local.weekday()] in self.days and self.start <= local.time() < self.end


def zone_of(*names: str) -> ZoneInfo:
    """The first of some time zone names that exists; UTC when none does."""
    for name in names:
        if not name:
            continue
        try:
            return ZoneInfo(name)
        except (KeyError, ValueError, OSError):  # ValueError: "../etc"; OSError: the name of a directory
            continue
    return ZoneInfo("UTC")


def window_for(campaign: Any, lead: Any, org: Any) -> Window:
    """The campaign's window in the lead's own time zone, or the organization's when that is not known."""
    return Window(
        days=frozenset(campaign.window_days),
        start=campaign.window_start,
        end=campaign.window_end,
        zone=zone_of(lead.time_zone, org.time_zone),
    )


def closing(moment: datetime, window: Window) -> datetime:
    """When the window that is open at `moment` closes, in UTC."""
    day = moment.astimezone(window.zone).date()
    return datetime.combine(day, window.end, window.zone).astimezone(UTC)


def next_opening(moment: datetime, window: Window) -> datetime:
    """The first instant at or after `moment` at which the window is open, in UTC.

    Right over changes of summer time: a start that the clocks skip becomes the first minute after the gap.
    Raises ValueError for a window without days.
    """
    if window.is_open(moment):
        return moment.astimezone(UTC)
    first = moment.astimezone(window.zone).date()
    for offset in range(15):
        day = first + timedelta(days=offset)
        if WEEKDAYS[day.weekday()] not in window.days:
            continue
        opening = _opening(day, window)
        if opening is not None and opening >= moment:
            return opening
    raise ValueError("A sending window needs at least one day.")


def _opening(day: date, window: Window) -> datetime | None:
    start = datetime.combine(day, window.start, window.zone)
    candidate = start.astimezone(UTC)
    if candidate.astimezone(window.zone).time() == window.start:
        return candidate
    # The clocks jump over the start: walk from before the gap to the first minute that is in the window.
    candidate = start.replace(fold=1).astimezone(UTC).replace(second=0, microsecond=0)
    for _ in range(180):
        if window.is_open(candidate):
            return candidate
        candidate += _MINUTE
    return None  # the whole window fell into the gap


def add_working_days(moment: datetime, days: int, window: Window) -> datetime:
    """`days` working days (days of the window) later at the same time on the wall clock, moved into the window."""
    local = moment.astimezone(window.zone)
    day = local.date()
    left = days if window.days else 0
    while left > 0:
        day += timedelta(days=1)
        if WEEKDAYS[day.weekday()] in window.days:
            left -= 1
    later = datetime.combine(day, local.time(), window.zone).astimezone(UTC)
    return next_opening(max(later, moment.astimezone(UTC)), window)


def spread(opening: datetime, window: Window, key: str, most: timedelta = SPREAD) -> datetime:
    """`opening` plus a delay that is the same for the same key, at most `most`, and never past the window's end."""
    local = opening.astimezone(window.zone)
    end = datetime.combine(local.date(), window.end, window.zone).astimezone(UTC)
    room = min(most, end - opening.astimezone(UTC) - _MINUTE)
    if room <= timedelta():
        return opening
    later = opening + room * fraction(key)
    return later if window.is_open(later) else opening


def fraction(key: str) -> float:
    """A number in [0, 1) that a key always gives."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:6], "big") / 2**48


def local_day(moment: datetime, zone: ZoneInfo) -> str:
    """The date on the wall clock, as 2026-11-21: the period of daily caps."""
    return moment.astimezone(zone).date().isoformat()


def next_midnight(moment: datetime, zone: ZoneInfo) -> datetime:
    """When the local day after that of `moment` begins, in UTC."""
    day = moment.astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(day, time(), zone).astimezone(UTC)
