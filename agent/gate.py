"""The first gate: may we? Every outward action passes here, whoever asks (DESIGN 1; SPEC AG-6).

Each check adds its reason to the trace; the strictest outcome wins; the whole is kept as a Decision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db import transaction

from agent import limits
from agent.models import AgentConfig, AgentTask, Decision, Draft
from agent.services import control
from campaigns.models import InboundMessage, Message
from leadpilot.lib import clock
from leadpilot.lib import verdict as verdicts
from leadpilot.lib.verdict import Outcome, Verdict
from leadpilot.orgs.models import Organization, User
from leads.models import Lead

SENDS = frozenset({"send_message", "respond_to_reply"})
ACTIONS = frozenset({"research_lead", "write_sequence", "enroll_lead", "book_meeting", *SENDS})
# Reasons that mean "not while it is stopped" rather than "never".
STOPPED_CODES = frozenset({"halted", "agent_stopped"})


@dataclass(frozen=True)
class Proposal:
    """What is asked, by whom, about what, when. Without an actor it is the agent's own idea."""

    org: Organization
    config: AgentConfig
    action: str
    now: datetime
    lead: Lead | None = None
    draft: Draft | None = None
    task: AgentTask | None = None
    message: Message | None = None
    inbound: InboundMessage | None = None
    actor: User | None = None
    confidence: float | None = None
    situation: dict[str, Any] = field(default_factory=dict)

    @property
    def is_automatic(self) -> bool:
        return self.actor is None


Check = Callable[[Proposal], Verdict | None]
_CHECKS: list[Check] = []


def register_check(check: Check) -> Check:
    """Add a check to the end of the list: `check(proposal)` gives its verdict, or None when it has no say."""
    if check not in _CHECKS:
        _CHECKS.append(check)
    return check


@transaction.atomic
def propose(
    *,
    org: Organization,
    action: str,
    lead: Lead | None = None,
    draft: Draft | None = None,
    task: AgentTask | None = None,
    message: Message | None = None,
    actor: User | None = None,
    confidence: float | None = None,
    situation: dict[str, Any] | None = None,
) -> Verdict:
    """May this be done? Writes the Decision with its trace, and takes a place of the limits when it is allowed. When it
    is not, the verdict that comes back has only the reasons of the outcome that won.

    A person (`actor`) needs no approval and no confidence, and is bound by Stop, suppression and closed leads all the
    same. Raises ValueError for an unknown action.
    """
    if action not in ACTIONS:
        raise ValueError(f"{action} is not an action; choose one of {', '.join(sorted(ACTIONS))}.")
    proposal = Proposal(
        org=Organization.objects.get(pk=org.pk),
        config=control.config_for(org),
        action=action,
        now=clock.now(),
        lead=lead or (draft.lead if draft else None),
        draft=draft,
        task=task,
        message=message,
        inbound=(draft and draft.in_reply_to) or (task and task.inbox_message) or None,
        actor=actor,
        confidence=confidence,
        situation=situation or {},
    )
    said = [verdict for check in _CHECKS if (verdict := check(proposal)) is not None]
    if verdicts.combine(said).allowed:
        said.append(_take_limits(proposal))
    verdict = verdicts.combine(said)
    _record(proposal, verdict, said)
    if verdict.allowed:
        return verdict
    return replace(verdict, reasons=verdicts.combine(v for v in said if v.outcome is verdict.outcome).reasons)


def _take_limits(proposal: Proposal) -> Verdict:
    taken: list[limits.Limit] = []
    for limit in limits_of(proposal):
        if not limit.take(proposal.org.pk):
            for each in taken:
                each.give_back(proposal.org.pk)
            return full(limit)
        taken.append(limit)
    text = "It is within the limits." if taken else "No limit counts this."
    return verdicts.allow("limits", text, taken=[limit.code for limit in taken])


def limits_of(proposal: Proposal) -> list[limits.Limit]:
    """The limits that count this. The same lead is counted once a day, however often its research is begun anew."""
    if not proposal.is_automatic:
        return []
    found = []
    if proposal.action == "research_lead":
        if not _counted_today(proposal):
            found.append(limits.leads_per_day(proposal.org, proposal.config, proposal.now))
        found.append(limits.research_per_minute(proposal.now))
    if proposal.action in limits.COUNTED_AS_ACTION:
        found.append(limits.actions_per_hour(proposal.config, proposal.now))
    return found


def full(limit: limits.Limit) -> Verdict:
    """The verdict of a limit with no place left."""
    text = f"The limit of {limit.limit} {limit.text} is reached."
    return verdicts.defer(limit.renewed_at, limit.code, text, limit=limit.limit)


def _counted_today(proposal: Proposal) -> bool:
    day_ends = limits.leads_per_day(proposal.org, proposal.config, proposal.now).renewed_at
    earlier = Decision.objects.for_org(proposal.org).filter(
        lead=proposal.lead, action=proposal.action, outcome=Outcome.ALLOW, actor=None
    )
    latest = earlier.order_by("-created_at").values_list("created_at", flat=True).first()
    if proposal.lead is None or latest is None:
        return False
    return limits.leads_per_day(proposal.org, proposal.config, latest).renewed_at == day_ends


def _record(proposal: Proposal, verdict: Verdict, said: Iterable[Verdict]) -> None:
    trace = [
        {"code": r.code, "text": r.text, "data": r.data, "outcome": str(each.outcome)}
        for each in said
        for r in each.reasons
    ]
    Decision.objects.create(
        org=proposal.org,
        task=proposal.task,
        lead=proposal.lead,
        draft=proposal.draft,
        message=proposal.message,
        actor=proposal.actor,
        action=proposal.action,
        situation={
            **proposal.situation,
            "confidence": proposal.confidence,
            "lead_status": proposal.lead.status if proposal.lead else None,
            "draft_version": proposal.draft.version if proposal.draft else None,
        },
        outcome=str(verdict.outcome),
        reasons=trace,
        until=verdict.until,
    )
