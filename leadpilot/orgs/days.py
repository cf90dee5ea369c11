"""An organization's own day."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from leadpilot.lib import clock
from leadpilot.orgs.models import Organization

TODAY = "today"  # the one value of filters by day


def start_of_day(org: Organization) -> datetime:
    """The midnight with which the organization's present day began, aware."""
    return clock.now().astimezone(ZoneInfo(org.time_zone)).replace(hour=0, minute=0, second=0, microsecond=0)
