"""Sites read in this process a moment ago, so that colleagues researched at the same time cost one visit."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from leads.research.visit import ReadPage

_SECONDS = 60.0
_MOST = 50
_pages: OrderedDict[tuple[UUID, str], tuple[float, list[ReadPage]]] = OrderedDict()
_locks: dict[tuple[UUID, str], threading.Lock] = {}
_guard = threading.Lock()


@contextmanager
def one_at_a_time(org_id: UUID, site: str, until: float) -> Iterator[None]:
    """Hold a site of an organization; whoever comes second waits, at most half of the time until `until`."""
    with _guard:
        if len(_locks) > 5000:
            _locks.clear()
        lock = _locks.setdefault((org_id, site), threading.Lock())
    held = lock.acquire(timeout=max(0.0, (until - time.monotonic()) / 2))
    try:
        yield
    finally:
        if held:
            lock.release()


def pages_of(org_id: UUID, site: str, wanted: int) -> list[ReadPage]:
    """The pages read within the last minute, if at least as many were asked for; failures included."""
    with _guard:
        read_at, pages = _pages.get((org_id, site), (0.0, []))
    fresh = time.monotonic() - read_at < _SECONDS
    return pages if fresh and pages and max(page.asked for page in pages) >= wanted else []


def remember(org_id: UUID, site: str, pages: list[ReadPage]) -> None:
    """Keep what was read for a minute."""
    with _guard:
        _pages[(org_id, site)] = (time.monotonic(), pages)
        _pages.move_to_end((org_id, site))
        while len(_pages) > _MOST:
            _pages.popitem(last=False)


def forget() -> None:
    """Drop everything."""
    with _guard:
        _pages.clear()
