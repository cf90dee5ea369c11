"""Keeping leases alive while handlers work."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self
from uuid import UUID

from django.db import connection

from agent.engine import claims
from agent.engine.registry import ClaimedTask

log = logging.getLogger(__name__)


class Keeper:
    """One thread a drain that renews everything it holds, three times a lease. It starts with the first wait that
    needs it, has a connection of its own and never touches a task that was dropped."""

    def __init__(self, org_id: UUID, owner: str) -> None:
        self._org_id, self._owner = org_id, owner
        self._held: set[UUID] = set()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def hold(self, tasks: Sequence[ClaimedTask]) -> None:
        """Renew these from now on."""
        self._held.update(task.id for task in tasks)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="lease-keeper", daemon=True)
            self._thread.start()

    def drop(self, tasks: Sequence[ClaimedTask]) -> None:
        """Renew these no more."""
        self._held.difference_update(task.id for task in tasks)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def _run(self) -> None:
        try:
            while not self._over.wait(claims.LEASE_SECONDS / 3):
                held = set(self._held)
                if held:
                    self._renew(held)
        finally:
            connection.close()

    def _renew(self, held: set[UUID]) -> None:
        try:
            self._held -= held - claims.renew(self._org_id, self._owner, held)
        except (
            Exception
        ) as error:  # the next beat may find the database again; if none does, the lease runs out
            log.warning("Leases could not be renewed: %s", error)
            connection.close()
