"""Whom a mail concerns: found by its headers, else by its address if that lead was written to."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from campaigns import dsn, parsing
from campaigns.models import Mailbox, Message, MessageStatus
from campaigns.services import outbox
from leadpilot.lib import clock
from leads.models import Lead

LEFT = (MessageStatus.SENT, MessageStatus.UNKNOWN, MessageStatus.SENDING)
_BOUNCE_MEMORY = timedelta(days=14)
Reported = list[tuple[Message, dsn.Failure | None]]


def is_ours(mailbox: Mailbox, mail: parsing.ParsedMail) -> bool:
    """Our own mail: a copy to ourselves, or from another of our mailboxes."""
    return Mailbox.objects.for_org(mailbox.org_id).filter(email__iexact=mail.from_email).exists()


def match(mailbox: Mailbox, mail: parsing.ParsedMail) -> tuple[Message | None, Lead | None]:
    """The message it answers by its headers, else the lead it comes from, if we have written to that lead."""
    sent = Message.objects.for_org(mailbox.org_id).filter(status__in=LEFT).select_related("lead", "thread")
    by_id = {m.message_id: m for m in sent.filter(message_id__in=mail.references)} if mail.references else {}
    for reference in mail.references:
        if reference in by_id:
            return by_id[reference], by_id[reference].lead
    if not mail.from_email:
        return None, None
    written = sent.filter(lead__email__iexact=mail.from_email).order_by("-sent_at", "-created_at")
    latest = written.filter(mailbox=mailbox).first() or written.first()
    return (latest, latest.lead) if latest else (None, None)


def reported(mailbox: Mailbox, report: dsn.Report) -> Reported:
    """Our messages a report is about: by Message-ID, else by an address this mailbox wrote to lately."""
    sent = Message.objects.for_org(mailbox.org_id).filter(status__in=LEFT)
    named = list(sent.filter(message_id__in=report.message_ids).order_by("created_at")[:10])
    if report.complaint:
        return [(message, None) for message in named]
    if named:
        by_address = {failure.email: failure for failure in report.failures}
        only = report.failures[0] if len(report.failures) == 1 else None
        pairs = [(m, by_address.get(m.to_email.lower(), only)) for m in named]
        return [(m, failure) for m, failure in pairs if failure is not None]
    lately = sent.filter(mailbox=mailbox, created_at__gte=clock.now() - _BOUNCE_MEMORY)
    found: Reported = []
    for failure in report.failures:
        message = lately.filter(to_email__iexact=failure.email).order_by("-sent_at", "-created_at").first()
        if message is not None:
            found.append((message, failure))
    return found


def locked(messages: Iterable[Message]) -> dict[UUID, Message]:
    """Messages as they are once whoever is sending them has finished, and locked: before threads and leads, as in a send."""
    found = list(messages)
    if not found:
        return {}
    rows = Message.objects.for_org(found[0].org_id).filter(pk__in=[m.pk for m in found]).order_by("pk")
    fresh = rows.select_related("lead", "thread", "org").select_for_update(of=("self",), no_key=True)
    return {message.pk: message for message in fresh}


def proved(message: Message, note: str) -> None:
    """Something came back for it, so it left: an unknown message is settled."""
    if message.status == MessageStatus.UNKNOWN:
        outbox.settle_unknown(message=message, sent=True, note=note)
