"""Keeping leases alive while handlers work."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self
from uuid import UUID

from django.db import connection

from agent.engine import claims
from agent.engine.registry import ClaimedTask

log = logging.getLogger(__name__)
LOOK_SECONDS = 1.0


class Keeper:
    """One thread a drain: renews the leases of what it holds, three times a lease, and looks every second whether the
    organization was stopped, so that long work can end. It has a connection of its own and leaves what was dropped."""

    def __init__(self, org_id: UUID, owner: str) -> None:
        self._org_id, self._owner = org_id, owner
        self._held: dict[UUID, ClaimedTask] = {}
        self._guard = threading.Lock()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def hold(self, tasks: Sequence[ClaimedTask]) -> None:
        """Look after these from now on."""
        with self._guard:
            self._held.update((task.id, task) for task in tasks)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="lease-keeper", daemon=True)
            self._thread.start()

    def drop(self, tasks: Sequence[ClaimedTask]) -> None:
        """Look after these no more."""
        with self._guard:
            for task in tasks:
                self._held.pop(task.id, None)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def _run(self) -> None:
        renewed = time.monotonic()
        try:
            while not self._over.wait(min(LOOK_SECONDS, claims.LEASE_SECONDS / 3)):
                with self._guard:
                    held = dict(self._held)
                try:
                    if held and time.monotonic() - renewed >= claims.LEASE_SECONDS / 3:
                        self._renew(held)
                        renewed = time.monotonic()
                    self._look(held)
                except (
                    Exception
                ) as error:  # the next look may find the database again; if none does, the lease runs out
                    log.warning("Leases could not be renewed: %s", error)
                    connection.close()
        finally:
            connection.close()

    def _renew(self, held: dict[UUID, ClaimedTask]) -> None:
        lost = held.keys() - claims.renew(self._org_id, self._owner, held)
        for task_id in lost:
            held[task_id].stopping.set()

    def _look(self, held: dict[UUID, ClaimedTask]) -> None:
        acting = [task for task in held.values() if task.acts]
        if acting and not claims.may_act(self._org_id):
            for task in acting:
                task.stopping.set()
