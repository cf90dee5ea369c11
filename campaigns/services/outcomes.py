"""What follows from the outcome of a try: for the lead, its sequence, the mailbox and the campaign (DESIGN 5, SPEC TR-4)."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from campaigns.faults import Fault
from campaigns.models import (
    Enrollment,
    Mailbox,
    MailboxStatus,
    Message,
    MessageEvent,
    MessageStatus,
    StopReason,
    Thread,
)
from campaigns.services import advancing, enrollment
from campaigns.services.transitions import lock_open, record_event
from leadpilot.lib import clock
from leadpilot.orgs.services import notify, record
from leads.models import Lead, SuppressionReason
from leads.services.leads import note_mailed
from leads.services.suppression import suppress

BOUNCE_WINDOW = timedelta(days=7)
BOUNCE_LEAST = 20  # sent mails before a rate means anything
BOUNCE_MOST = 0.05  # above this the mailbox's good name is at risk
SOFT_BOUNCES = 3
UNKNOWN_NOTE = "message_unknown"


def sent(*, message: Message, proof: str) -> None:
    """The mail left: the sequence goes on, the lead is `emailed`. `proof` says how we know. Call in a transaction.

    `ledger.accepting` does the same in one statement, for the mails that a drain sees accepted.
    """
    record_event(message=message, kind=MessageEvent.Kind.SENT, proof=proof)
    at = message.sent_at or clock.now()
    note_mailed(org_id=message.org_id, lead_id=message.lead_id, at=at)
    advancing.advance(message=message)
    if message.thread_id:
        Thread.objects.for_org(message.org_id).filter(pk=message.thread_id).update(last_message_at=at)
    Mailbox.objects.for_org(message.org_id).filter(pk=message.mailbox_id).update(
        last_sent_at=at, send_failures=0
    )


def refused(*, message: Message, fault: Fault, said: str) -> None:
    """A permanent refusal of this mail by the recipient's server, or of its content. Call in a transaction."""
    record_event(message=message, kind=MessageEvent.Kind.REFUSED, fault=str(fault), said=said)
    if fault is Fault.RECIPIENT:
        hard_bounce(message=message, said=said, origin="refused by the receiving server")
    else:
        _warn_campaign(message, said)


def _warn_campaign(message: Message, said: str) -> None:
    note = f"The receiving server refused what the mail says: {said}"
    if message.enrollment_id:
        row = Enrollment.objects.for_org(message.org_id).get(pk=message.enrollment_id)
        enrollment.stop(enrollment=row, reason=StopReason.REFUSED, note=note)
    notify(
        org=message.org,
        type="campaign_content",
        title="A mail was refused for its content",
        message=f"“{message.subject}”: {note} Look at the campaign's texts before more mails meet the same filter.",
        action_url=f"/campaigns/{message.campaign_id}/" if message.campaign_id else "",
        priority="high",
    )


def unknown(*, message: Message, said: str) -> None:
    """Whether the mail left cannot be told; it is never sent again. Call in a transaction."""
    record_event(
        message=message, kind=MessageEvent.Kind.UNKNOWN, key=f"unknown:{message.attempts}", said=said
    )
    notify(
        org=message.org,
        type=UNKNOWN_NOTE,
        title="A mail may have left, or not",
        message=f"To {message.to_email}: the server's answer was lost. It is never sent again by itself; "
        "where the Sent folder proves nothing, you decide.",
        action_url="/campaigns/messages/?status=unknown",
    )


def mailbox_at_fault(*, org_id: UUID, mailbox_id: UUID, said: str) -> bool:
    """Our fault: the mailbox stops sending until a person mends it; its mails wait. True when it was sending."""
    rows = Mailbox.objects.for_org(org_id).filter(pk=mailbox_id, status=MailboxStatus.CONNECTED)
    paused = bool(rows.update(status=MailboxStatus.PAUSED, status_reason=said[:2000]))
    if paused:
        mailbox = Mailbox.objects.for_org(org_id).select_related("org").get(pk=mailbox_id)
        record(
            org=mailbox.org,
            actor=None,
            action="mailbox.stopped",
            message=f"{mailbox.email} stopped sending.",
            subject=mailbox,
            said=said,
        )
        notify(
            org=mailbox.org,
            type="mailbox_paused",
            title=f"{mailbox.email} stopped sending",
            message=said,
            action_url="/mailboxes/",
            priority="high",
        )
    return paused


def hard_bounce(*, message: Message, said: str, origin: str) -> None:
    """The address does not exist: the lead is `bounced` and suppressed, its sequence stops. Call in a transaction."""
    rows = Message.objects.for_org(message.org_id)
    lock_open(rows.filter(lead_id=message.lead_id))
    rows.filter(pk=message.pk).update(bounced=True, bounce_type="hard")
    record_event(message=message, kind=MessageEvent.Kind.BOUNCED, type="hard", said=said)
    suppress(
        org=message.org,
        value=message.to_email,
        reason=SuppressionReason.BOUNCED,
        origin=f"{origin}: {said}"[:200],
    )
    watch_bounce_rate(org_id=message.org_id, mailbox_id=message.mailbox_id)
    lead = Lead.objects.for_org(message.org_id).get(pk=message.lead_id)
    enrollment.stop_lead(lead=lead, reason=StopReason.BOUNCED, note=f"{message.to_email} bounced: {said}")


def soft_bounce(*, message: Message, said: str) -> None:
    """A passing failure. Counted; after three mails to the same lead it counts as a hard one."""
    rows = Message.objects.for_org(message.org_id)
    rows.filter(pk=message.pk, bounced=False).update(bounced=True, bounce_type="soft")
    record_event(message=message, kind=MessageEvent.Kind.BOUNCED, key="bounced:soft", type="soft", said=said)
    if (
        rows.filter(lead_id=message.lead_id, to_email__iexact=message.to_email, bounced=True).count()
        >= SOFT_BOUNCES
    ):
        hard_bounce(message=message, said=said, origin=f"{SOFT_BOUNCES} mails bounced softly")


def watch_bounce_rate(*, org_id: UUID, mailbox_id: UUID) -> None:
    """Pause a mailbox whose hard bounces of the last week pass the limit."""
    since = clock.now() - BOUNCE_WINDOW
    recent = Message.objects.for_org(org_id).filter(mailbox_id=mailbox_id, created_at__gte=since)
    tried = recent.filter(status__in=[MessageStatus.SENT, MessageStatus.REFUSED]).count()
    bounced = recent.filter(bounced=True, bounce_type="hard").count()
    if tried >= BOUNCE_LEAST and bounced / tried > BOUNCE_MOST:
        share = f"{bounced} of the last {tried} mails bounced"
        mailbox_at_fault(
            org_id=org_id,
            mailbox_id=mailbox_id,
            said=f"{share} within a week, more than {BOUNCE_MOST:.0%}. Check where these addresses come from first.",
        )
