"""What came back: matched to a lead, kept once, and acted on at once (SPEC IN-1, TR-3, TR-4)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from email.parser import BytesHeaderParser
from email.policy import compat32
from email.utils import getaddresses
from typing import Any

from django.db import OperationalError, transaction

from campaigns import dsn, parsing, windows
from campaigns.models import (
    Classification,
    Enrollment,
    EnrollmentStatus,
    InboundMessage,
    Mailbox,
    Message,
    MessageEvent,
    MessageStatus,
    StopReason,
    Thread,
)
from campaigns.services import enrollment as enrollments
from campaigns.services import outbox, outcomes
from campaigns.services.transitions import record_event
from campaigns.services.unsubscribe import unsubscribe
from leadpilot.lib import clock
from leadpilot.lib.errors import DomainError
from leadpilot.orgs.models import User
from leads.models import Lead, LeadStatus, SuppressionReason
from leads.services.leads import set_status
from leads.services.suppression import suppress

log = logging.getLogger(__name__)
Listener = Callable[[InboundMessage], None]

_LEFT = (MessageStatus.SENT, MessageStatus.UNKNOWN, MessageStatus.SENDING)
_ROBOTS = (Classification.OUT_OF_OFFICE, Classification.AUTO_REPLY, Classification.BOUNCE)
_ENDS = (
    Classification.INTERESTED,
    Classification.NOT_INTERESTED,
    Classification.QUESTION,
    Classification.OBJECTION,
    Classification.WRONG_PERSON,
    Classification.REFERRAL,
)
_HEAD_BYTES = 100_000
_BOUNCE_MEMORY = timedelta(days=14)
_LISTENERS: list[Listener] = []


def on_received(listener: Listener) -> None:
    """Have a function called, in the same transaction, with each mail that was kept."""
    if listener not in _LISTENERS:
        _LISTENERS.append(listener)


@transaction.atomic
def receive(*, mailbox: Mailbox, raw: bytes, source_key: str) -> InboundMessage | None:
    """Keep a mail that concerns a lead, and act on it: a person's answer pauses the lead's sequences at once.

    Receiving the same mail again, from the same place or another, returns the first. None for a stranger's mail.
    """
    mail = parsing.parse(raw)
    known = InboundMessage.objects.for_org(mailbox.org_id).filter(mailbox=mailbox)
    before: InboundMessage | None = known.filter(source_key=source_key).first()
    before = before or known.filter(digest=mail.digest).first()
    if before is not None:
        return before
    if _is_ours(mailbox, mail):
        return None
    report = dsn.read_report(parsing.to_message(raw), raw, mail.from_email, mail.subject)
    if report is not None:
        return _receive_report(mailbox, mail, report, source_key)
    message, lead = _match(mailbox, mail)
    if lead is None:
        return None
    if message is not None:  # the order of locks: see enrollment.lock_lead
        message = _locked(message)
    inbound = _keep(mailbox, mail, source_key, lead, message)
    if mail.is_automatic:
        enrollments.pause_lead(
            lead=lead, reason=f"An automatic answer came; it is being read. {mail.automatic}"
        )
    else:
        _answered(inbound, lead, message)
    _tell(inbound)
    return inbound


def _tell(inbound: InboundMessage) -> None:
    for listener in _LISTENERS:
        try:
            with transaction.atomic():
                listener(inbound)
        except OperationalError:
            raise
        except Exception:  # a listener's fault must not lose the mail
            log.exception("A listener failed for mail %s", inbound.pk)


def _is_ours(mailbox: Mailbox, mail: parsing.ParsedMail) -> bool:
    """Our own mail: a copy to ourselves, or from another of our mailboxes."""
    return Mailbox.objects.for_org(mailbox.org_id).filter(email__iexact=mail.from_email).exists()


def _match(mailbox: Mailbox, mail: parsing.ParsedMail) -> tuple[Message | None, Lead | None]:
    """The message it answers by its headers, else the lead it comes from, if we have written to that lead."""
    sent = Message.objects.for_org(mailbox.org_id).filter(status__in=_LEFT).select_related("lead", "thread")
    by_id = {m.message_id: m for m in sent.filter(message_id__in=mail.references)} if mail.references else {}
    for reference in mail.references:
        if reference in by_id:
            return by_id[reference], by_id[reference].lead
    if not mail.from_email:
        return None, None
    written = sent.filter(lead__email__iexact=mail.from_email).order_by("-sent_at", "-created_at")
    latest = written.filter(mailbox=mailbox).first() or written.first()
    return (latest, latest.lead) if latest else (None, None)


def _locked(message: Message) -> Message:
    rows = Message.objects.for_org(message.org_id).select_related("lead", "thread", "org")
    locked: Message = rows.select_for_update(of=("self",), no_key=True).get(pk=message.pk)
    return locked


def _keep(
    mailbox: Mailbox,
    mail: parsing.ParsedMail,
    source_key: str,
    lead: Lead,
    message: Message | None,
    **fields: Any,
) -> InboundMessage:
    now = clock.now()
    thread = _thread(mailbox, lead, message, mail.subject)
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


def _thread(mailbox: Mailbox, lead: Lead, message: Message | None, subject: str) -> Thread:
    if message is not None and message.thread is not None:
        known: Thread = message.thread
        return known
    found = (
        Thread.objects.for_org(mailbox.org_id).filter(lead=lead, mailbox=mailbox).order_by("-last_message_at")
    )
    thread: Thread = found.first() or Thread.objects.create(
        org_id=mailbox.org_id, lead=lead, mailbox=mailbox, subject=subject[:300], last_message_at=clock.now()
    )
    return thread


def _proved(message: Message, note: str) -> None:
    """Something came back for it, so it left: an unknown message is settled."""
    if message.status == MessageStatus.UNKNOWN:
        outbox.settle_unknown(message=message, sent=True, note=note)


def _answered(inbound: InboundMessage, lead: Lead, message: Message | None) -> None:
    now = clock.now()
    if message is not None:
        _proved(message, "The lead answered it.")
        rows = Message.objects.for_org(lead.org_id).filter(pk=message.pk, replied=False)
        rows.update(replied=True, replied_at=now)
        record_event(message=message, kind=MessageEvent.Kind.REPLIED, inbound=str(inbound.pk))
    enrollments.pause_lead(lead=lead, reason=f"{lead.name} answered; the answer is being read.")
    if lead.status != LeadStatus.MEETING:
        set_status(lead=lead, status=LeadStatus.REPLIED)
    Lead.objects.for_org(lead.org_id).filter(pk=lead.pk).update(last_interaction_at=now)


def _receive_report(
    mailbox: Mailbox, mail: parsing.ParsedMail, report: dsn.Report, source_key: str
) -> InboundMessage | None:
    found = _reported(mailbox, report)
    if not found:
        return None
    first = found[0][0]
    is_bounce = report.complaint or any(not failure.delayed for _, failure in found if failure)
    inbound = _keep(
        mailbox,
        mail,
        source_key,
        first.lead,
        first,
        is_automatic=True,
        classification=Classification.BOUNCE
        if is_bounce and not report.complaint
        else Classification.AUTO_REPLY,
        classification_reason=_what_it_says(report, found),
        classified_by="headers",
        classified_at=clock.now(),
        confidence=1.0,
        handled_at=clock.now(),
    )
    for message, failure in [(_locked(message), failure) for message, failure in found]:
        _proved(message, "A report about it came back.")
        if failure is None:
            _complained(message)
        elif failure.delayed:
            record_event(message=message, kind=MessageEvent.Kind.DEFERRED, key="delayed", said=failure.said)
        elif failure.hard:
            outcomes.hard_bounce(message=message, said=failure.said, origin="bounced")
        else:
            outcomes.soft_bounce(message=message, said=failure.said)
    _tell(inbound)
    return inbound


def _what_it_says(report: dsn.Report, found: list[tuple[Message, dsn.Failure | None]]) -> str:
    if report.complaint:
        return "A complaint: the mail was marked as spam."
    failure = found[0][1]
    assert failure is not None, "only complaints have none"
    kind = (
        "is delayed" if failure.delayed else ("cannot be reached" if failure.hard else "could not be reached")
    )
    return f"{failure.email} {kind}: {failure.status} {failure.said}"[:500]


def _reported(mailbox: Mailbox, report: dsn.Report) -> list[tuple[Message, dsn.Failure | None]]:
    """Our messages a report is about: by Message-ID, else by an address this mailbox wrote to lately."""
    sent = (
        Message.objects.for_org(mailbox.org_id)
        .filter(status__in=_LEFT)
        .select_related("lead", "thread", "org")
    )
    named = list(sent.filter(message_id__in=report.message_ids).order_by("created_at")[:10])
    if report.complaint:
        return [(message, None) for message in named]
    if named:
        by_address = {failure.email: failure for failure in report.failures}
        only = report.failures[0] if len(report.failures) == 1 else None
        pairs = [(m, by_address.get(m.to_email.lower(), only)) for m in named]
        return [(m, failure) for m, failure in pairs if failure is not None]
    lately = sent.filter(mailbox=mailbox, created_at__gte=clock.now() - _BOUNCE_MEMORY)
    pairs = []
    for failure in report.failures:
        message = lately.filter(to_email__iexact=failure.email).order_by("-sent_at", "-created_at").first()
        if message is not None:
            pairs.append((message, failure))
    return pairs


def _complained(message: Message) -> None:
    record_event(message=message, kind=MessageEvent.Kind.COMPLAINED)
    suppress(
        org=message.org, value=message.to_email, reason=SuppressionReason.COMPLAINED, origin="marked as spam"
    )
    enrollments.stop_lead(lead=message.lead, reason=StopReason.UNSUBSCRIBED, note="Marked our mail as spam.")


@transaction.atomic
def record_classification(
    *,
    inbound: InboundMessage,
    classification: str,
    sentiment: str = "",
    confidence: float | None = None,
    reason: str = "",
    extracted: dict[str, Any] | None = None,
    by: str,
) -> InboundMessage:
    """Write down what a mail means, and do what the class asks of its lead's sequences (SPEC SQ-3, IN-4).

    `unsubscribe` opts out. A person's answer ends them, but `other` leaves them paused for a person. An automatic answer
    lets them go on; an absence until after `extracted["return_date"]` (ISO), or five working days. Repeating is harmless.
    """
    kind = Classification(classification)
    fields: dict[str, Any] = {
        "classification": kind,
        "sentiment": sentiment,
        "confidence": confidence,
        "classification_reason": reason,
        "extracted": extracted or {},
        "classified_by": by[:40],
        "classified_at": clock.now(),
    }
    if kind in _ROBOTS:
        fields["is_automatic"] = True
    InboundMessage.objects.for_org(inbound.org_id).filter(pk=inbound.pk).update(**fields)
    inbound.refresh_from_db()
    if inbound.lead is not None:
        _follow(inbound, inbound.lead, kind, reason)
    return inbound


def _follow(inbound: InboundMessage, lead: Lead, kind: Classification, reason: str) -> None:
    if kind is Classification.UNSUBSCRIBE:
        unsubscribe(lead=lead, origin="asked for it in an answer", message=inbound.message)
    elif kind in _ENDS:
        enrollments.stop_lead(lead=lead, reason=StopReason.REPLIED, note=f"{kind.label}. {reason}".strip())
    elif kind is Classification.BOUNCE and inbound.message is not None:
        outcomes.soft_bounce(message=inbound.message, said=reason or inbound.subject)
    elif kind in (Classification.OUT_OF_OFFICE, Classification.AUTO_REPLY):
        _go_on(inbound, lead, kind)


def _go_on(inbound: InboundMessage, lead: Lead, kind: Classification) -> None:
    """Resume what an automatic answer paused, unless a person wrote as well."""
    paused = Enrollment.objects.for_org(lead.org_id).filter(lead=lead, status=EnrollmentStatus.PAUSED)
    for one in paused.select_related("campaign", "lead", "org"):
        people = InboundMessage.objects.for_org(lead.org_id).filter(lead=lead, is_automatic=False)
        if people.filter(created_at__gt=one.resumed_at or one.enrolled_at).exists():
            continue
        window = windows.window_for(one.campaign, lead, one.org)
        if kind is Classification.AUTO_REPLY:
            enrollments.resume(
                enrollment=one, reason="The automatic answer asks for nothing; the sequence goes on."
            )
            continue
        back = _return_date(inbound)
        if back is None:
            at = windows.add_working_days(clock.now(), 5, window)
            why = (
                f"{lead.name} is away, it is not said until when; the sequence goes on in five working days."
            )
        else:
            at = windows.add_working_days(back.replace(tzinfo=window.zone), 1, window)
            why = f"{lead.name} is away until {back:%d %B %Y}; the sequence goes on the working day after."
        enrollments.resume(enrollment=one, at=at, reason=why)


def _return_date(inbound: InboundMessage) -> datetime | None:
    text = str((inbound.extracted or {}).get("return_date") or "")[:10]
    try:
        day = datetime.fromisoformat(text).date()
    except ValueError:
        return None
    far = clock.now().astimezone(UTC).date() + timedelta(days=365)
    return datetime.combine(day, time(9)) if day <= far else None


@transaction.atomic
def mark_handled(*, inbound: InboundMessage, by: User | None = None) -> InboundMessage:
    """Someone has dealt with it; its thread is read when nothing else waits in it. Doing it again changes nothing."""
    rows = InboundMessage.objects.for_org(inbound.org_id)
    rows.filter(pk=inbound.pk, handled_at=None).update(handled_at=clock.now())
    if inbound.thread_id and not rows.filter(thread_id=inbound.thread_id, handled_at=None).exists():
        Thread.objects.for_org(inbound.org_id).filter(pk=inbound.thread_id).update(unread=False)
    inbound.refresh_from_db()
    return inbound


@transaction.atomic
def assign_thread(*, thread: Thread, to: User | None) -> None:
    """Give a thread to someone, or to nobody."""
    Thread.objects.for_org(thread.org_id).filter(pk=thread.pk).update(assigned_to=to)


@transaction.atomic
def snooze_thread(*, thread: Thread, until: datetime | None) -> None:
    """Put a thread out of sight until a moment in the future; None wakes it. Raises DomainError (field `until`)."""
    if until is not None and until <= clock.now():
        raise DomainError("Choose a moment in the future.", field="until")
    Thread.objects.for_org(thread.org_id).filter(pk=thread.pk).update(snoozed_until=until)


@transaction.atomic
def hold_sender(*, mailbox: Mailbox, raw: bytes) -> str:
    """Pause the sequences of whoever a mail comes from that could not be read; returns what people should know."""
    head = BytesHeaderParser(policy=compat32).parsebytes(raw[:_HEAD_BYTES])
    addresses = [
        address for _, address in getaddresses([str(v) for v in head.get_all("From", [])]) if address
    ]
    names = []
    for address in addresses:
        for lead in Lead.objects.for_org(mailbox.org_id).filter(email__iexact=address):
            enrollments.pause_lead(
                lead=lead, reason="An answer came that could not be read; a person has to look."
            )
            names.append(lead.name)
    return f"Nothing more is sent to {', '.join(names)} until you let it go on." if names else ""
