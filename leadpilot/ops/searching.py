"""What a mailbox's Sent folder holds of the mails that a restored database takes for waiting, or does not know."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from campaigns import imap
from campaigns.models import InboundKind, Message, MessageStatus
from campaigns.services import polling, settling
from campaigns.services.outbox.recovering import WAITING
from leadpilot.lib.encryption import DecryptionError
from leadpilot.ops.models import SentCheck
from leadpilot.orgs.tenancy import org_context

MARGIN = timedelta(days=2)  # servers search by day, in time zones of their own
SKEW = timedelta(minutes=2)  # between the clocks of those who number rows and of the database
VISIT_SECONDS = 90.0  # to Sent; a job has 180 seconds
NO_IMAP = "It is not read by IMAP, so LeadPilot cannot look into its Sent folder."
NO_SENT = "LeadPilot finds no Sent folder in it."
NO_PROOF = "Its Sent folder does not hold the mails that left before the backup, so a mail missing there proves nothing."
_OURS = re.compile(r"<([0-9a-f]{32})@([^<>@]+)>")


class NotProven(Exception):
    """Why this Sent folder tells nothing."""


@dataclass
class Looked:
    """What Sent holds of the mails that wait here, and of ours that are unknown here.

    `is_kept`: it holds what left before the backup, so that what is missing did not leave.
    """

    waiting: list[tuple[Message, bytes, datetime | None]] = field(default_factory=list)
    unknown: list[tuple[imap.SentMail, bytes]] = field(default_factory=list)
    is_kept: bool = False


def look(lock: SentCheck) -> Looked:
    """Everything that needs the mailbox's server. Raises NotProven."""
    mailbox = lock.mailbox
    if mailbox.inbound_kind != InboundKind.IMAP:
        raise NotProven(NO_IMAP)
    with org_context(lock.org_id):
        rows = Message.objects.for_org(lock.org_id).filter(mailbox=mailbox)
        open_ones = list(rows.filter(status__in=WAITING).defer("body", "clearance"))
        before = rows.filter(status=MessageStatus.SENT, sent_at__lt=lock.backup_at).order_by("-sent_at")
        witnesses = list(before.values_list("message_id", flat=True)[: settling.WITNESSES])
        try:
            server = polling.server_of(mailbox)
        except DecryptionError as error:
            raise NotProven(polling.CANNOT_OPEN) from error
    inbox = imap.Inbox(server, seconds=VISIT_SECONDS)
    try:
        with inbox:
            return _search(inbox, lock, open_ones, witnesses)
    except imap.FAILURES as error:
        raise NotProven(str(imap.failure(error, server, late=inbox.late))) from error


def _search(inbox: imap.Inbox, lock: SentCheck, open_ones: list[Message], witnesses: list[str]) -> Looked:
    listed = inbox.sent_since(lock.backup_at - MARGIN)
    if listed is None:
        raise NotProven(NO_SENT)
    by_id = {mail.message_id: mail for mail in listed}
    # Servers date what they keep as they like: what has bytes is looked for by its Message-ID, however old.
    dated = [m.message_id for m in open_ones if m.raw is not None and m.message_id not in by_id]
    elsewhere = inbox.in_sent([*dated, *(id for id in witnesses if id not in by_id)]) or set()
    found = Looked(is_kept=bool(witnesses) and set(witnesses) <= elsewhere | set(by_id))
    for message in open_ones:
        mail = by_id.get(message.message_id)
        if mail is not None:
            raw = b"" if message.raw is not None else _whole(inbox, mail)
            found.waiting.append((message, raw, mail.at))
        elif message.message_id in elsewhere:
            found.waiting.append((message, b"", None))
    found.unknown = [(mail, _whole(inbox, mail)) for mail in _unknown(lock, listed)]
    return found


def _whole(inbox: imap.Inbox, mail: imap.SentMail) -> bytes:
    return next((raw for _, raw in inbox.fetch([mail.uid])), b"")


def _unknown(lock: SentCheck, listed: list[imap.SentMail]) -> list[imap.SentMail]:
    """Mails with a Message-ID as LeadPilot makes them, made since the backup, and not among the rows; oldest first."""
    domain = lock.mailbox.email.rpartition("@")[2].lower()
    ours = [mail for mail in listed if _made_since(mail.message_id, domain, lock.backup_at - SKEW)]
    with org_context(lock.org_id):
        rows = Message.objects.for_org(lock.org_id).filter(message_id__in=[mail.message_id for mail in ours])
        known = set(rows.values_list("message_id", flat=True))
    return sorted(
        (mail for mail in ours if mail.message_id not in known), key=lambda mail: (mail.at, mail.uid)
    )


def _made_since(message_id: str, domain: str, moment: datetime) -> bool:
    match = _OURS.fullmatch(message_id)
    if match is None or match[2].lower() != domain:
        return False
    number = UUID(hex=match[1])
    # Version 7 begins with the milliseconds of its making: an older row was deleted before the backup.
    return number.version == 7 and datetime.fromtimestamp((number.int >> 80) / 1000, UTC) >= moment
