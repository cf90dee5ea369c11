"""After a restore nothing leaves until each mailbox's Sent folder was compared with the restored rows (TRUST F18).

The lock is a row a mailbox and a check among those of `campaigns.clearance`. Stop is pressed for every organization, too,
but Start lifts only that.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import F

from agent.services import control
from campaigns.models import Mailbox, Message
from campaigns.services import ledger, polling
from campaigns.services.outbox.recovering import WAITING
from leadpilot.lib import clock
from leadpilot.lib import verdict as verdicts
from leadpilot.lib.errors import Conflict
from leadpilot.lib.verdict import Verdict
from leadpilot.ops.models import SentCheck, SentCheckStatus
from leadpilot.orgs import notes
from leadpilot.orgs.models import Organization, User
from leadpilot.orgs.services import record
from leadpilot.orgs.tenancy import org_context

PAGE = "/restored/"
RESTORED_NOTE = "restored"
UNPROVEN_NOTE = "sent_unproven"


@dataclass(frozen=True)
class Locked:
    """How much was locked: organizations, their mailboxes, and the messages that may have left."""

    organizations: int
    mailboxes: int
    messages: int


def lock_all(*, backup_at: datetime) -> Locked:
    """Stop every organization of a restored database and lock its mailboxes. Outside of any transaction."""
    orgs = list(Organization.objects.using("system").order_by("created_at").values_list("pk", flat=True))
    each = [_lock(org_id, backup_at) for org_id in orgs]
    return Locked(len(orgs), sum(mailboxes for mailboxes, _ in each), sum(messages for _, messages in each))


def _lock(org_id: UUID, backup_at: datetime) -> tuple[int, int]:
    with org_context(org_id):
        org = Organization.objects.get(pk=org_id)
        reason = (
            f"A backup of {backup_at:%d %B %Y, %H:%M} UTC was restored. Nothing leaves before each mailbox's Sent "
            "folder was compared with it, and somebody presses Start."
        )
        control.stop(org=org, by=None, reason=reason)
        mailboxes = list(Mailbox.objects.for_org(org))
        for mailbox in mailboxes:
            _wait_for(mailbox, backup_at)
        record(org=org, actor=None, action="organization.restored", message=reason)
        notes.notify(
            org=org,
            type=RESTORED_NOTE,
            title="A backup was restored, and everything is stopped",
            message=f"{reason} What is missing since then is gone: look at who wrote to you and who unsubscribed.",
            action_url=PAGE,
            priority="high",
        )
    while any(ledger.reap(org_id=org_id, all_died=True)):  # a batch at a time
        continue
    with org_context(org_id):
        return len(mailboxes), Message.objects.for_org(org_id).filter(status__in=WAITING).count()


def _wait_for(mailbox: Mailbox, backup_at: datetime) -> None:
    """One lock a mailbox. One that the backup itself brought along, of an earlier restore, keeps the earlier moment."""
    SentCheck.objects.for_org(mailbox.org_id).get_or_create(
        org_id=mailbox.org_id,
        mailbox=mailbox,
        status=SentCheckStatus.WAITING,
        defaults={"backup_at": backup_at, "bookmark": polling.bookmark_of(mailbox)},
    )


def waiting(org_id: UUID) -> list[SentCheck]:
    """An organization's locks that hold, for `not_compared`."""
    rows = SentCheck.objects.for_org(org_id).filter(status=SentCheckStatus.WAITING)
    return list(rows.select_related("mailbox").order_by("created_at"))


def not_compared(message: Message, now: datetime, locks: list[SentCheck]) -> Verdict | None:
    """Clearance check: nothing of an organization leaves while one of its Sent folders is not compared.

    Not only the mailbox's own mails: a lead that was written to from one mailbox may have been given to another.
    """
    if not locks:
        return None
    names = ", ".join(lock.mailbox.email for lock in locks[:3])
    text = (
        f"A backup of {locks[0].backup_at:%d %B %H:%M} UTC was restored, and it may have left since: the Sent folder of "
        f"{names}{' and others' if len(locks) > 3 else ''} was not compared yet."
    )
    return verdicts.defer(None, "sent_not_compared", text)


@transaction.atomic
def release(*, lock: SentCheck, by: User | None, reason: str) -> SentCheck:
    """A person decides what no Sent folder can prove: what waits may leave, although it may have left before.

    Raises Conflict when it does not wait any more.
    """
    finish(lock, SentCheckStatus.RELEASED, by=by)
    record(
        org=lock.org,
        actor=by,
        action="mailbox.released",
        message=f"{lock.mailbox.email} was released without a comparison: {reason}",
        subject=lock.mailbox,
    )
    return lock


def finish(lock: SentCheck, status: str, *, by: User | None = None, found: int = 0, unknown: int = 0) -> None:
    """End a lock, once; the last one of an organization takes its notes with it. Call in a transaction."""
    rows = SentCheck.objects.for_org(lock.org_id).filter(status=SentCheckStatus.WAITING)
    if not rows.filter(pk=lock.pk).update(
        status=status,
        finished_at=clock.now(),
        finished_by=by,
        problem="",
        found=F("found") + found,
        unknown_found=F("unknown_found") + unknown,
    ):
        lock.refresh_from_db()
        raise Conflict(f"It does not wait any more: {lock.get_status_display().lower()}.")
    lock.refresh_from_db()
    notes.settle(org=lock.org_id, type=UNPROVEN_NOTE, about=lock.mailbox.email)
    if not rows.exists():
        notes.settle(org=lock.org_id, type=RESTORED_NOTE)
