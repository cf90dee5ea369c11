"""A mail that concerns a lead becomes a row in its thread, once."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from django.db import OperationalError, transaction

from campaigns import parsing
from campaigns.models import InboundMessage, Mailbox, Message, Thread
from leadpilot.lib import clock
from leads.models import Lead

log = logging.getLogger(__name__)
Listener = Callable[[InboundMessage], None]
_LISTENERS: list[Listener] = []


def on_received(listener: Listener) -> None:
    """Have a function called, in the same transaction, with each mail that was kept."""
    if listener not in _LISTENERS:
        _LISTENERS.append(listener)


def tell(inbound: InboundMessage) -> None:
    """Call the listeners; what goes wrong there does not lose the mail."""
    for listener in _LISTENERS:
        try:
            with transaction.atomic():
                listener(inbound)
        except OperationalError:
            raise
        except Exception:  # a listener's fault must not lose the mail
            log.exception("A listener failed for mail %s", inbound.pk)


def keep(
    mailbox: Mailbox,
    mail: parsing.ParsedMail,
    source_key: str,
    lead: Lead,
    message: Message | None,
    **fields: Any,
) -> InboundMessage:
    """The row of a mail, and its thread unread. The message it is about has to be locked before."""
    now = clock.now()
    thread = thread_for(mailbox, lead, message, mail.subject)
    headers = dict(mail.headers)
    if mail.automatic:
        headers["automatic"] = mail.automatic
    inbound = InboundMessage.objects.create(
        org_id=mailbox.org_id,
        mailbox=mailbox,
        thread=thread,
        lead=lead,
        message=message,
        source_key=source_key[:200],
        digest=mail.digest,
        header_message_id=mail.message_id,
        from_email=mail.from_email or "unknown@invalid",
        from_name=mail.from_name,
        subject=mail.subject,
        body_text=mail.text,
        body_html=mail.html,
        new_text=mail.new_text,
        headers=headers,
        is_automatic=fields.pop("is_automatic", mail.is_automatic),
        received_at=now,
        created_at=now,
        **fields,
    )
    Thread.objects.for_org(mailbox.org_id).filter(pk=thread.pk).update(
        unread=True, is_open=True, snoozed_until=None, last_message_at=now
    )
    return inbound


def thread_for(mailbox: Mailbox, lead: Lead, message: Message | None, subject: str) -> Thread:
    """The conversation a mail belongs to; a new one when this lead never had any with this mailbox."""
    if message is not None and message.thread is not None:
        known: Thread = message.thread
        return known
    found = Thread.objects.for_org(mailbox.org_id).filter(lead=lead, mailbox=mailbox)
    thread: Thread = found.order_by("-last_message_at").first() or Thread.objects.create(
        org_id=mailbox.org_id, lead=lead, mailbox=mailbox, subject=subject[:300], last_message_at=clock.now()
    )
    return thread
