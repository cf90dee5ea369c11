"""Putting work into the queue: a row, and a wake-up in the same transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from agent.models import Agent, AgentTask, AgentType, TaskStatus, TaskType
from leadpilot.lib import clock, jobs

OPEN_STATUSES = (TaskStatus.PENDING, TaskStatus.RUNNING, TaskStatus.AWAITING_APPROVAL)
DRAIN_JOB = "agent.tasks.drain"

# Who of the crew does it.
CREW = {
    TaskType.FIND_LEADS: AgentType.SCOUT,
    TaskType.ENRICH_LEAD: AgentType.RESEARCH,
    TaskType.GENERATE_SEQUENCE: AgentType.OUTREACH,
    TaskType.SEND_MESSAGE: AgentType.SENDER,
    TaskType.CHECK_INBOX: AgentType.READER,
    TaskType.CLASSIFY_REPLY: AgentType.READER,
    TaskType.RESPOND_TO_REPLY: AgentType.OUTREACH,
    TaskType.BOOK_MEETING: AgentType.BOOKER,
    TaskType.FOLLOW_UP: AgentType.FOLLOWUP,
    TaskType.REPORT: AgentType.PLANNING,
}


@transaction.atomic
def submit(
    *,
    org: Any,
    task_type: str,
    lead: Any = None,
    campaign: Any = None,
    inbox_message: Any = None,
    dedupe_key: str = "",
    priority: int = 0,
    scheduled_for: datetime | None = None,
    input_data: dict[str, Any] | None = None,
) -> AgentTask:
    """Put one task into the queue of the organization in force. The same `dedupe_key` is one open task: the open one
    comes back. Related rows may be given as objects or ids."""
    while True:
        task = AgentTask(
            org_id=_id(org),
            task_type=TaskType(task_type),
            lead_id=_id(lead),
            campaign_id=_id(campaign),
            inbox_message_id=_id(inbox_message),
            dedupe_key=dedupe_key,
            priority=priority,
            input_data=input_data or {},
            scheduled_for=scheduled_for or clock.now(),
        )
        submit_many(org=org, tasks=[task])
        if not dedupe_key:
            return task
        same = AgentTask.objects.for_org(org).filter(dedupe_key=dedupe_key, status__in=OPEN_STATUSES)
        open_task: AgentTask | None = same.first()
        if open_task is not None:
            return open_task
        # The one that stood in our way was finished between the two statements: it did not see what we want done.


@transaction.atomic
def submit_many(*, org: Any, tasks: Sequence[AgentTask]) -> None:
    """Put unsaved tasks of one organization into the queue with one wake-up; those that are open already stay one."""
    if not tasks:
        return
    crew = dict(Agent.objects.for_org(org).values_list("agent_type", "pk"))
    for task in tasks:
        task.agent_id = task.agent_id or crew.get(CREW[TaskType(task.task_type)])
    AgentTask.objects.bulk_create(tasks, ignore_conflicts=True, batch_size=2000)
    jobs.wake(DRAIN_JOB, _id(org))


def _id(thing: Any) -> UUID | Any:
    return getattr(thing, "pk", thing)
