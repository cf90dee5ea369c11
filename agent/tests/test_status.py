"""The one line on top of every page: what the agent is doing now, or why it does nothing."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from agent.engine import submit
from agent.models import AgentConfig, AgentTask, TaskStatus, TaskType
from agent.services.drafts import approve_draft
from agent.status import DOING, agent_status
from agent.tests.world import make_campaign, make_draft, make_enrollment, make_lead
from campaigns.services.outbox import release_due
from leadpilot.lib import clock
from leadpilot.orgs.models import Membership, Role
from leadpilot.orgs.services import halt

pytestmark = pytest.mark.django_db


def shown(org: Any, role: str = Role.MEMBER) -> dict[str, Any]:
    return agent_status(SimpleNamespace(org=org, membership=Membership(org=org, role=role)))


def at_work(org: Any, kind: TaskType, lead: Any = None) -> AgentTask:
    task = submit(org=org, task_type=kind, lead=lead)
    now = clock.now()
    AgentTask.objects.for_org(org).filter(pk=task.pk).update(
        status=TaskStatus.RUNNING, lease_owner="here", lease_until=now + timedelta(minutes=1)
    )
    return task


def test_a_stranger_to_every_organization_sees_an_idle_agent() -> None:
    nothing = agent_status(SimpleNamespace(org=None, membership=None))
    assert nothing == {"running": False, "state": "idle", "activity": "", "can_control": False}


def test_before_start_it_is_not_started(in_org: Any) -> None:
    line = shown(in_org)
    assert (line["running"], line["state"], line["activity"]) == (False, "idle", "The agent is not started.")


def test_viewers_cannot_control_it(running: Any) -> None:
    assert shown(running, Role.MEMBER)["can_control"]
    assert not shown(running, Role.VIEWER)["can_control"]


def test_stop_is_said_before_everything_else(running: Any, alice: Any) -> None:
    at_work(running, TaskType.REPORT)
    halt(org=running, by=alice)
    running.refresh_from_db()
    line = shown(running)
    assert (line["running"], line["state"]) == (False, "halted")
    assert "Nothing leaves" in line["activity"]


def test_an_error_says_its_reason(running: Any) -> None:
    AgentConfig.objects.for_org(running).update(status="error", status_reason="The model refused the key.")
    assert shown(running)["activity"] == "The model refused the key."
    AgentConfig.objects.for_org(running).update(status_reason="")
    line = shown(running)
    assert (line["state"], line["activity"]) == ("error", "The agent ran into an error.")


@pytest.mark.parametrize("kind", TaskType)
def test_each_kind_of_task_has_its_words(running: Any, kind: TaskType) -> None:
    at_work(running, kind, make_lead(running, "Ada Lovelace"))
    assert shown(running)["activity"] == DOING[kind].format(lead="Ada Lovelace")


def test_a_task_without_a_lead_and_what_waits_behind_it(running: Any) -> None:
    at_work(running, TaskType.ENRICH_LEAD)
    submit(org=running, task_type=TaskType.REPORT)
    submit(org=running, task_type=TaskType.CHECK_INBOX)
    line = shown(running)
    assert (line["activity"], line["detail"]) == ("Researching a lead", "2 more to do")


def test_work_that_is_due_is_work_and_work_of_tomorrow_is_not(running: Any) -> None:
    submit(org=running, task_type=TaskType.REPORT, scheduled_for=clock.now() + timedelta(days=1))
    assert shown(running)["activity"] == "Nothing to do right now"
    submit(org=running, task_type=TaskType.CHECK_INBOX)
    line = shown(running)
    assert (line["state"], line["activity"], line["detail"]) == ("running", "Working", "1 more to do")


def test_outside_its_hours_it_says_when_they_are(running: Any) -> None:
    AgentConfig.objects.for_org(running).update(
        schedule_enabled=True, schedule_days=[], schedule_start_time="09:00", schedule_end_time="17:00"
    )
    line = shown(running)
    assert line["state"] == "waiting"
    assert line["activity"].startswith("Outside working hours, ")


@pytest.mark.parametrize(("count", "words"), [(1, "1 draft to approve"), (2, "2 drafts to approve")])
def test_drafts_wait_for_a_person(running: Any, count: int, words: str) -> None:
    enrollment = make_enrollment(running, make_lead(running), make_campaign(running))
    for step in range(1, count + 1):
        make_draft(enrollment, step)
    line = shown(running)
    assert line["activity"] == f"Waiting for you: {words}"
    assert line["approvals_count"] == count


@pytest.mark.parametrize(("count", "words"), [(1, "1 mail on the way"), (2, "2 mails on the way")])
def test_mails_on_the_way_come_before_drafts_that_wait(
    running: Any, alice: Any, settings: Any, count: int, words: str
) -> None:
    settings.UNDO_SECONDS = 0
    campaign = make_campaign(running)
    for name in ("Ada Lovelace", "Grace Hopper")[:count]:
        enrollment = make_enrollment(running, make_lead(running, name), campaign)
        draft = make_draft(enrollment)
        make_draft(enrollment, 2)
        approve_draft(draft=draft, version=draft.version, by=alice)
    release_due(org=running)
    line = shown(running)
    assert (line["activity"], line["approvals_count"]) == (words, count)
