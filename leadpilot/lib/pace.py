"""How long things wait: leases, back-offs, intervals. Production's figures, which only a fault campaign may shorten.

`LEADPILOT_PACE="claim_lease=3;sweep=1"` is read only when `LEADPILOT_FAULT_TESTS=1` is set too, as failpoints are, so
that no forgotten variable can make a real installation hurry.
"""

from __future__ import annotations

import os
from datetime import timedelta


def parse(text: str) -> dict[str, float]:
    """The asked figures, in seconds by name. Raises ValueError for anything that is not NAME=NUMBER above zero."""
    asked: dict[str, float] = {}
    for entry in filter(None, (part.strip() for part in text.split(";"))):
        name, _, figure = entry.partition("=")
        if not name or float(figure) <= 0:
            raise ValueError(f"{entry!r} is not NAME=SECONDS")
        asked[name] = float(figure)
    return asked


def _from_environment() -> dict[str, float]:
    if os.environ.get("LEADPILOT_FAULT_TESTS") != "1":
        return {}
    return parse(os.environ.get("LEADPILOT_PACE", ""))


_asked = _from_environment()


def seconds(name: str, usual: float) -> float:
    """The wait called `name`: `usual` seconds, or what a fault campaign asked for."""
    return _asked.get(name, usual)


def time(name: str, usual: timedelta) -> timedelta:
    """The same as a duration."""
    return timedelta(seconds=seconds(name, usual.total_seconds()))
