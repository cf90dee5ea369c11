"""What left between a backup and its restore: the Sent folder is compared with the restored rows (TRUST F18).

Mails in Sent that wait here are sent. Mails of ours that the rows do not know hold their lead back. Then what came in since
is read again, because only now it is known whom it concerns, and only then the lock opens.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC
from typing import Any
from uuid import UUID

from django.db.models.functions import Now

from campaigns import imap
from campaigns.models import Mailbox
from campaigns.services import outbox, polling
from leadpilot.ops import locking, searching
from leadpilot.ops.models import SentCheck, SentCheckStatus
from leadpilot.ops.searching import NotProven
from leadpilot.orgs import notes
from leadpilot.orgs.services import record
from leadpilot.orgs.tenancy import org_context
from leads.models import Lead, SuppressionReason
from leads.services.suppression import suppress

READING_SECONDS = 45.0  # after which the rest of what came in is left to the next try


@dataclass(frozen=True)
class Compared:
    """How many mails were found; `problem` is a sentence when the lock stays."""

    found: int = 0
    unknown: int = 0
    problem: str = ""


def compare(*, org_id: UUID, mailbox_id: UUID) -> Compared | None:
    """Compare one mailbox's Sent folder and open its lock if that proves all. Outside of any transaction.

    None when it is not locked. Repeating it, or two at once, changes nothing: each mail is written down once.
    """
    lock = _try(org_id, mailbox_id)
    if lock is None:
        return None
    done = Compared()
    try:
        looked = searching.look(lock)
        done = _conclude(lock, looked)
        if not looked.is_kept:
            raise NotProven(searching.NO_PROOF)
        _read_answers(lock)
    except NotProven as why:
        return _stays(lock, Compared(done.found, done.unknown, str(why)))
    _opens(lock, done)
    return done


def _try(org_id: UUID, mailbox_id: UUID) -> SentCheck | None:
    with org_context(org_id):
        rows = SentCheck.objects.for_org(org_id).filter(mailbox_id=mailbox_id, status=SentCheckStatus.WAITING)
        rows.update(tried_at=Now())
        found: SentCheck | None = rows.select_related("mailbox", "org").first()
        return found


def _conclude(lock: SentCheck, looked: searching.Looked) -> Compared:
    """Write down what was found, each mail in a transaction of its own."""
    note = (
        f"It is in the Sent folder of {lock.mailbox.email}; it left after the backup of "
        f"{lock.backup_at:%d %B %Y, %H:%M} UTC that was restored."
    )
    found = unknown = 0
    if (
        looked.waiting or looked.unknown
    ):  # before anything is written: who is cut off after it reads again, too
        _keep(lock, bookmark={**lock.bookmark, "again": True})
    # Step after step, so that a sequence goes on from each.
    for message, raw, at in sorted(looked.waiting, key=lambda each: each[0].email_sequence or 0):
        with org_context(lock.org_id):
            found += outbox.found_in_sent(message=message, raw=raw, at=at, note=note)
    for mail, raw in looked.unknown:
        with org_context(lock.org_id):
            unknown += _hold_back(lock, mail, raw)
    return Compared(found, unknown)


def _hold_back(lock: SentCheck, mail: imap.SentMail, raw: bytes) -> bool:
    """Whoever got a mail that the rows do not know gets none again by itself. True when it was news."""
    left = f"{mail.at.astimezone(UTC):%d %B %Y, %H:%M} UTC"
    note = (
        f"A mail left to this address on {left}, after the backup that was restored: look at it in the Sent folder of "
        f"{lock.mailbox.email} before you go on."
    )
    if not mail.to_email or Mailbox.objects.for_org(lock.org_id).filter(email__iexact=mail.to_email).exists():
        return False
    lead = Lead.objects.for_org(lock.org_id).filter(email__iexact=mail.to_email).first()
    if lead is None:
        origin = f"Written to on {left}, which the restored backup does not know."
        suppress(org=lock.org, value=mail.to_email, reason=SuppressionReason.IMPORTED, origin=origin)
        return True
    pk = UUID(hex=mail.message_id[1:33])
    made = outbox.record_found(
        mailbox=lock.mailbox, lead=lead, pk=pk, message_id=mail.message_id, raw=raw, at=mail.at, note=note
    )
    return made is not None


def _read_answers(lock: SentCheck) -> None:
    """Read what came since the backup, again from there where mails were found to have left. Raises NotProven."""
    ids: dict[str, Any] = {"org_id": lock.org_id, "mailbox_id": lock.mailbox_id}
    if lock.bookmark.get("again") and lock.bookmark.get("uidvalidity") is not None:
        polling.rewind(**ids, to=lock.bookmark)
    _keep(lock, bookmark={**lock.bookmark, "again": False})
    deadline = time.monotonic() + READING_SECONDS
    while time.monotonic() < deadline:
        polled = polling.poll(**ids)
        if polled is None:
            raise NotProven("Another worker is reading what came in; this is tried again by itself.")
        if polled.problem:
            raise NotProven(f"What came in since cannot be read: {polled.problem}")
        if not polled.seen:
            return
    raise NotProven("What came in since is not read to its end yet; this is tried again by itself.")


def _keep(lock: SentCheck, **fields: Any) -> None:
    for name, value in fields.items():
        setattr(lock, name, value)
    with org_context(lock.org_id):
        SentCheck.objects.for_org(lock.org_id).filter(pk=lock.pk).update(**fields)


def _stays(lock: SentCheck, done: Compared) -> Compared:
    with org_context(lock.org_id):
        rows = SentCheck.objects.for_org(lock.org_id).filter(pk=lock.pk, status=SentCheckStatus.WAITING)
        rows.update(
            problem=done.problem,
            found=lock.found + done.found,
            unknown_found=lock.unknown_found + done.unknown,
        )
        notes.notify(
            org=lock.org,
            type=locking.UNPROVEN_NOTE,
            title=f"What left from {lock.mailbox.email} since the backup is not proved",
            message=f"{done.problem} Nothing of the organization leaves until it is, or until somebody decides: look into "
            "the Sent folder, cancel what has left, then release the mailbox.",
            action_url=locking.PAGE,
            priority="high",
        )
    return done


def _opens(lock: SentCheck, done: Compared) -> None:
    with org_context(lock.org_id):
        locking.finish(lock, SentCheckStatus.COMPARED, found=done.found, unknown=done.unknown)
        record(
            org=lock.org,
            actor=None,
            action="mailbox.compared",
            message=f"The Sent folder of {lock.mailbox.email} was compared with the restored backup.",
            subject=lock.mailbox,
            found=lock.found,
            unknown=lock.unknown_found,
        )
