"""What people may do with a task: approve it, refuse it, cancel it, try it again. Each is done once."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from agent import handlers
from agent.engine.outcome import FAILED_NOTE, WAITING_NOTE, clean_up
from agent.engine.queue import DRAIN_JOB
from agent.models import AgentTask, LogType, TaskStatus
from agent.services.log import log
from campaigns.services import enrollment as enrollments
from leadpilot.lib import clock, jobs
from leadpilot.lib.errors import Conflict, DomainError
from leadpilot.orgs import notes
from leadpilot.orgs.models import User

__all__ = [
    "approve_task",
    "cancel_task",
    "handlers",
    "reject_task",
    "retry_task",
]  # handlers: they fill the registry

ENROLL = "enroll"  # in a task's input: approving it takes its lead into its campaign


@transaction.atomic
def approve_task(*, task: AgentTask, by: User) -> AgentTask:
    """Let a waiting task go on. Raises Conflict when it was decided already.

    A task that asks whether a lead may be enrolled is answered by enrolling it; raises DomainError when it cannot be.
    """
    now = clock.now()
    moved = _move(
        task,
        (TaskStatus.AWAITING_APPROVAL,),
        TaskStatus.PENDING,
        approved_by=by,
        approved_at=now,
        scheduled_for=now,
    )
    if moved.input_data.get(ENROLL):
        _enroll(moved, by)
    return _told(moved, "approved", by)


def _enroll(task: AgentTask, by: User) -> None:
    """The lead comes in, and the task becomes that of writing to it."""
    if task.campaign is None or task.lead is None:
        raise DomainError("The lead or the campaign is not there any more.")
    enrollment = enrollments.enroll(campaign=task.campaign, lead=task.lead, by=by)
    task.input_data, task.dedupe_key = {}, f"write:{enrollment.pk}"
    task.save(update_fields=["input_data", "dedupe_key", "updated_at"])


@transaction.atomic
def reject_task(*, task: AgentTask, by: User, reason: str) -> AgentTask:
    """Refuse a waiting task. Raises DomainError without a reason, Conflict when it was decided already."""
    if not reason.strip():
        raise DomainError("reason: is empty; a few words are enough.", field="reason")
    moved = _move(
        task,
        (TaskStatus.AWAITING_APPROVAL,),
        TaskStatus.CANCELLED,
        rejection_reason=reason.strip(),
        completed_at=clock.now(),
    )
    clean_up(moved, f"{by.display_name} refused it: {reason.strip()}")
    return _told(moved, "refused", by, reason.strip())


@transaction.atomic
def cancel_task(*, task: AgentTask, by: User) -> AgentTask:
    """Take a task that has not begun out of the queue. Raises Conflict when it is running or over."""
    waiting = (TaskStatus.PENDING, TaskStatus.AWAITING_APPROVAL)
    moved = _move(task, waiting, TaskStatus.CANCELLED, completed_at=clock.now())
    clean_up(moved, f"{by.display_name} cancelled it.")
    return _told(moved, "cancelled", by)


@transaction.atomic
def retry_task(*, task: AgentTask, by: User) -> AgentTask:
    """Try a failed task anew, with all its attempts. Raises Conflict when it did not fail, or is open already."""
    same = AgentTask.objects.for_org(task.org_id).filter(
        dedupe_key=task.dedupe_key,
        status__in=[TaskStatus.PENDING, TaskStatus.RUNNING, TaskStatus.AWAITING_APPROVAL],
    )
    if task.dedupe_key and same.exists():
        raise Conflict("The same work is in the queue already.")
    moved = _move(
        task,
        (TaskStatus.FAILED,),
        TaskStatus.PENDING,
        attempts=0,
        retry_count=0,
        completed_at=None,
        scheduled_for=clock.now(),
    )
    return _told(moved, "tried again", by)


def _settle_notes(org_id: UUID) -> None:
    """Nobody has to be reminded of what is not waiting, or not failed, any more."""
    rows = AgentTask.objects.for_org(org_id)
    for status, note in ((TaskStatus.AWAITING_APPROVAL, WAITING_NOTE), (TaskStatus.FAILED, FAILED_NOTE)):
        if not rows.filter(status=status).exists():
            notes.settle(org=org_id, type=note)


def _move(task: AgentTask, from_: tuple[TaskStatus, ...], to: TaskStatus, **values: object) -> AgentTask:
    rows = AgentTask.objects.for_org(task.org_id).filter(pk=task.pk, status__in=from_)
    moved = rows.update(status=to, updated_at=clock.now(), **values)
    task.refresh_from_db()
    if not moved:
        raise Conflict(f"This task is {task.get_status_display().lower()} now. Nothing was done twice.")
    return task


def _told(task: AgentTask, what: str, by: User, reason: str = "") -> AgentTask:
    _settle_notes(task.org_id)
    log(
        org=task.org_id,
        log_type=LogType.APPROVAL,
        action_type=f"task.{what.replace(' ', '_')}",
        task=task,
        lead=task.lead_id,
        actor=by,
        message=f"{by.display_name}: “{task.get_task_type_display()}” {what}.",
        reasoning=reason,
    )
    if task.status == TaskStatus.PENDING:
        jobs.wake(DRAIN_JOB, task.org_id)
    return task
