"""The checks of the first gate, in the order in which their reasons are read."""

from __future__ import annotations

from datetime import timedelta

from agent import limits, schedule
from agent.gate import SENDS, Proposal, full
from agent.models import DraftStatus
from agent.models.config import ConfigStatus
from agent.models.draft import Draft
from campaigns.models import Classification
from campaigns.models.campaign import ApprovalMode
from leadpilot.lib import verdict as verdicts
from leadpilot.lib.verdict import Verdict
from leads.models import CLOSED_STATUSES
from leads.services.suppression import find_suppression

# What the settings may call an action: the gate's name, or the task's (seed 002 uses both).
ALSO_CALLED = {
    "research_lead": ("research_lead", "enrich_lead"),
    "write_sequence": ("write_sequence", "generate_sequence"),
    "respond_to_reply": ("respond_to_reply", "send_message"),  # an answer is a message that is sent
}
ANSWERS_A_DAY = 1


def not_halted(p: Proposal) -> Verdict | None:
    """The kill switch binds people too."""
    if p.org.halted_at is not None:
        return verdicts.deny("halted", "Everything is stopped; press Start first.")
    return verdicts.allow("not_halted", "Nothing is stopped.")


def agent_runs(p: Proposal) -> Verdict | None:
    """The agent acts by itself only while it is switched on."""
    if not p.is_automatic:
        return None
    if p.config.is_enabled and p.config.status == ConfigStatus.RUNNING:
        return verdicts.allow("agent_runs", "The agent is running.")
    return verdicts.deny("agent_stopped", "The agent is not running.", status=p.config.status)


def within_schedule(p: Proposal) -> Verdict | None:
    """Its working hours; a person's own act keeps no hours."""
    if not p.is_automatic:
        return None
    if schedule.is_open(p.config, p.now):
        return verdicts.allow("schedule", "It is within the agent's working hours.")
    opens = schedule.opens_at(p.config, p.now)
    if opens is None:
        return verdicts.defer(None, "schedule", "The agent has no working day; choose one in its settings.")
    return verdicts.defer(
        opens, "schedule", f"It is outside the agent's hours, {schedule.describe(p.config)}."
    )


def messages_left(p: Proposal) -> Verdict | None:
    """Whether an answer could leave today. A sequence's mails leave on other days: the second gate counts them."""
    if not p.is_automatic or p.action != "respond_to_reply":
        return None
    limit = limits.messages_per_day(p.org, p.config, p.now)
    used = limit.used(p.org.pk)
    if used >= limit.limit:
        return full(limit)
    return verdicts.allow(limit.code, f"{used} of {limit.limit} {limit.text}.", used=used, limit=limit.limit)


def sure_enough(p: Proposal) -> Verdict | None:
    """Below the minimum confidence a person looks: at the conversation for an answer, at the proposal otherwise."""
    if not p.is_automatic or p.confidence is None:
        return None
    text = f"Confidence {p.confidence:.2f}, at least {p.config.minimum_confidence:.2f} is asked for."
    data = {"confidence": p.confidence, "minimum": p.config.minimum_confidence}
    if p.confidence >= p.config.minimum_confidence:
        return verdicts.allow("confidence", text, **data)
    if p.action in ("respond_to_reply", "book_meeting"):
        return verdicts.escalate("confidence", text, **data)
    return verdicts.ask("confidence", text, **data)


def approval(p: Proposal) -> Verdict | None:
    """What the settings or the campaign want a person to approve."""
    if not p.is_automatic:
        return verdicts.allow("person", f"{p.actor.display_name} asks for it." if p.actor else "")
    if p.task is not None and p.task.approved_by_id is not None:
        return verdicts.allow("approved", "A person approved this task.", by=str(p.task.approved_by_id))
    names = ALSO_CALLED.get(p.action, (p.action,))
    if listed := [name for name in names if name in p.config.require_approval_for]:
        return verdicts.ask(
            "approval_required", "The settings ask for a person's approval.", setting=listed[0]
        )
    campaign = p.draft.campaign if p.draft else None
    if p.action == "send_message" and campaign and campaign.approval_mode == ApprovalMode.EVERY:
        return verdicts.ask("campaign_approval", f"The campaign “{campaign}” wants every mail approved.")
    return verdicts.allow("no_approval_needed", "The settings leave this to the agent.")


def answer_settings(p: Proposal) -> Verdict | None:
    """Which answers the agent may send by itself (`auto_respond_to_…`)."""
    if not p.is_automatic or p.action != "respond_to_reply" or p.inbound is None:
        return None
    kind = p.inbound.classification
    if kind == Classification.INTERESTED and p.config.auto_respond_to_positive:
        return verdicts.allow("auto_respond", "Positive replies may be answered without asking.")
    if kind == Classification.QUESTION and p.config.auto_respond_to_questions:
        return verdicts.allow("auto_respond", "Questions may be answered without asking.")
    what = p.inbound.get_classification_display().lower()
    return verdicts.ask("auto_respond", f"Replies of the kind “{what}” are answered by a person.", kind=kind)


def no_loop(p: Proposal) -> Verdict | None:
    """Robots are never answered, people at most once a thread and day without a person's approval (TRUST F16)."""
    if p.action != "respond_to_reply" or p.inbound is None:
        return None
    if p.inbound.is_automatic:
        return verdicts.deny("automatic_reply", "An automatic reply is never answered.")
    if not p.is_automatic or p.inbound.thread_id is None:
        return None
    answered = Draft.objects.for_org(p.org).filter(
        in_reply_to__thread_id=p.inbound.thread_id,
        decided_by=None,
        status__in=[DraftStatus.APPROVED, DraftStatus.SENT],
        approved_at__gt=p.now - timedelta(days=1),
    )
    if answered.count() < ANSWERS_A_DAY:
        return verdicts.allow("no_loop", "This thread has no automatic answer within a day.")
    return verdicts.escalate("loop", "This thread was answered automatically within a day; it may be a loop.")


def supported(p: Proposal) -> Verdict | None:
    """Every personal claim rests on a fact."""
    if p.draft is None or p.action not in SENDS:
        return None
    if not p.draft.has_unsupported:
        return verdicts.allow("supported", "Every personal sentence rests on a quoted fact.")
    if not p.is_automatic:
        return None
    return verdicts.ask(
        "unsupported_claim", "A sentence rests on nothing that was found; a person has to look."
    )


def lead_open(p: Proposal) -> Verdict | None:
    """Closed leads and suppressed addresses are left alone, whoever asks."""
    if p.lead is None:
        return None
    if p.lead.status in CLOSED_STATUSES:
        what = p.lead.get_status_display().lower()
        return verdicts.deny("lead_closed", f"{p.lead.name} is {what}.", status=p.lead.status)
    if entry := find_suppression(org=p.org, email=p.lead.email):
        return verdicts.deny(
            "suppressed", f"{entry.value} is on the suppression list.", reason=entry.reason, value=entry.value
        )
    return verdicts.allow("lead_open", "The lead is open and not on the suppression list.")


ALL = (
    not_halted,
    agent_runs,
    within_schedule,
    messages_left,
    sure_enough,
    approval,
    answer_settings,
    no_loop,
    supported,
    lead_open,
)
