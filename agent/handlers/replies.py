"""What each class of reply means for drafts, the lead and the people (seed 002, section 12.3; SPEC IN-4).

The sequence itself was stopped, resumed or left waiting when the class was recorded (campaigns.services.inbound).
"""

from __future__ import annotations

from collections.abc import Callable

from django.urls import reverse

from agent.engine import ClaimedTask, submit
from agent.models import AgentConfig, LogType, TaskType
from agent.services import drafts
from agent.services.log import log
from campaigns.models import Classification, Enrollment, EnrollmentStatus, InboundMessage, StopReason
from campaigns.models.inbound import Sentiment
from campaigns.services import enrollment as enrollments
from campaigns.services import inbound as inbox
from campaigns.services.unsubscribe import unsubscribe
from leadpilot.orgs.services import notify
from leads.models import LeadStatus, SuppressionReason
from leads.services.leads import set_status
from leads.services.suppression import suppress

HANDLED = "reply_handled"


def act_on(found: InboundMessage, *, config: AgentConfig, task: ClaimedTask) -> str:
    """Do what the class asks for, in the transaction that is open; returns what was done, in words."""
    if found.sentiment == Sentiment.ANGRY and not found.is_automatic:
        done = _angry(found, config, task)
    elif found.confidence is not None and found.confidence < config.minimum_confidence and _is_unsure(found):
        done = _unclear(found, config, task)
    else:
        done = _BY_CLASS.get(found.classification, _unclear)(found, config, task)
    log(
        org=found.org_id,
        log_type=LogType.ACTION,
        action_type=HANDLED,
        agent=task.agent_id,
        task=task.id,
        lead=found.lead_id,
        message=done,
        reasoning=found.classification_reason,
        confidence=found.confidence,
        details={"inbound": str(found.pk), "classification": found.classification},
    )
    return done


def _is_unsure(found: InboundMessage) -> bool:
    """A wish to be left alone counts even when it is only probable."""
    return found.classification not in (
        Classification.UNSUBSCRIBE,
        Classification.BOUNCE,
        Classification.OUT_OF_OFFICE,
        Classification.AUTO_REPLY,
    )


def _end(found: InboundMessage, reason: StopReason, note: str) -> None:
    """No more of the sequence goes to this person; the conversation may go on."""
    enrollments.stop_lead(lead=found.lead, reason=reason, note=note)
    drafts.withdraw_drafts(lead=found.lead, reason=note, keep_answers=True)
    if found.lead.status != LeadStatus.MEETING:
        set_status(lead=found.lead, status=LeadStatus.REPLIED)


def _notify(found: InboundMessage, title: str, message: str, *, priority: str = "medium") -> None:
    url = (
        reverse("campaigns:thread", args=[found.thread_id]) if found.thread_id else reverse("campaigns:inbox")
    )
    notify(org=found.org, type="reply", title=title, message=message, action_url=url, priority=priority)


def _unsubscribe(found: InboundMessage, config: AgentConfig, task: ClaimedTask) -> str:
    unsubscribe(lead=found.lead, origin="a reply asked for it", message=found.message)
    drafts.withdraw_drafts(lead=found.lead, reason=f"{found.lead.name} asked to be left alone.")
    inbox.mark_handled(inbound=found)
    return f"{found.lead.name} was unsubscribed and is not written to again."


def _angry(found: InboundMessage, config: AgentConfig, task: ClaimedTask) -> str:
    note = f"{found.lead.name} answered angrily."
    suppress(
        org=found.org, value=found.lead.email, reason=SuppressionReason.COMPLAINED, origin="an angry reply"
    )
    enrollments.stop_lead(lead=found.lead, reason=StopReason.UNSUBSCRIBED, note=note)
    drafts.withdraw_drafts(lead=found.lead, reason=note)
    _notify(found, f"{found.lead.name} is angry", found.classification_reason, priority="high")
    return f"Everything to {found.lead.name} was stopped, the address is suppressed, and people were told."


def _not_interested(found: InboundMessage, config: AgentConfig, task: ClaimedTask) -> str:
    _end(found, StopReason.REPLIED, f"{found.lead.name} is not interested.")
    inbox.mark_handled(inbound=found)
    return f"The sequence to {found.lead.name} was stopped: not interested."


def _robot(found: InboundMessage, config: AgentConfig, task: ClaimedTask) -> str:
    """Recording the class has let the sequence go on: now, or after the return."""
    inbox.mark_handled(inbound=found)
    running = (
        Enrollment.objects.for_org(found.org_id)
        .filter(lead=found.lead, status=EnrollmentStatus.ACTIVE)
        .first()
    )
    if running is None:
        return "An automatic answer; no sequence was waiting for it."
    return f"An automatic answer. {running.next_reason}"


def _to_answer(found: InboundMessage, config: AgentConfig, task: ClaimedTask) -> str:
    label = found.get_classification_display()
    _end(found, StopReason.REPLIED, f"{found.lead.name} answered: {label.lower()}.")
    if config.notify_on_positive_reply:
        priority = "high" if found.classification == Classification.INTERESTED else "medium"
        _notify(found, f"{found.lead.name}: {label}", found.classification_reason, priority=priority)
    propose_answer(found)
    return (
        f"The sequence to {found.lead.name} was stopped, and an answer is being prepared ({label.lower()})."
    )


def propose_answer(found: InboundMessage) -> None:
    """Have an answer written; one a mail."""
    submit(
        org=found.org_id,
        task_type=TaskType.RESPOND_TO_REPLY,
        lead=found.lead_id,
        inbox_message=found.pk,
        dedupe_key=f"respond:{found.pk}",
        priority=20,
    )


def _someone_else(found: InboundMessage, config: AgentConfig, task: ClaimedTask) -> str:
    name = " ".join(
        str(found.extracted[key]) for key in ("contact_name", "contact_email") if found.extracted.get(key)
    )
    whom = f" and named {name}" if name else ""
    _end(found, StopReason.REPLIED, f"{found.lead.name} is not the right person{whom}.")
    _notify(
        found,
        f"{found.lead.name} points to someone else",
        f"{found.lead.name} is not the right person{whom}.",
    )
    return f"The sequence to {found.lead.name} was stopped: not the right person{whom}. People were told."


def _bounce(found: InboundMessage, config: AgentConfig, task: ClaimedTask) -> str:
    inbox.mark_handled(inbound=found)
    return "A bounce; the mailbox dealt with it when it came in."


def _unclear(found: InboundMessage, config: AgentConfig, task: ClaimedTask) -> str:
    enrollments.pause_lead(
        lead=found.lead, reason=f"{found.lead.name} wrote something that a person has to read."
    )
    _notify(found, f"{found.lead.name} wrote; please read it", found.classification_reason)
    return f"What {found.lead.name} wrote is not clear; the sequence waits until a person has read it."


_BY_CLASS: dict[str, Callable[[InboundMessage, AgentConfig, ClaimedTask], str]] = {
    Classification.UNSUBSCRIBE: _unsubscribe,
    Classification.NOT_INTERESTED: _not_interested,
    Classification.OUT_OF_OFFICE: _robot,
    Classification.AUTO_REPLY: _robot,
    Classification.INTERESTED: _to_answer,
    Classification.QUESTION: _to_answer,
    Classification.OBJECTION: _to_answer,
    Classification.WRONG_PERSON: _someone_else,
    Classification.REFERRAL: _someone_else,
    Classification.BOUNCE: _bounce,
}
