"""Research of a lead that a person asks for."""

from __future__ import annotations

from django.db import transaction

from agent import engine
from agent.engine.queue import OPEN_STATUSES
from agent.models import AgentTask, LogType, TaskType
from agent.services.log import log
from leadpilot.lib.errors import Conflict
from leadpilot.orgs.models import User
from leads.models import Lead, LeadStatus

AGAIN = (LeadStatus.SKIPPED, LeadStatus.RESEARCHED)
ASKED_BY_A_PERSON = 5  # before what the agent finds by itself


@transaction.atomic
def research_again(*, lead: Lead, by: User) -> AgentTask:
    """Read and judge a skipped or researched lead anew (seed 000, section 2.2), at the gate's limits as any research.

    Raises Conflict for a lead that is elsewhere, or whose research is in the queue already.
    """
    if lead.status not in AGAIN:
        raise Conflict(
            f"{lead.name} is {lead.get_status_display().lower()}: only skipped and researched leads are researched again."
        )
    key = f"enrich:{lead.pk}"
    if AgentTask.objects.for_org(lead.org_id).filter(dedupe_key=key, status__in=OPEN_STATUSES).exists():
        raise Conflict(f"{lead.name} is in the queue for research already.")
    task = engine.submit(
        org=lead.org_id,
        task_type=TaskType.ENRICH_LEAD,
        lead=lead,
        dedupe_key=key,
        priority=ASKED_BY_A_PERSON,
        input_data={"again": True, "was": lead.status},
    )
    log(
        org=lead.org_id,
        log_type=LogType.ACTION,
        action_type="research_again",
        task=task,
        lead=lead,
        actor=by,
        message=f"{by.display_name} asked for {lead.name} to be researched again.",
        reasoning=lead.skip_reason,
    )
    return task
