"""What each class of reply means for drafts, the lead and the people (seed 002, section 12.3; SPEC IN-4).

The sequence itself was stopped, resumed or left waiting when the class was recorded (campaigns.services.inbound).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.urls import reverse

from agent.engine import ClaimedTask, TaskFailed, submit
from agent.models import AgentConfig, LogType, TaskType
from agent.models.config import ConfigStatus
from agent.services import drafts
from agent.services.log import log
from campaigns.models import Classification, Enrollment, EnrollmentStatus, InboundMessage, StopReason
from campaigns.models.inbound import Sentiment
from campaigns.services import enrollment as enrollments
from campaigns.services import inbound as inbox
from campaigns.services.unsubscribe import unsubscribe
from leadpilot.orgs.models import User
from leadpilot.orgs.services import notify
from leads.models import Lead, LeadStatus, SuppressionReason
from leads.services.leads import set_status
from leads.services.suppression import suppress

HANDLED = "reply_handled"


@dataclass(frozen=True)
class Case:
    """An answer, whose it is, and what the organization wants done with answers. `by` corrected its class by hand."""

    found: InboundMessage
    lead: Lead
    config: AgentConfig
    by: User | None = None


def act_on(
    found: InboundMessage, *, config: AgentConfig, task: ClaimedTask | None = None, by: User | None = None
) -> str:
    """Do what the class asks for, in the transaction that is open; returns what was done, in words.

    It is asked for by the task that read it, or by the person (`by`) who corrected it. Raises TaskFailed for a mail
    that belongs to no lead.
    """
    if found.lead is None:
        raise TaskFailed("The mail belongs to no lead.")
    case = Case(found, found.lead, config, by)
    if found.sentiment == Sentiment.ANGRY and not found.is_automatic:
        done = _angry(case)
    elif found.confidence is not None and found.confidence < config.minimum_confidence and _is_unsure(found):
        done = _unclear(case)
    else:
        done = _BY_CLASS.get(found.classification, _unclear)(case)
    log(
        org=found.org_id,
        log_type=LogType.ACTION,
        action_type=HANDLED,
        agent=task.agent_id if task else None,
        task=task.id if task else None,
        actor=by,
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


def _end(case: Case, reason: StopReason, note: str) -> None:
    """No more of the sequence goes to this person; the conversation may go on."""
    enrollments.stop_lead(lead=case.lead, reason=reason, note=note)
    drafts.withdraw_drafts(lead=case.lead, reason=note, keep_answers=True)
    if case.lead.status != LeadStatus.MEETING:
        set_status(lead=case.lead, status=LeadStatus.REPLIED)


def _notify(case: Case, title: str, message: str, *, priority: str = "medium") -> str:
    """Tell people; returns that they were told, in words. Whoever corrected the class has just read it."""
    if case.by is not None:
        return ""
    found = case.found
    url = (
        reverse("campaigns:thread", args=[found.thread_id]) if found.thread_id else reverse("campaigns:inbox")
    )
    notify(org=found.org, type="reply", title=title, message=message, action_url=url, priority=priority)
    return " People were told."


def _unsubscribe(case: Case) -> str:
    name = case.lead.name
    unsubscribe(lead=case.lead, origin="a reply asked for it", message=case.found.message)
    drafts.withdraw_drafts(lead=case.lead, reason=f"{name} asked to be left alone.")
    inbox.mark_handled(inbound=case.found)
    return f"{name} was unsubscribed and is not written to again."


def _angry(case: Case) -> str:
    found, lead = case.found, case.lead
    note = f"{lead.name} answered angrily."
    suppress(org=found.org, value=lead.email, reason=SuppressionReason.COMPLAINED, origin="an angry reply")
    enrollments.stop_lead(lead=lead, reason=StopReason.UNSUBSCRIBED, note=note)
    drafts.withdraw_drafts(lead=lead, reason=note)
    told = _notify(case, f"{lead.name} is angry", found.classification_reason, priority="high")
    return f"Everything to {lead.name} was stopped, and the address is suppressed.{told}"


def _not_interested(case: Case) -> str:
    _end(case, StopReason.REPLIED, f"{case.lead.name} is not interested.")
    inbox.mark_handled(inbound=case.found)
    return f"The sequence to {case.lead.name} was stopped: not interested."


def _robot(case: Case) -> str:
    """Recording the class has let the sequence go on: now, or after the return."""
    inbox.mark_handled(inbound=case.found)
    running = (
        Enrollment.objects.for_org(case.found.org_id)
        .filter(lead=case.lead, status=EnrollmentStatus.ACTIVE)
        .first()
    )
    if running is None:
        return "An automatic answer; no sequence was waiting for it."
    return f"An automatic answer. {running.next_reason}"


def _to_answer(case: Case) -> str:
    found, name = case.found, case.lead.name
    label = found.get_classification_display()
    _end(case, StopReason.REPLIED, f"{name} answered: {label.lower()}.")
    if case.config.notify_on_positive_reply:
        priority = "high" if found.classification == Classification.INTERESTED else "medium"
        _notify(case, f"{name}: {label}", found.classification_reason, priority=priority)
    stopped = f"The sequence to {name} was stopped"
    if drafts.is_answered(found):
        return f"{stopped}; the mail has an answer already ({label.lower()})."
    propose_answer(found)
    if not _works(case):
        return f"{stopped}; an answer is prepared as soon as the agent is started ({label.lower()})."
    return f"{stopped}, and an answer is being prepared ({label.lower()})."


def _works(case: Case) -> bool:
    running = case.config.is_enabled and case.config.status == ConfigStatus.RUNNING
    return running and case.found.org.halted_at is None


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


def _someone_else(case: Case) -> str:
    extracted, name = case.found.extracted, case.lead.name
    other = " ".join(str(extracted[key]) for key in ("contact_name", "contact_email") if extracted.get(key))
    whom = f" and named {other}" if other else ""
    note = f"{name} is not the right person{whom}."
    _end(case, StopReason.REPLIED, note)
    told = _notify(case, f"{name} points to someone else", note)
    return f"The sequence to {name} was stopped: not the right person{whom}.{told}"


def _bounce(case: Case) -> str:
    inbox.mark_handled(inbound=case.found)
    return "A bounce; the mailbox dealt with it when it came in."


def _unclear(case: Case) -> str:
    name = case.lead.name
    enrollments.pause_lead(lead=case.lead, reason=f"{name} wrote something that a person has to read.")
    _notify(case, f"{name} wrote; please read it", case.found.classification_reason)
    return f"What {name} wrote is not clear; the sequence waits until a person has read it."


_BY_CLASS: dict[str, Callable[[Case], str]] = {
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
