"""Reading a little ahead: rows are read and checked while the database writes those before."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
WAITING = (
    2  # one is slow to make, another slow to use: with a second in hand neither side waits for the other
)
SWITCH = 0.0005  # seconds; Python's own 5 ms is more than most of an import's statements take


@contextmanager
def ahead(items: Iterable[T]) -> Iterator[Iterator[T]]:
    """The same items in the same order, made in a thread while those before are used; at most `WAITING` wait.

    What making one raises is raised where it would have been used. The thread ends with the block, whatever is left; it
    must not need the database. Whoever comes back from there gets its turn in the interpreter soon (`SWITCH`).
    """
    source = iter(items)
    end = object()

    def used() -> Iterator[T]:
        coming = deque(maker.submit(next, source, end) for _ in range(WAITING))
        while (item := coming.popleft().result()) is not end:
            coming.append(maker.submit(next, source, end))
            yield item  # type: ignore[misc]

    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH)
    try:
        with ThreadPoolExecutor(1, thread_name_prefix="import-ahead") as maker:
            yield used()
    finally:
        sys.setswitchinterval(before)
