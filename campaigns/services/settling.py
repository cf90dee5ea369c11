"""What became of a mail whose answer was lost: its Message-ID is looked for in the Sent folder (DESIGN 5)."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from campaigns import imap
from campaigns.models import InboundKind, Mailbox, Message, MessageStatus
from campaigns.services import outbox, polling
from leadpilot.lib import clock, pace
from leadpilot.lib.encryption import DecryptionError
from leadpilot.lib.errors import Conflict
from leadpilot.orgs.tenancy import org_context

# A mail that is not in Sent by then was not sent, where Sent is kept.
PATIENCE = pace.time("settle_patience", timedelta(minutes=10))
MOST = 100  # a search
WITNESSES = 5  # sent mails whose presence in Sent proves that it is kept


def settle_mailbox(*, org_id: UUID, mailbox_id: UUID) -> dict[str, int]:
    """Search the Sent folder for a mailbox's unknown messages. Returns how many were `sent`, `not_sent`, left `unknown`.

    Found: it left. Not found is proof only when the folder holds our other mails of those days, and after ten minutes;
    else a person decides. Outside of any transaction.
    """
    with org_context(org_id):
        mailbox = Mailbox.objects.for_org(org_id).filter(pk=mailbox_id, inbound_kind=InboundKind.IMAP).first()
        unknown = unknown_of(org_id, mailbox_id)
        if mailbox is None or not unknown:
            return {}
        witnesses = _witnesses(org_id, mailbox_id)
        try:
            server = polling.server_of(mailbox)
        except DecryptionError:
            return {"unknown": len(unknown)}
    inbox = imap.Inbox(server, seconds=60)
    try:
        with inbox:
            found = inbox.in_sent([m.message_id for m in unknown] + witnesses)
    except imap.FAILURES:
        return {"unknown": len(unknown)}
    return _conclude(unknown, witnesses, found)


def unknown_of(org_id: UUID, mailbox_id: UUID) -> list[Message]:
    """A mailbox's unknown messages, at most MOST, in no order: those that nobody can prove must not hide the others."""
    rows = Message.objects.for_org(org_id).filter(mailbox_id=mailbox_id, status=MessageStatus.UNKNOWN)
    return list(rows.order_by("?")[:MOST])


def _witnesses(org_id: UUID, mailbox_id: UUID) -> list[str]:
    sent = Message.objects.for_org(org_id).filter(mailbox_id=mailbox_id, status=MessageStatus.SENT)
    old_enough = sent.filter(sent_at__lt=clock.now() - PATIENCE).order_by("-sent_at")
    return list(old_enough.values_list("message_id", flat=True)[:WITNESSES])


def _conclude(unknown: list[Message], witnesses: list[str], found: set[str] | None) -> dict[str, int]:
    counts = {"sent": 0, "not_sent": 0, "unknown": 0}
    is_kept = bool(found) and bool(witnesses) and set(witnesses) <= (found or set())
    for message in unknown:
        sent = found is not None and message.message_id in found
        tried = message.send_attempts.filter(org_id=message.org_id)
        with org_context(message.org_id):
            last = tried.order_by("-number").values_list("started_at", flat=True).first()
            waited = last is not None and clock.now() - last > PATIENCE
            if not sent and not (is_kept and waited):
                counts["unknown"] += 1
                continue
            note = (
                "It is in the mailbox's Sent folder."
                if sent
                else "It is not in Sent, where our other mails are."
            )
            try:
                outbox.settle_unknown(message=message, sent=sent, note=note)
            except Conflict:  # someone was faster
                continue
            counts["sent" if sent else "not_sent"] += 1
    return counts
