"""What the agent is doing now, in one line, for the top of every page."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from agent import schedule
from agent.models import AgentConfig, AgentTask, Draft, DraftStatus, TaskStatus
from agent.models.config import ConfigStatus
from campaigns.models import Message, MessageStatus, Thread
from leadpilot.lib import clock
from leadpilot.orgs.models import Organization

DOING = {
    "find_leads": "Looking for leads",
    "enrich_lead": "Researching {lead}",
    "generate_sequence": "Writing to {lead}",
    "send_message": "Sending to {lead}",
    "check_inbox": "Checking the inbox",
    "classify_reply": "Reading the answer of {lead}",
    "respond_to_reply": "Answering {lead}",
    "book_meeting": "Booking a meeting with {lead}",
    "follow_up": "Following up with {lead}",
    "report": "Writing a report",
}


def agent_status(request: HttpRequest) -> dict[str, Any]:
    """The context of `components/agent_status.html` for the request's organization."""
    org = getattr(request, "org", None)
    membership = getattr(request, "membership", None)
    if org is None or membership is None:
        return {"running": False, "state": "idle", "activity": "", "can_control": False}
    config = AgentConfig.objects.for_org(org).first()
    running = bool(
        config and config.is_enabled and config.status == ConfigStatus.RUNNING and not org.halted_at
    )
    state, activity, detail = _line(org, config, running)
    return {
        "running": running,
        "state": state,
        "activity": activity,
        "detail": detail,
        "approvals_count": waiting_for_approval(org),
        "inbox_count": unread_threads(org),
        "can_control": membership.may("member"),
    }


def waiting_for_approval(org: Organization) -> int:
    """Drafts a person has to decide."""
    return Draft.objects.for_org(org).filter(status=DraftStatus.PENDING_APPROVAL).count()


def unread_threads(org: Organization) -> int:
    """Conversations with something new in them."""
    return Thread.objects.for_org(org).filter(unread=True, is_open=True).count()


def _line(org: Organization, config: AgentConfig | None, running: bool) -> tuple[str, str, str]:
    if org.halted_at:
        return "halted", "Everything is stopped. Nothing leaves.", ""
    if config is None or not running:
        if config is not None and config.status == ConfigStatus.ERROR:
            return "error", config.status_reason or "The agent ran into an error.", ""
        return "idle", "The agent is not started.", ""
    task = AgentTask.objects.for_org(org).filter(status=TaskStatus.RUNNING).select_related("lead").first()
    waiting = (
        AgentTask.objects.for_org(org)
        .filter(status=TaskStatus.PENDING, scheduled_for__lte=clock.now())
        .count()
    )
    detail = f"{waiting} more to do" if waiting else ""
    if task is not None:
        return "running", DOING[task.task_type].format(lead=task.lead.name if task.lead else "a lead"), detail
    if waiting:
        return "running", "Working", detail
    if not schedule.is_open(config, clock.now()):
        return "waiting", f"Outside working hours, {schedule.describe(config)}.", ""
    return "waiting", _idle_text(org), ""


def _idle_text(org: Organization) -> str:
    queued = (
        Message.objects.for_org(org).filter(status__in=[MessageStatus.QUEUED, MessageStatus.DEFERRED]).count()
    )
    if queued:
        return f"{queued} mail{'s' if queued != 1 else ''} on the way"
    approvals = waiting_for_approval(org)
    if approvals:
        return f"Waiting for you: {approvals} draft{'s' if approvals != 1 else ''} to approve"
    return "Nothing to do right now"
