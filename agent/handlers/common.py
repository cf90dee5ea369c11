"""What the handlers share."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from agent.engine import ClaimedTask, TaskFailed, TaskLater, TaskNeedsApproval
from agent.gate import STOPPED_CODES
from agent.models import AgentTask
from campaigns.models import InboundMessage
from leadpilot.lib import clock
from leadpilot.lib.verdict import Outcome, Verdict
from leads.models import Lead

RECHECK = timedelta(minutes=15)  # when a deferral waits for an obstacle instead of a time


def row_of(task: ClaimedTask) -> AgentTask:
    """The task's row."""
    return AgentTask.objects.for_org(task.org_id).get(pk=task.id)


def lead_of(task: ClaimedTask) -> Lead:
    """The task's lead with its organization and company."""
    if task.lead_id is None:
        raise TaskFailed("The task names no lead.")
    return Lead.objects.for_org(task.org_id).select_related("org", "company_profile").get(pk=task.lead_id)


def inbound_id(task: ClaimedTask) -> UUID:
    """The mail a task is about. Raises TaskFailed when it is gone."""
    if task.inbox_message_id is None:
        raise TaskFailed("The mail is not there any more.")
    return task.inbox_message_id


def inbound_of(task: ClaimedTask) -> InboundMessage:
    """The mail a task is about, with all that readers and writers look at. Raises TaskFailed when it is gone."""
    related = ("org", "lead__company_profile", "thread", "mailbox", "message__enrollment")
    found: InboundMessage | None = (
        InboundMessage.objects.for_org(task.org_id)
        .select_related(*related)
        .filter(pk=inbound_id(task))
        .first()
    )
    if found is None:
        raise TaskFailed("The mail is not there any more.")
    return found


def because(verdict: Verdict) -> str:
    """The reasons of a verdict in one line."""
    return " ".join(reason.text for reason in verdict.reasons)


def may(verdict: Verdict) -> bool:
    """True to go on, False when it must not happen at all; waiting and asking end the task's turn.

    Call it after the transaction in which the gate was asked, so that its Decision is kept.
    """
    if verdict.outcome is Outcome.DEFER:
        raise TaskLater(verdict.until or clock.now() + RECHECK, because(verdict))
    if verdict.outcome in (Outcome.ASK, Outcome.ESCALATE):
        raise TaskNeedsApproval(because(verdict))
    if stopped(verdict):
        raise TaskLater(clock.now(), because(verdict))
    return verdict.allowed


def stopped(verdict: Verdict) -> bool:
    """Whether it is Stop alone that stands in the way: the work waits for Start."""
    return verdict.outcome is Outcome.DENY and all(reason.code in STOPPED_CODES for reason in verdict.reasons)
