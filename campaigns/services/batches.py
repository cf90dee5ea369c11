"""One batch of a drain: each mail begun, sent and finished by itself, in turn.

The outcome of an accepted mail is written down together with the intent of the next one: one transaction a mail.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable

from campaigns.services import ledger
from campaigns.services.line import AWAY, Line, surely
from campaigns.smtp import ConnectFailed, Outcome, Result
from leadpilot.orgs.tenancy import org_context

log = logging.getLogger(__name__)
_NOT_SENT = Result(Outcome.RETRY, "intent", text="the database was away")


class Batch:
    """Claims that are sent until all are, the time is up, or the mailbox has no connection (`trouble`).

    `tell` hears the status of each message that was tried.
    """

    def __init__(self, claims: list[ledger.Claim], line: Line, tell: Callable[[str], None]) -> None:
        self._waiting, self._line, self._tell = deque(claims), line, tell
        self._accepted: tuple[ledger.Claim, Result] | None = None
        self.trouble: ConnectFailed | None = None

    def send(self, until: float) -> None:
        """Work until `until` (monotonic). What was not begun goes back into the queue."""
        try:
            while self._waiting and self.trouble is None and time.monotonic() < until:
                claim, looked_at = self._waiting.popleft(), time.monotonic()
                if self._begun(claim):
                    self._converse(claim, looked_at)
        finally:
            self._write_accepted()
            if self._waiting:
                surely(lambda: _release(list(self._waiting)))

    def _begun(self, claim: ledger.Claim) -> bool:
        """Commit the intent. If the database is lost just then, nothing has been sent whatever it remembers."""
        try:
            if self._accepted is None:
                return ledger.begin(claim)
            status, begun = ledger.hand_over(*self._accepted, claim)
        except AWAY as error:
            log.warning("The intent for %s could not be written: %s", claim.message_id, error)
            self._write_accepted()
            surely(lambda: _take_back(claim))
            return False
        self._accepted = None
        self._tell(status)
        return begun

    def _converse(self, claim: ledger.Claim, looked_at: float) -> None:
        try:
            result = self._line.send(claim, looked_at)
        except ConnectFailed as error:
            self.trouble = error
            result = Result(Outcome.RETRY, error.phase, error.code, str(error))
        if result.outcome is Outcome.SENT:
            self._accepted = (claim, result)
        else:
            self._tell(surely(lambda: ledger.finish(claim, result)))

    def _write_accepted(self) -> None:
        if self._accepted is None:
            return
        claim, result = self._accepted
        self._tell(surely(lambda: ledger.finish(claim, result)))
        self._accepted = None


def _take_back(claim: ledger.Claim) -> None:
    """Whether the intent was committed or not: the message goes back into the queue."""
    if not ledger.finish(claim, _NOT_SENT):
        _release([claim])


def _release(claims: list[ledger.Claim]) -> None:
    with org_context(claims[0].org_id):
        ledger.release(claims)
