"""Research one lead: read what the web says, keep facts with their quotes, score, and say why it is skipped."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from agent import gate
from agent.engine import ClaimedTask, handles, hold
from agent.handlers.common import because, lead_of, may, row_of
from agent.models import LogType, TaskType
from agent.services.control import config_for
from agent.services.log import log
from agent.strategy import plan_research
from leadpilot.lib import clock, jobs
from leads.models import CLOSED_STATUSES, Lead, LeadStatus
from leads.qualification import Assessment, assess
from leads.services import research
from leads.services.leads import set_status

BEFORE_MAIL = (LeadStatus.NEW, LeadStatus.RESEARCHING, LeadStatus.RESEARCHED, LeadStatus.SKIPPED)


def research_failed(task: ClaimedTask, message: str) -> None:
    """The research was given up or refused: the lead is skipped and says why, so that it is not begun again for ever."""
    lead = lead_of(task)
    if lead.status not in (LeadStatus.NEW, LeadStatus.RESEARCHING, LeadStatus.SKIPPED):
        return
    if (
        task.input_data.get("was") == LeadStatus.RESEARCHED
    ):  # asked for again: what was known before still holds
        set_status(lead=lead, status=LeadStatus.RESEARCHED)
    else:
        set_status(lead=lead, status=LeadStatus.SKIPPED, skip_reason=f"Not researched: {message}")


@handles(TaskType.ENRICH_LEAD, gave_up=research_failed)
def enrich_lead(task: ClaimedTask) -> dict[str, Any]:
    """new → researching → researched, or skipped with the reason. With `{"again": true}` a later lead is read anew and
    keeps its place."""
    with hold(task):
        lead = lead_of(task)
        if lead.status in CLOSED_STATUSES or (_is_over(lead) and not task.input_data.get("again")):
            return {"skipped": f"{lead.name} is {lead.get_status_display().lower()}."}
        verdict = gate.propose(org=lead.org, action="research_lead", lead=lead, task=row_of(task))
        if verdict.allowed and lead.status in BEFORE_MAIL:
            set_status(lead=lead, status=LeadStatus.RESEARCHING)
        plan = plan_research(lead, task.input_data.get("depth", "standard"))
    if not may(verdict):
        return _denied(task, because(verdict))
    anew = 0 if task.input_data.get("again") else None
    gathered = research.gather(
        org_id=task.org_id, lead_id=lead.pk, plan=plan, cache_days=anew, still_wanted=task.still_wanted
    )
    with hold(task):
        research.store(org_id=task.org_id, lead_id=lead.pk, gathered=gathered)
        return _judge(task, unread(gathered))


def unread(gathered: research.Gathered) -> str:
    """Why no page at all could be read, though there was one to read; "" when something was read."""
    if gathered.cached or any(page.ok for page in gathered.pages):
        return ""
    return next((lookup.reason for lookup in gathered.lookups if lookup.outcome in ("failed", "cached")), "")


def _is_over(lead: Lead) -> bool:
    return lead.status not in (LeadStatus.NEW, LeadStatus.RESEARCHING)


def _denied(task: ClaimedTask, reason: str) -> dict[str, Any]:
    with hold(task):
        lead = lead_of(task)
        if lead.status in BEFORE_MAIL:
            set_status(lead=lead, status=LeadStatus.SKIPPED, skip_reason=reason)
        log(
            org=task.org_id,
            log_type=LogType.DECISION,
            action_type="research_lead",
            agent=task.agent_id,
            task=task.id,
            lead=lead,
            message=f"{lead.name} is not researched.",
            reasoning=reason,
        )
    return {"denied": reason}


def _judge(task: ClaimedTask, unread_because: str = "") -> dict[str, Any]:
    lead = lead_of(task)
    config = config_for(lead.org)
    judged = assess(lead, threshold=config.score_threshold, weights=config.score_weights or None)
    if unread_because and not judged.qualified:
        judged = replace(judged, reason=f"{judged.reason} The web site could not be read: {unread_because}")
    Lead.objects.for_org(task.org_id).filter(pk=lead.pk).update(
        score=min(100, judged.score), score_breakdown=breakdown(judged), researched_at=clock.now()
    )
    if lead.status == LeadStatus.RESEARCHING:
        status = LeadStatus.RESEARCHED if judged.qualified else LeadStatus.SKIPPED
        set_status(lead=lead, status=status, skip_reason="" if judged.qualified else judged.reason)
        jobs.wake("agent.tasks.look_for_work", task.org_id)  # its campaign need not wait for the next sweep
    log(
        org=task.org_id,
        log_type=LogType.DECISION,
        action_type="research_lead",
        agent=task.agent_id,
        task=task.id,
        lead=lead,
        message=f"{lead.name}: score {judged.score}, " + ("qualified." if judged.qualified else "skipped."),
        reasoning=judged.reason,
        details=breakdown(judged),
    )
    return {"score": judged.score, "qualified": judged.qualified, "reason": judged.reason}


def breakdown(judged: Assessment) -> dict[str, Any]:
    """The score with each field's part, as it is kept with the lead."""
    return {
        "score": judged.score,
        "threshold": judged.threshold,
        "qualified": judged.qualified,
        "missing": [part.field for part in judged.parts if not part.got],
        "advice": list(judged.missing),
        "parts": [
            {
                "field": part.field,
                "weight": part.weight,
                "got": part.got,
                "evidence": part.evidence,
                "fact_id": str(part.fact_id) if part.fact_id else None,
            }
            for part in judged.parts
        ],
    }
