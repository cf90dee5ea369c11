"""Reports of mail servers about our mails: bounces, delays and complaints (RFC 3464, RFC 5965)."""

from __future__ import annotations

from django.urls import reverse

from campaigns import dsn, parsing
from campaigns.models import Classification, InboundMessage, Mailbox, Message, MessageEvent, StopReason
from campaigns.services import enrollment as enrollments
from campaigns.services import outcomes
from campaigns.services.inbound.keeping import keep, tell
from campaigns.services.inbound.matching import Reported, locked, proved, reported
from campaigns.services.transitions import lock_open, record_event
from leadpilot.lib import clock
from leadpilot.orgs.services import notify
from leads.models import SuppressionReason
from leads.services.suppression import suppress


def receive_report(
    mailbox: Mailbox, mail: parsing.ParsedMail, report: dsn.Report, source_key: str
) -> InboundMessage | None:
    """Keep a report and draw its consequences; None when it is about no mail of ours."""
    found = reported(mailbox, report)
    if not found:
        return None
    fresh = locked(message for message, _ in found)
    found = [(fresh[message.pk], failure) for message, failure in found]
    first = found[0][0]
    is_bounce = not report.complaint and any(not failure.delayed for _, failure in found if failure)
    now = clock.now()
    inbound = keep(
        mailbox,
        mail,
        source_key,
        first.lead,
        first,
        is_automatic=True,
        classification=Classification.BOUNCE if is_bounce else Classification.AUTO_REPLY,
        classification_reason=_what_it_says(report, found),
        classified_by="headers",
        classified_at=now,
        confidence=1.0,
        handled_at=now,
    )
    for message, failure in found:
        _follow(message, failure)
    tell(inbound)
    return inbound


def _follow(message: Message, failure: dsn.Failure | None) -> None:
    proved(message, "A report about it came back.")
    if failure is None:
        _complained(message)
    elif failure.delayed:
        record_event(message=message, kind=MessageEvent.Kind.DEFERRED, key="delayed", said=failure.said)
    elif failure.hard:
        outcomes.hard_bounce(message=message, said=failure.said, origin="bounced")
    else:
        outcomes.soft_bounce(message=message, said=failure.said)


def _what_it_says(report: dsn.Report, found: Reported) -> str:
    if report.complaint:
        return "A complaint: the mail was marked as spam."
    failure = found[0][1]
    assert failure is not None, "only complaints have none"
    if failure.delayed:
        kind = "is delayed"
    else:
        kind = "cannot be reached" if failure.hard else "could not be reached"
    return f"{failure.email} {kind}: {failure.status} {failure.said}"[:500]


def _complained(message: Message) -> None:
    lock_open(Message.objects.for_org(message.org_id).filter(lead_id=message.lead_id))
    record_event(message=message, kind=MessageEvent.Kind.COMPLAINED)
    suppress(
        org=message.org, value=message.to_email, reason=SuppressionReason.COMPLAINED, origin="marked as spam"
    )
    enrollments.stop_lead(lead=message.lead, reason=StopReason.UNSUBSCRIBED, note="Marked our mail as spam.")
    notify(
        org=message.org,
        type="complaint",
        title=f"{message.lead.name} marked our mail as spam",
        message="Everything to this address was stopped. Too many of these cost the mailbox its good name.",
        action_url=reverse("leads:lead_detail", args=[message.lead_id]),
        priority="high",
    )
