"""Where the next tasks of one drain come from."""

from __future__ import annotations

import time
from uuid import UUID

from agent.engine import claims
from agent.engine.registry import ClaimedTask

FROM_THE_TOP_SECONDS = 1.0


class Feed:
    """Claims batch after batch from where the last one ended: the queue's index begins with what was done lately, and
    walking over that at each claim costs more the longer the queue was. Once a second it looks from the top again, so
    that urgent tasks are found."""

    def __init__(self, org_id: UUID, owner: str) -> None:
        self._org_id, self._owner = org_id, owner
        self._last: ClaimedTask | None = None
        self._top_at = 0.0

    def next(self, size: int) -> list[ClaimedTask]:
        """Up to `size` tasks; none when nothing is due."""
        if self._last is not None and time.monotonic() < self._top_at:
            batch = claims.claim(self._org_id, self._owner, size, after=self._last)
            if batch:
                self._remember(batch)
                return batch
        batch = claims.claim(self._org_id, self._owner, size)
        self._top_at = time.monotonic() + FROM_THE_TOP_SECONDS
        self._last = None
        self._remember(batch)
        return batch

    def _remember(self, batch: list[ClaimedTask]) -> None:
        if batch and batch[-1].attempt == 1:
            self._last = batch[-1]
