"""The drain of one mailbox: claims in batches, one connection, each mail begun, sent and finished by itself."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

from django.db import InterfaceError, OperationalError, connections
from django.db.models import F

from campaigns.models import Mailbox
from campaigns.services import ledger, outcomes
from campaigns.services.polling import CANNOT_OPEN
from campaigns.smtp import ConnectFailed, Connection, Limits, Outcome, Result, Server
from leadpilot.lib import clock, pace
from leadpilot.lib.encryption import DecryptionError
from leadpilot.orgs.tenancy import org_context

log = logging.getLogger(__name__)
T = TypeVar("T")

BATCH = 50
# In this time new mails are begun; the last one may take its own time after that.
BUDGET = pace.seconds("drain_budget", 50)
SHORT_WAIT = 3.0  # seconds of spacing that are slept; longer ones are left to the next wake-up
RECHECK_AFTER = (
    1.0  # seconds since the last look after which the world is looked at again before the last dot
)
PATIENCE = 30.0  # seconds to wait for a database that is away, when an outcome has to be written down
_AT_ONCE = ("password", "refused", "tls")


@dataclass
class Drained:
    """What one drain did: statuses and how many messages reached each."""

    counts: dict[str, int] = field(default_factory=dict)
    problem: str = ""

    def add(self, status: str) -> None:
        """Count one message that was tried."""
        self.counts[status] = self.counts.get(status, 0) + 1


def server_of(mailbox: Mailbox) -> Server:
    """Where a mailbox sends. Raises DecryptionError when its password does not open."""
    return Server(
        host=mailbox.smtp_host,
        port=mailbox.smtp_port,
        security=mailbox.smtp_security,
        username=mailbox.smtp_username,
        password=mailbox.read_secret("smtp_password") if mailbox.smtp_username else "",
        helo=mailbox.email.rpartition("@")[2],
    )


def drain(
    *,
    org_id: UUID,
    mailbox_id: UUID,
    budget: float = BUDGET,
    limits: Limits | None = None,
    batch: int = BATCH,
) -> Drained:
    """Send what is due from a mailbox until nothing is, or `budget` seconds are over. Outside of any transaction."""
    done = Drained()
    with org_context(org_id):
        mailbox = Mailbox.objects.for_org(org_id).filter(pk=mailbox_id).first()
        if mailbox is None:
            return done
        try:
            server = server_of(mailbox)
        except DecryptionError:
            outcomes.mailbox_at_fault(org_id=org_id, mailbox_id=mailbox_id, said=CANNOT_OPEN)
            done.problem = CANNOT_OPEN
            return done
    line = _Line(server, limits or Limits())
    until = time.monotonic() + budget
    owner = ledger.new_owner()
    try:
        while time.monotonic() < until and not done.problem:
            claims = ledger.claim_batch(org_id=org_id, mailbox_id=mailbox_id, owner=owner, limit=batch)
            if claims:
                _send_all(claims, line, done, until)
            elif not _wait_a_little(org_id, mailbox_id, until):
                break
    finally:
        line.hang_up()
    return done


def _wait_a_little(org_id: UUID, mailbox_id: UUID, until: float) -> bool:
    """Sleep through a short spacing; False when there is nothing to wait for."""
    with org_context(org_id):
        now = clock.now()
        row = Mailbox.objects.for_org(org_id).filter(pk=mailbox_id, next_send_at__gt=now)
        at = row.values_list("next_send_at", flat=True).first()
    wait = (at - now).total_seconds() if at else 0
    if not 0 < wait <= min(SHORT_WAIT, until - time.monotonic()):
        return False
    time.sleep(wait)
    return True


class _Line:
    """The connection of a drain, opened when the first intent is committed and again when the server ended it."""

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
        refused_late = result.outcome in (Outcome.RETRY, Outcome.DEFERRED) and result.phase in (
            "mail",
            "rset",
        )
        if reused and gone and refused_late:
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


def _send_all(claims: list[ledger.Claim], line: _Line, done: Drained, until: float) -> None:
    """Each claim in turn; what is not begun goes back into the queue."""
    waiting = list(claims)
    try:
        while waiting and time.monotonic() < until:
            claim, looked_at = waiting.pop(0), time.monotonic()
            if _begun(claim) and not _send(claim, line, done, looked_at):
                return
    finally:
        if waiting:
            _surely(lambda: _release(waiting))


def _release(claims: list[ledger.Claim]) -> None:
    with org_context(claims[0].org_id):
        ledger.release(claims)


def _begun(claim: ledger.Claim) -> bool:
    """Commit the intent. If the database is lost just then, nothing has been sent whatever it remembers."""
    try:
        return ledger.begin(claim)
    except (OperationalError, InterfaceError) as error:
        log.warning("The intent for %s could not be written: %s", claim.message_id, error)
        not_sent = Result(Outcome.RETRY, "intent", text="the database was away")
        _surely(lambda: _take_back(claim, not_sent))
        return False


def _take_back(claim: ledger.Claim, not_sent: Result) -> None:
    """Whether the intent was committed or not: the message goes back into the queue."""
    if not ledger.finish(claim, not_sent):
        _release([claim])


def _send(claim: ledger.Claim, line: _Line, done: Drained, looked_at: float) -> bool:
    """One mail, its outcome on record. False when the mailbox has no connection and the drain should end."""
    try:
        result = line.send(claim, looked_at)
    except ConnectFailed as error:
        trouble = error
        failed = Result(Outcome.RETRY, error.phase, error.code, str(error))
        done.problem = str(error)
        done.add(_surely(lambda: ledger.finish(claim, failed)))
        _surely(lambda: mailbox_trouble(org_id=claim.org_id, mailbox_id=claim.mailbox_id, error=trouble))
        return False
    done.add(_surely(lambda: ledger.finish(claim, result)))
    return True


def _surely(write: Callable[[], T]) -> T:
    """Run a write again while the database is away, for up to PATIENCE seconds; fences make repeating harmless."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return write()
        except (OperationalError, InterfaceError) as error:
            if time.monotonic() > until:
                raise
            log.warning("An outcome waits for the database: %s", error)
            connections["default"].close()
            time.sleep(0.5)


def mailbox_trouble(*, org_id: UUID, mailbox_id: UUID, error: ConnectFailed) -> None:
    """No connection: the mailbox is paused when only a person can mend it, else it rests, longer each time."""
    with org_context(org_id):
        row = Mailbox.objects.for_org(org_id).filter(pk=mailbox_id)
        row.update(send_failures=F("send_failures") + 1)
        failures = row.values_list("send_failures", flat=True).first() or 1
        row.update(next_send_at=clock.now() + min(ledger.back_off(failures), timedelta(hours=1)))
        if error.kind in _AT_ONCE or (error.permanent and failures >= 3) or failures >= 10:
            outcomes.mailbox_at_fault(org_id=org_id, mailbox_id=mailbox_id, said=str(error))
