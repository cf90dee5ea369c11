"""Rings the dispatcher of recurring jobs every five seconds. Needs no Django and holds one connection."""

from __future__ import annotations

import threading
from typing import Any

import psycopg

from leadpilot.lib import doorbell, pace
from leadpilot.run.output import say

DISPATCHER = "leadpilot.schedules.dispatch"
EVERY = pace.seconds("tick", 5)


class Ticker(threading.Thread):
    """A thread that rings until told to stop; a database that is away is waited for."""

    def __init__(self, url: str, every: float = EVERY) -> None:
        super().__init__(name="ticker", daemon=True)
        self.url = url
        self.every = every
        self.stopped = threading.Event()
        self.connection: psycopg.Connection[Any] | None = None
        self.quiet = False

    def run(self) -> None:
        while True:
            self.tick()
            if self.stopped.wait(self.every):
                break
        self._close()

    def tick(self) -> bool:
        """Ring once; False when the database could not be reached (said once, not every time)."""
        try:
            if self.connection is None:
                limit = "-c statement_timeout=5000"
                self.connection = psycopg.connect(self.url, autocommit=True, connect_timeout=5, options=limit)
            with self.connection.cursor() as cursor:
                doorbell.ring(cursor, DISPATCHER)
        except psycopg.Error as error:
            if not self.quiet:
                say(f"cannot ring the workers: {str(error).strip()}", "ticker")
            self.quiet = True
            self._close()
            return False
        self.quiet = False
        return True

    def _close(self) -> None:
        if self.connection is not None:
            self.connection.close()
        self.connection = None
