"""Reading one batch ahead: rows are read and checked while the database writes those before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def ahead(items: Iterable[T]) -> Iterator[Iterator[T]]:
    """The same items in the same order, each made in a thread while its predecessor is used; at most one waits.

    What making one raises is raised where it would have been used. The thread ends with the block, whatever is left; it
    must not need the database.
    """
    source = iter(items)
    end = object()

    def used() -> Iterator[T]:
        coming = maker.submit(next, source, end)
        while (item := coming.result()) is not end:
            coming = maker.submit(next, source, end)
            yield item  # type: ignore[misc]

    with ThreadPoolExecutor(1, thread_name_prefix="import-ahead") as maker:
        yield used()
