"""The only clock of application code, so that tests and rehearsals can travel in time."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta

from django.utils import timezone

_offset: ContextVar[timedelta] = ContextVar("clock_offset", default=timedelta())


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return timezone.now() + _offset.get()


@contextmanager
def travel(by: timedelta) -> Iterator[None]:
    """Shift `now()` by a duration inside the block, for this thread or task only."""
    token = _offset.set(_offset.get() + by)
    try:
        yield
    finally:
        _offset.reset(token)
