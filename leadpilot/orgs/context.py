"""What the shell around every page needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest

# Apps above register counters for the navigation: name → function of the organization.
NAVIGATION_COUNTERS: dict[str, Callable[[Any], int]] = {}


def register_counter(name: str, count: Callable[[Any], int]) -> None:
    """Show a number beside a navigation entry; `name` is used by the template (`counts.approvals`)."""
    NAVIGATION_COUNTERS[name] = count


class _Counts:
    """Counts on demand: a page without navigation asks nothing."""

    def __init__(self, org: Any) -> None:
        self._org = org

    def __getitem__(self, name: str) -> int:
        return NAVIGATION_COUNTERS[name](self._org) if name in NAVIGATION_COUNTERS else 0


def shell(request: HttpRequest) -> dict[str, Any]:
    """`org`, `membership`, `counts`, `debug` for every template."""
    org = getattr(request, "org", None)
    return {
        "org": org,
        "membership": getattr(request, "membership", None),
        "counts": _Counts(org) if org else {},
        "debug": settings.DEBUG,
    }
