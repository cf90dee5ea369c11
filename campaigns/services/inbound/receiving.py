"""A mail comes in: kept once, and acted on at once (SPEC IN-1, TR-3, TR-4)."""

from __future__ import annotations

from email.parser import BytesHeaderParser
from email.policy import compat32
from email.utils import getaddresses

from django.db import transaction

from campaigns import dsn, parsing
from campaigns.models import InboundMessage, Mailbox, Message, MessageEvent
from campaigns.services import enrollment as enrollments
from campaigns.services.inbound import matching
from campaigns.services.inbound.keeping import keep, tell
from campaigns.services.inbound.reports import receive_report
from campaigns.services.transitions import record_event
from leadpilot.lib import clock
from leads.models import Lead, LeadStatus
from leads.services.leads import set_status

_HEAD_BYTES = 100_000


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
    if matching.is_ours(mailbox, mail):
        return None
    report = dsn.read_report(parsing.to_message(raw), raw, mail.from_email, mail.subject)
    if report is not None:
        return receive_report(mailbox, mail, report, source_key)
    return _receive_mail(mailbox, mail, source_key)


def _receive_mail(mailbox: Mailbox, mail: parsing.ParsedMail, source_key: str) -> InboundMessage | None:
    message, lead = matching.match(mailbox, mail)
    if lead is None:
        return None
    if message is not None:
        message = matching.locked([message])[message.pk]
    inbound = keep(mailbox, mail, source_key, lead, message)
    if mail.is_automatic:
        enrollments.pause_lead(
            lead=lead, reason=f"An automatic answer came; it is being read. {mail.automatic}"
        )
    else:
        answered(inbound, lead, message)
    tell(inbound)
    return inbound


def answered(inbound: InboundMessage, lead: Lead, message: Message | None) -> None:
    """A person wrote: the sequences pause and the lead has replied. `message` is locked."""
    now = clock.now()
    if message is not None:
        matching.proved(message, "The lead answered it.")
        rows = Message.objects.for_org(lead.org_id).filter(pk=message.pk, replied=False)
        rows.update(replied=True, replied_at=now)
        record_event(message=message, kind=MessageEvent.Kind.REPLIED, inbound=str(inbound.pk))
    enrollments.pause_lead(lead=lead, reason=f"{lead.name} answered; the answer is being read.")
    if lead.status != LeadStatus.MEETING:
        set_status(lead=lead, status=LeadStatus.REPLIED)
    Lead.objects.for_org(lead.org_id).filter(pk=lead.pk).update(last_interaction_at=now)


@transaction.atomic
def hold_sender(*, mailbox: Mailbox, raw: bytes) -> str:
    """Pause the sequences of whoever a mail comes from that could not be read; returns what people should know."""
    head = BytesHeaderParser(policy=compat32).parsebytes(raw[:_HEAD_BYTES].replace(b"\0", b""))
    addresses = getaddresses([str(value) for value in head.get_all("From", [])])
    names = []
    for address in {address for _, address in addresses if address}:
        for lead in Lead.objects.for_org(mailbox.org_id).filter(email__iexact=address):
            enrollments.pause_lead(
                lead=lead, reason="An answer came that could not be read; a person has to look."
            )
            names.append(lead.name)
    return f"Nothing more is sent to {', '.join(names)} until you let it go on." if names else ""
