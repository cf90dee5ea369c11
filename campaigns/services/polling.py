"""Reading one mailbox: by one worker at a time, each mail kept in a transaction of its own (TRUST F8)."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError
from django.db.models import F, Q
from django.db.models.functions import Now

from campaigns import imap, maildir
from campaigns.models import InboundKind, Mailbox
from campaigns.services import inbound
from campaigns.smtp import ConnectFailed
from leadpilot.lib import clock, failpoints, pace
from leadpilot.lib.encryption import DecryptionError
from leadpilot.orgs import notes
from leadpilot.orgs.services import notify
from leadpilot.orgs.tenancy import org_context

log = logging.getLogger(__name__)

LEASE = pace.time("poll_lease", timedelta(minutes=3))
VISIT_SECONDS = 90.0
MOST_MAILS = 300  # a visit; the next one goes on where it ended
OVERLAP = timedelta(days=3)  # looked at again when the server numbered its mails anew
FAILURES_TO_TELL = 5
CANNOT_OPEN = "The stored secret cannot be opened with this installation's keys; enter the password again."


@dataclass(frozen=True)
class Polled:
    """How many mails were looked at and kept; `problem` is a sentence when the visit failed."""

    seen: int = 0
    kept: int = 0
    problem: str = ""


def poll(*, org_id: UUID, mailbox_id: UUID) -> Polled | None:
    """Read what is new in a mailbox; None when another worker is reading it. Outside of any transaction."""
    mailbox = _lease(org_id, mailbox_id)
    if mailbox is None:
        return None
    try:
        if mailbox.inbound_kind == InboundKind.MAILDIR:
            polled = _poll_maildir(mailbox)
        else:
            polled = _poll_imap(mailbox)
    except (ConnectFailed, maildir.NoMaildir) as error:
        _failed(mailbox, str(error))
        return Polled(problem=str(error))
    except DecryptionError:
        _failed(mailbox, CANNOT_OPEN)
        return Polled(problem=CANNOT_OPEN)
    except OperationalError:
        _give_up_lease(mailbox)
        raise
    _succeeded(mailbox)
    return polled


def _rows(mailbox: Mailbox):  # type: ignore[no-untyped-def]
    return Mailbox.objects.for_org(mailbox.org_id).filter(pk=mailbox.pk)


def _lease(org_id: UUID, mailbox_id: UUID) -> Mailbox | None:
    with org_context(org_id):
        free = Q(poll_lease_until=None) | Q(poll_lease_until__lt=Now())
        rows = Mailbox.objects.for_org(org_id).filter(pk=mailbox_id).exclude(inbound_kind=InboundKind.NONE)
        if not rows.filter(free).update(poll_lease_until=Now() + LEASE):
            return None
        found: Mailbox = rows.select_related("org").get()
        return found


def _give_up_lease(mailbox: Mailbox) -> None:
    """The database was away or busy: the next worker may begin at once."""
    with contextlib.suppress(OperationalError, InterfaceError), org_context(mailbox.org_id):
        _rows(mailbox).update(poll_lease_until=None)


def _succeeded(mailbox: Mailbox) -> None:
    with org_context(mailbox.org_id):
        _rows(mailbox).update(
            poll_lease_until=None, last_polled_at=clock.now(), poll_failures=0, poll_problem=""
        )
        if mailbox.poll_failures:
            notes.settle(org=mailbox.org_id, type="mailbox_unread", about=mailbox.email)


def _failed(mailbox: Mailbox, problem: str) -> None:
    """Try again later, longer each time; tell people once when it does not get better."""
    log.warning("Mailbox %s cannot be read: %s", mailbox.pk, problem)
    with org_context(mailbox.org_id):
        wait = timedelta(seconds=min(30 * 2 ** min(mailbox.poll_failures, 6), 1800))
        _rows(mailbox).update(
            poll_lease_until=Now() + wait, poll_failures=F("poll_failures") + 1, poll_problem=problem[:1000]
        )
        if mailbox.poll_failures + 1 == FAILURES_TO_TELL:
            notify(
                org=mailbox.org,
                type="mailbox_unread",
                title=f"Answers to {mailbox.email} cannot be read",
                message=problem,
                action_url="/mailboxes/",
                priority="high",
            )


def _take(mailbox: Mailbox, raw: bytes, source_key: str, **position: int) -> bool:
    """Keep one mail and move the bookmark in the same transaction; True when it was kept.

    A mail that breaks us is skipped, so that it does not hide the ones behind it. People are told, and whoever it comes
    from hears nothing more until a person has read it: it may say "stop".
    """
    try:
        with org_context(mailbox.org_id):
            kept = inbound.receive(mailbox=mailbox, raw=raw, source_key=source_key)
            if position:
                _rows(mailbox).update(**position)
            failpoints.hit("inbound.before_commit")
        return kept is not None
    except OperationalError:
        raise
    except Exception:
        log.exception("Mail %s could not be taken in", source_key)
        with org_context(mailbox.org_id):
            if position:
                _rows(mailbox).update(**position)
            held = inbound.hold_sender(mailbox=mailbox, raw=raw)
            notify(
                org=mailbox.org,
                type="mail_unreadable",
                title=f"A mail to {mailbox.email} could not be read",
                message=f"Look for it in the mailbox itself. {held}".strip(),
                action_url="/mailboxes/",
                priority="high",
            )
        return False


def _poll_maildir(mailbox: Mailbox) -> Polled:
    seen = kept = 0
    for name, path, raw in maildir.unread(mailbox.email):
        kept += _take(mailbox, raw, f"maildir:{name}")
        maildir.mark_read(path)
        seen += 1
        if seen >= MOST_MAILS:
            break
    return Polled(seen, kept)


def server_of(mailbox: Mailbox) -> imap.ImapServer:
    """Where a mailbox is read. Raises DecryptionError when its password does not open."""
    return imap.ImapServer(
        host=mailbox.imap_host,
        port=mailbox.imap_port,
        security=mailbox.imap_security,
        username=mailbox.imap_username or mailbox.email,
        password=mailbox.read_secret("imap_password"),
    )


def _poll_imap(mailbox: Mailbox) -> Polled:
    server = server_of(mailbox)
    inbox = imap.Inbox(server, seconds=VISIT_SECONDS)
    seen = kept = 0
    try:
        with inbox:
            for uid, raw, validity in _new_mails(mailbox, inbox):
                kept += _take(mailbox, raw, f"imap:{validity}:{uid}", imap_last_uid=uid)
                seen += 1
    except imap.FAILURES as error:
        raise imap.failure(error, server, late=inbox.late) from error
    return Polled(seen, kept)


def _new_mails(mailbox: Mailbox, inbox: imap.Inbox) -> Iterator[tuple[int, bytes, int]]:
    validity, next_uid = inbox.inbox_state()
    if mailbox.imap_uidvalidity is None:
        # The first visit: what lies there was not an answer to us.
        _bookmark(mailbox, validity, next_uid - 1)
        return
    if validity != mailbox.imap_uidvalidity:
        # The server numbered its mails anew. Look back; what was kept already is known by its bytes.
        since = (mailbox.last_polled_at or mailbox.created_at) - OVERLAP
        uids = inbox.uids_since(since)
        for uid, raw in inbox.fetch(uids):
            yield uid, raw, validity
        _bookmark(mailbox, validity, max([*uids, next_uid - 1]))
        return
    for uid, raw in inbox.fetch(inbox.uids_after(mailbox.imap_last_uid)[:MOST_MAILS]):
        yield uid, raw, validity


def bookmark_of(mailbox: Mailbox) -> dict[str, Any]:
    """How far a mailbox has been read, for `rewind`."""
    read = mailbox.last_polled_at
    return {
        "uidvalidity": mailbox.imap_uidvalidity,
        "last_uid": mailbox.imap_last_uid,
        "last_polled_at": read.isoformat() if read else None,
    }


def rewind(*, org_id: UUID, mailbox_id: UUID, to: dict[str, Any]) -> None:
    """Read again what came since a bookmark: who it concerns is known only now. What was kept is not kept twice."""
    read = to.get("last_polled_at")
    with org_context(org_id):
        Mailbox.objects.for_org(org_id).filter(pk=mailbox_id).update(
            imap_uidvalidity=to.get("uidvalidity"),
            imap_last_uid=to.get("last_uid", 0),
            last_polled_at=datetime.fromisoformat(read) if read else None,
        )


def _bookmark(mailbox: Mailbox, validity: int, last_uid: int) -> None:
    with org_context(mailbox.org_id):
        _rows(mailbox).update(imap_uidvalidity=validity, imap_last_uid=last_uid)
