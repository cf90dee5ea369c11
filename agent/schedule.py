"""When the agent works: days and hours on its own wall clock (seed 002, section 12.6).

The seed took the weekday from the server's clock and the hours from the schedule's, and knew no hours over midnight.
"""

from __future__ import annotations

from datetime import datetime, time
from zoneinfo import ZoneInfo

from agent.models import AgentConfig
from campaigns.windows import WEEKDAYS, Window, next_opening, zone_of


def is_open(config: AgentConfig, moment: datetime) -> bool:
    """Whether the agent works at this moment."""
    return not config.schedule_enabled or any(window.is_open(moment) for window in _windows(config))


def opens_at(config: AgentConfig, moment: datetime) -> datetime | None:
    """The first instant at or after `moment` at which it works, in UTC; None when no day is chosen."""
    if not config.schedule_enabled:
        return moment
    return min((next_opening(moment, window) for window in _windows(config)), default=None)


def describe(config: AgentConfig) -> str:
    """The hours in words: "monday to friday"-like lists are left to the page."""
    start, end = config.schedule_start_time, config.schedule_end_time
    return f"{start:%H:%M}-{end:%H:%M} ({config.schedule_timezone})"


def _windows(config: AgentConfig) -> list[Window]:
    """One window a day; hours over midnight are two, the second on the day after; equal hours are the whole day."""
    zone: ZoneInfo = zone_of(config.schedule_timezone)
    days = frozenset(config.schedule_days)
    start, end = config.schedule_start_time, config.schedule_end_time
    if not days:
        return []
    if start < end:
        return [Window(days, start, end, zone)]
    late = Window(days, start, time.max, zone)
    after = frozenset(WEEKDAYS[(WEEKDAYS.index(day) + 1) % 7] for day in days)
    return [late, Window(after, time(), end, zone)] if end > time() else [late]
