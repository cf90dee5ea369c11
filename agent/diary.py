"""The agent's part of a lead's timeline."""

from __future__ import annotations

from typing import Any

from agent import chronicle
from agent.models import AgentLog, Decision, LogType
from leadpilot.lib.verdict import Outcome
from leads.models import Lead
from leads.queries import TimelineItem

MOST = 100
ICONS = {
    LogType.DECISION: "scale",
    LogType.ACTION: "bot",
    LogType.OBSERVATION: "eye",
    LogType.LEARNING: "lightbulb",
    LogType.ERROR: "triangle-alert",
    LogType.APPROVAL: "list-checks",
    LogType.RULE_TRIGGERED: "list-filter",
}
ACTIONS = {
    "research_lead": "Research",
    "write_sequence": "Writing the mails",
    "enroll_lead": "Enrolment",
    "send_message": "Sending a mail",
    "respond_to_reply": "Answering",
    "book_meeting": "Booking a meeting",
}
OUTCOMES = {
    Outcome.DENY: "refused",
    Outcome.DEFER: "put off",
    Outcome.ASK: "waits for a person",
    Outcome.ESCALATE: "handed to a person",
}


def logs(lead: Lead) -> list[TimelineItem]:
    """What the agent wrote down about this lead; what happened to its mails is told by the mails themselves."""
    lines = AgentLog.objects.for_org(lead.org_id).filter(lead=lead)
    entries = lines.exclude(action_type__startswith=chronicle.ACTION).order_by("-created_at")[:MOST]
    return [
        TimelineItem(
            entry.created_at,
            entry.log_type,
            entry.message,
            entry.reasoning,
            icon=ICONS[LogType(entry.log_type)],
            tone="danger" if entry.log_type == LogType.ERROR else "",
        )
        for entry in entries
    ]


def decisions(lead: Lead) -> list[TimelineItem]:
    """Where the gate said anything but yes, and why; what it allowed shows in what was done."""
    asked = Decision.objects.for_org(lead.org_id).filter(lead=lead).exclude(outcome=str(Outcome.ALLOW))
    return [
        TimelineItem(
            decision.created_at,
            "gate",
            f"{ACTIONS.get(decision.action, decision.action)}: {OUTCOMES[Outcome(decision.outcome)]}",
            " ".join(reason["text"] for reason in standing(decision)),
            icon="shield",
            reasons=decision.reasons,
        )
        for decision in asked.order_by("-created_at")[:MOST]
    ]


def standing(decision: Decision) -> list[dict[str, Any]]:
    """The reasons of a decision that stood in the way."""
    return [reason for reason in decision.reasons if reason.get("outcome") != str(Outcome.ALLOW)]
