"""A person says what a mail means: its class, and with it whether a person or a machine wrote it (SPEC IN-2)."""

from __future__ import annotations

from collections.abc import Callable

from django.db import transaction

from campaigns.models import (
    Classification,
    Enrollment,
    EnrollmentStatus,
    InboundMessage,
    Message,
    StopReason,
)
from campaigns.models.inbound import Sentiment
from campaigns.services.inbound.classes import ROBOTS, record_classification
from campaigns.services.inbound.matching import locked
from campaigns.services.inbound.receiving import answered
from leadpilot.orgs.models import User
from leads.models import CLOSED_STATUSES, Lead, LeadStatus
from leads.services.leads import set_status
from leads.services.suppression import find_suppression

Listener = Callable[[InboundMessage, str, User], list[str]]
_OPTS_OUT = (Classification.UNSUBSCRIBE, Classification.BOUNCE)
_MAY_BE_ANGRY = (Classification.UNSUBSCRIBE, Classification.NOT_INTERESTED, Classification.OTHER)
_LISTENERS: list[Listener] = []


def on_corrected(listener: Listener) -> None:
    """Have `listener(mail, class before, who)` do what follows from a correction, in its transaction.

    It returns what it did, in sentences for the person.
    """
    if listener not in _LISTENERS:
        _LISTENERS.append(listener)


@transaction.atomic
def correct_classification(*, inbound: InboundMessage, classification: str, by: User) -> list[str]:
    """Give a mail the class a person says it has, and do what follows from that class as if it had been read so.

    Returns in sentences what was done, and what an earlier reading did that a correction does not take back.
    """
    kind = Classification(classification)
    rows = InboundMessage.objects.for_org(inbound.org_id).filter(pk=inbound.pk)
    found = rows.select_related("lead", "message", "org").select_for_update(of=("self",), no_key=True).get()
    before = found.classification
    _write_author(found, kind)
    record_classification(
        inbound=found,
        classification=kind,
        sentiment=_sentiment(found, kind),
        confidence=1.0,
        reason=_reason(before, kind, by),
        extracted=found.extracted,
        by=str(by),
    )
    stays = _what_stays(found, kind)
    done = [sentence for listener in _LISTENERS for sentence in listener(found, before, by)]
    if stays:
        rows.update(classification_reason=" ".join([found.classification_reason, *stays]))
    return [*done, *stays]


def _write_author(found: InboundMessage, kind: Classification) -> None:
    """A machine's mail or a person's: the class decides, and what was concluded from the other is put right."""
    was_automatic, found.is_automatic, found.handled_at = found.is_automatic, kind in ROBOTS, None
    found.save(update_fields=["is_automatic", "handled_at"])
    if found.lead is None or was_automatic == found.is_automatic:
        return
    if found.is_automatic:
        _no_answer_after_all(found, found.lead)
    else:
        message = found.message and locked([found.message])[found.message.pk]
        answered(found, found.lead, message)


def _no_answer_after_all(found: InboundMessage, lead: Lead) -> None:
    people = InboundMessage.objects.for_org(found.org_id).filter(lead=lead, is_automatic=False)
    if found.message_id and not people.filter(message_id=found.message_id).exists():
        rows = Message.objects.for_org(found.org_id).filter(pk=found.message_id)
        rows.update(replied=False, replied_at=None)
    if lead.status == LeadStatus.REPLIED and not people.exists():
        set_status(lead=lead, status=LeadStatus.EMAILED)


def _sentiment(found: InboundMessage, kind: Classification) -> str:
    """A mail that a person calls a question was not read rightly when it was read as angry."""
    if found.sentiment == Sentiment.ANGRY and kind not in _MAY_BE_ANGRY:
        return Sentiment.NEUTRAL
    return found.sentiment or Sentiment.NEUTRAL


def _reason(before: str, kind: Classification, by: User) -> str:
    if before == kind:
        return f"Confirmed by {by.display_name}."
    was = f" It was read as “{Classification(before).label.lower()}” before." if before else ""
    return f"Corrected by {by.display_name}.{was}"


def _what_stays(found: InboundMessage, kind: Classification) -> list[str]:
    if found.lead is None or kind in _OPTS_OUT:
        return []
    lead = found.lead
    lead.refresh_from_db(fields=["status"])
    entry = find_suppression(org=found.org, email=lead.email)
    if entry is not None:
        return [
            f"{entry.value} stays on the suppression list ({entry.get_reason_display().lower()}) until a person "
            f"takes it off; nothing is sent to {lead.name}."
        ]
    if lead.status in CLOSED_STATUSES:
        return [f"{lead.name} stays {lead.get_status_display().lower()}; nothing is sent."]
    ended = Enrollment.objects.for_org(found.org_id).filter(
        lead=lead, status=EnrollmentStatus.STOPPED, stop_reason=StopReason.REPLIED
    )
    if kind in ROBOTS and ended.exists():
        return ["The sequence stays stopped: its mails were cancelled when this was read as an answer."]
    return []
