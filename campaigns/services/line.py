"""The connection of a drain, and the outcomes that have to be written down whatever happens to the database."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connections

from campaigns.services import ledger
from campaigns.smtp import Connection, Limits, Outcome, Result, Server

log = logging.getLogger(__name__)
T = TypeVar("T")

RECHECK_AFTER = (
    1.0  # seconds since the last look after which the world is looked at again before the last dot
)
PATIENCE = 30.0  # seconds to wait for a database that is away, when an outcome has to be written down
AWAY = (OperationalError, InterfaceError)


class Line:
    """Opened when the first intent is committed, and again when the server ended it."""

    def __init__(self, server: Server, limits: Limits) -> None:
        self.server, self.limits = server, limits
        self.connection: Connection | None = None

    def send(self, claim: ledger.Claim, looked_at: float) -> Result:
        """Hand over one mail. Raises ConnectFailed when there is no connection; then nothing was sent.

        `looked_at` (monotonic) is when the world was last seen to allow it, before the intent. Connecting takes time too.
        """
        before = self.connection
        reused = before is not None and before.usable and before.delivered > 0
        result = self._try(claim, looked_at)
        gone = self.connection is not None and not self.connection.usable
        early = result.phase in ("mail", "rset") and result.outcome in (Outcome.RETRY, Outcome.DEFERRED)
        if reused and gone and early:
            # Servers end a connection after some mails or minutes: nothing was sent, so a new one may try at once.
            result = self._try(claim, looked_at)
        return result

    def _try(self, claim: ledger.Claim, looked_at: float) -> Result:
        if self.connection is None or not self.connection.usable:
            self.connection = Connection(self.server, self.limits)
            self.connection.open()

        def before_dot() -> bool:
            return time.monotonic() - looked_at < RECHECK_AFTER or ledger.may_still_go(claim)

        return self.connection.deliver(claim.mail_from, claim.rcpt_to, claim.raw, before_dot)

    def hang_up(self) -> None:
        """Say goodbye if there is someone to say it to."""
        if self.connection is not None:
            self.connection.quit()


def surely(write: Callable[[], T]) -> T:
    """Run a write again while the database is away, for up to PATIENCE seconds; fences make repeating harmless."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return write()
        except AWAY as error:
            if time.monotonic() > until:
                raise
            log.warning("An outcome waits for the database: %s", error)
            connections["default"].close()
            time.sleep(0.5)
