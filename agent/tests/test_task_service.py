"""What people may do with a task, each once."""

from __future__ import annotations

from typing import Any

import pytest
from django_q.models import OrmQ

from agent import orchestrator
from agent.models import AgentLog, AgentTask, TaskStatus
from agent.services import control
from agent.services.tasks import approve_task, cancel_task, reject_task, retry_task
from agent.tests.world import make_lead
from leadpilot.lib.errors import Conflict, DomainError

pytestmark = pytest.mark.django_db


def make(org: Any, status: str, **fields: Any) -> AgentTask:
    return AgentTask.objects.create(org=org, task_type="enrich_lead", status=status, **fields)


def test_an_approved_task_goes_on_at_once(in_org: Any, alice: Any, mia: Any) -> None:
    task = approve_task(task=make(in_org, "awaiting_approval"), by=alice)
    assert (task.status, task.approved_by) == (TaskStatus.PENDING, alice)
    assert OrmQ.objects.filter(payload__contains="agent.tasks.drain").count() == 1
    with pytest.raises(Conflict, match="is pending now"):
        approve_task(task=task, by=mia)
    assert AgentLog.objects.for_org(in_org).get(action_type="task.approved").actor == alice


def test_a_refusal_needs_a_reason(in_org: Any, alice: Any) -> None:
    task = make(in_org, "awaiting_approval")
    with pytest.raises(DomainError) as refused:
        reject_task(task=task, by=alice, reason="  ")
    assert refused.value.field == "reason"
    reject_task(task=task, by=alice, reason="Not now.")
    assert (task.status, task.rejection_reason) == (TaskStatus.CANCELLED, "Not now.")


def test_a_refused_research_is_not_asked_for_again(in_org: Any, alice: Any) -> None:
    control.start(org=in_org, by=alice)
    control.update_config(org=in_org, by=alice, schedule_enabled=False)
    lead = make_lead(in_org)
    reject_task(task=make(in_org, "awaiting_approval", lead=lead), by=alice, reason="A competitor.")
    lead.refresh_from_db()
    assert (lead.status, lead.skip_reason) == ("skipped", "Not researched: Alice refused it: A competitor.")
    assert orchestrator.look_for_work(in_org.pk)["enrich_lead"] == 0


@pytest.mark.parametrize("status", ["pending", "awaiting_approval"])
def test_what_has_not_begun_can_be_cancelled(in_org: Any, alice: Any, status: str) -> None:
    assert cancel_task(task=make(in_org, status), by=alice).status == TaskStatus.CANCELLED


def test_what_is_over_cannot(in_org: Any, alice: Any) -> None:
    with pytest.raises(Conflict, match="is completed now"):
        cancel_task(task=make(in_org, "completed"), by=alice)


def test_a_failed_task_is_tried_anew_with_all_its_attempts(in_org: Any, alice: Any) -> None:
    task = retry_task(task=make(in_org, "failed", attempts=3, retry_count=3, dedupe_key="x"), by=alice)
    assert (task.status, task.attempts, task.retry_count) == (TaskStatus.PENDING, 0, 0)


def test_but_not_beside_the_same_work(in_org: Any, alice: Any) -> None:
    failed = make(in_org, "failed", dedupe_key="x")
    make(in_org, "pending", dedupe_key="x")
    with pytest.raises(Conflict, match="in the queue already"):
        retry_task(task=failed, by=alice)
