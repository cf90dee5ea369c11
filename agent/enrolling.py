"""Asking a person whether a lead may be taken into a campaign, where the settings want that (SPEC AG-1, AP-2).

The question is a task that waits for approval: the task of writing to that lead, which is begun by the yes.
"""

from __future__ import annotations

from django.db.models import Exists, OuterRef
from django.urls import reverse

from agent.engine.outcome import WAITING_NOTE
from agent.engine.queue import CREW
from agent.models import Agent, AgentTask, TaskStatus, TaskType
from agent.services.tasks import ENROLL
from campaigns.models import Campaign, Enrollment
from leadpilot.lib import clock
from leadpilot.lib.verdict import Verdict
from leadpilot.orgs.models import Organization
from leadpilot.orgs.services import notify
from leads.models import Lead

MOST_ASKED = 50  # questions that wait at a time
QUESTION = {"task_type": TaskType.GENERATE_SEQUENCE, f"input_data__{ENROLL}": True}


def room(org: Organization) -> int:
    """How many more leads may be asked about, after the questions that answered themselves are taken back."""
    waiting = AgentTask.objects.for_org(org).filter(status=TaskStatus.AWAITING_APPROVAL, **QUESTION)
    enrolled = Enrollment.objects.filter(org_id=OuterRef("org_id"), lead=OuterRef("lead"))
    waiting.filter(Exists(enrolled)).update(
        status=TaskStatus.CANCELLED,
        rejection_reason="A person has enrolled this lead meanwhile.",
        completed_at=clock.now(),
    )
    return max(0, MOST_ASKED - waiting.count())


def ask(*, campaign: Campaign, lead: Lead, verdict: Verdict) -> None:
    """Put the question: one a lead and campaign, whatever is answered."""
    org = lead.org
    crew = Agent.objects.for_org(org).filter(agent_type=CREW[TaskType.GENERATE_SEQUENCE]).first()
    AgentTask.objects.bulk_create(
        [
            AgentTask(
                org=org,
                task_type=TaskType.GENERATE_SEQUENCE,
                status=TaskStatus.AWAITING_APPROVAL,
                requires_approval=True,
                agent=crew,
                lead=lead,
                campaign=campaign,
                input_data={ENROLL: True},
                dedupe_key=f"enroll:{campaign.pk}:{lead.pk}",
                error_message=" ".join(reason.text for reason in verdict.reasons),
            )
        ],
        ignore_conflicts=True,
    )
    notify(
        org=org,
        type=WAITING_NOTE,
        title="Leads wait to be taken into a campaign",
        message=f"May {lead.name} be taken into “{campaign}”?",
        action_url=f"{reverse('agent:task_list')}?status=awaiting_approval",
    )
