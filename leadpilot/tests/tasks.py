"""Jobs for the tests of the queue."""

from __future__ import annotations

from datetime import datetime
from typing import Any

REMEMBERED: list[tuple[Any, ...]] = []
BORN = datetime(2026, 1, 1)  # an imported name, which is no job


def remember(*args: Any) -> None:
    """Note with what it was called."""
    REMEMBERED.append(args)


def _hidden() -> None:
    """No job: its name says so."""
