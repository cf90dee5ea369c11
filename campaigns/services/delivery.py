"""The drain of one mailbox: claims in batches, over one connection."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from django.db.models import F

from campaigns.models import Mailbox
from campaigns.services import ledger, outcomes
from campaigns.services.batches import Batch
from campaigns.services.line import Line, surely
from campaigns.services.polling import CANNOT_OPEN
from campaigns.smtp import ConnectFailed, Limits, Server
from leadpilot.lib import clock, pace
from leadpilot.lib.encryption import DecryptionError
from leadpilot.orgs.tenancy import org_context

BATCH = 100  # the most that is claimed at once
FIRST_BATCH = 25
QUICK = 1.0  # seconds; a batch that took no longer may be twice as large next time
BUDGET = pace.seconds(
    "drain_budget", 50
)  # in which new mails are begun; the last may take its own time after that
SHORT_WAIT = 3.0  # seconds of spacing that are slept; longer ones are left to the next wake-up
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
    line = Line(server, limits or Limits())
    try:
        _work(mailbox, line, done, time.monotonic() + budget, batch)
    finally:
        line.hang_up()
    return done


def _work(mailbox: Mailbox, line: Line, done: Drained, until: float, most: int) -> None:
    """Batch after batch. They grow while they are quick: what is claimed should not wait long for its turn."""
    owner, size = ledger.new_owner(), min(FIRST_BATCH, most)
    while time.monotonic() < until and not done.problem:
        began = time.monotonic()
        claims = ledger.claim_batch(org_id=mailbox.org_id, mailbox_id=mailbox.pk, owner=owner, limit=size)
        if claims:
            _send(Batch(claims, line, done.add), until, done, mailbox)
        elif not _wait_a_little(mailbox.org_id, mailbox.pk, until):
            return
        size = min(most, 2 * size) if time.monotonic() - began < QUICK else min(FIRST_BATCH, most)


def _send(batch: Batch, until: float, done: Drained, mailbox: Mailbox) -> None:
    batch.send(until)
    if (trouble := batch.trouble) is not None:
        done.problem = str(trouble)
        surely(lambda: mailbox_trouble(org_id=mailbox.org_id, mailbox_id=mailbox.pk, error=trouble))


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


def mailbox_trouble(*, org_id: UUID, mailbox_id: UUID, error: ConnectFailed) -> None:
    """No connection: the mailbox is paused when only a person can mend it, else it rests, longer each time."""
    with org_context(org_id):
        row = Mailbox.objects.for_org(org_id).filter(pk=mailbox_id)
        row.update(send_failures=F("send_failures") + 1)
        failures = row.values_list("send_failures", flat=True).first() or 1
        row.update(next_send_at=clock.now() + min(ledger.back_off(failures), timedelta(hours=1)))
        if error.kind in _AT_ONCE or (error.permanent and failures >= 3) or failures >= 10:
            outcomes.mailbox_at_fault(org_id=org_id, mailbox_id=mailbox_id, said=str(error))
