"""What people are told when a task ends badly."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from uuid import UUID

from django.db import transaction
from django.urls import reverse

from agent.engine import claims
from agent.engine.registry import HANDLERS, ClaimedTask
from agent.models import AgentConfig, AgentTask, LogType, TaskStatus
from agent.services import log
from leadpilot.orgs.models import Organization
from leadpilot.orgs.services import notify
from leadpilot.orgs.tenancy import org_context

logger = logging.getLogger(__name__)
WAITING_NOTE = "task_waiting"
FAILED_NOTE = "task_failed"


def give_up(task: ClaimedTask, message: str) -> bool:
    """Mark a task failed, tell people and let its handler clean up; False, and nothing done, when the lease was lost."""
    with org_context(task.org_id):
        if not claims.settle(task, TaskStatus.FAILED, error=message, failed=True):
            return False
        _aftermath(task, message)
    return True


def ask(task: ClaimedTask, question: str) -> bool:
    """Let a task wait for a person and tell people; False, and nothing done, when the lease was lost."""
    with org_context(task.org_id):
        if not claims.settle(task, TaskStatus.AWAITING_APPROVAL, error=question, counted=False):
            return False
        notify(
            org=Organization.objects.get(pk=task.org_id),
            type=WAITING_NOTE,
            title="Tasks wait for your approval",
            message=question,
            action_url=f"{reverse('agent:task_list')}?status=awaiting_approval",
        )
    return True


def report_parked(org_id: UUID, task_ids: Sequence[UUID]) -> None:
    """Tell people about tasks that killed their workers."""
    for task_id in task_ids:
        with org_context(org_id):
            row = AgentTask.objects.for_org(org_id).get(pk=task_id)
            _aftermath(_as_claimed(row), row.error_message)


def report_lost(task: ClaimedTask) -> None:
    """Note that a result came too late and was dropped."""
    with org_context(task.org_id):
        log.log(
            org=task.org_id,
            log_type=LogType.ERROR,
            action_type=task.task_type,
            task=task.id,
            lead=task.lead_id,
            message="A result came after its lease had run out and was dropped; the task is tried again.",
            details={"attempt": task.attempt, "owner": task.owner},
        )


def clean_up(row: AgentTask, message: str) -> None:
    """Let the handler of a task that will not be done leave its lead in a proper state."""
    _clean_up(_as_claimed(row), message)


def _clean_up(task: ClaimedTask, message: str) -> None:
    registered = HANDLERS.get(task.task_type)
    if registered and registered.gave_up:
        try:
            with transaction.atomic():
                registered.gave_up(task, message)
        except Exception:  # the task is over either way, and people have to hear of it
            logger.exception("Cleaning up after task %s failed", task.id)


def _aftermath(task: ClaimedTask, message: str) -> None:
    _clean_up(task, message)
    name = AgentTask(task_type=task.task_type).get_task_type_display()
    log.log(
        org=task.org_id,
        log_type=LogType.ERROR,
        action_type=task.task_type,
        task=task.id,
        lead=task.lead_id,
        agent=task.agent_id,
        message=f"{name}: given up.",
        reasoning=message,
    )
    config = AgentConfig.objects.for_org(task.org_id).first()
    if config is None or config.notify_on_error:
        org = Organization.objects.get(pk=task.org_id)
        notify(
            org=org,
            type=FAILED_NOTE,
            title=f"{name} failed",
            message=message,
            action_url=f"{reverse('agent:task_list')}?status=failed&type={task.task_type}",
            priority="high",
        )


def _as_claimed(row: AgentTask) -> ClaimedTask:
    return ClaimedTask(
        id=row.pk,
        org_id=row.org_id,
        task_type=row.task_type,
        lead_id=row.lead_id,
        campaign_id=row.campaign_id,
        message_id=row.message_id,
        inbox_message_id=row.inbox_message_id,
        agent_id=row.agent_id,
        approved_by_id=row.approved_by_id,
        attempt=row.attempts,
        failures=row.retry_count,
        max_failures=row.max_retries,
        owner="",
        input_data=row.input_data,
    )
