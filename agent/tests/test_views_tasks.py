"""The page of tasks: what is shown under which tab, and what a person can do about each task."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from agent import engine
from agent.engine.outcome import WAITING_NOTE
from agent.models import AgentTask, TaskStatus, TaskType
from agent.services import control
from agent.tests.world import make_lead
from leadpilot.lib import clock
from leadpilot.lib.ids import new_id
from leadpilot.orgs.models import Notification
from leadpilot.orgs.tenancy import org_context

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true", "HX-Target": "tasks"}
LIST = "/agent/tasks/"
ACTIONS = ("task_approve", "task_reject", "task_cancel", "task_retry")


@pytest.fixture
def member(mia: Any, client_for: Any) -> Client:
    return client_for(mia)


def make(org: Any, status: str = "pending", name: str = "Ada Lovelace", **fields: Any) -> AgentTask:
    with org_context(org.pk):
        lead = make_lead(org, name, email=f"{new_id()}@engines.example")
        return AgentTask.objects.create(org=org, task_type="enrich_lead", lead=lead, status=status, **fields)


def at(name: str, task: AgentTask, query: str = "") -> str:
    return reverse(f"agent:{name}", args=[task.pk]) + query


def status_of(org: Any, task: AgentTask) -> str:
    with org_context(org.pk):
        return str(AgentTask.objects.values_list("status", flat=True).get(pk=task.pk))


def show(client: Client, query: str = "", **headers: str) -> str:
    answer = client.get(LIST + query, headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()


class TestLooking:
    @pytest.mark.parametrize(
        ("tab", "status"),
        [
            ("", "pending"),
            ("?status=open", "pending"),
            ("?status=awaiting_approval", "awaiting_approval"),
            ("?status=failed", "failed"),
            ("?status=completed", "completed"),
            ("?status=cancelled", "cancelled"),
            ("?status=nonsense", "pending"),
        ],
    )
    def test_each_tab_has_its_tasks(self, member: Client, org: Any, tab: str, status: str) -> None:
        make(org, status)
        other = "failed" if status != "failed" else "completed"
        make(org, other, "Bo Ek")
        text = show(member, tab)
        assert "Ada Lovelace" in text
        assert "Bo Ek" not in text

    def test_the_reason_the_attempts_and_the_lead_are_shown(self, member: Client, org: Any) -> None:
        task = make(org, "failed", error_message="The site is gone.", attempts=3, retry_count=2)
        text = show(member, "?status=failed")
        assert "The site is gone." in text
        assert "(2 failed)" in text
        assert reverse("leads:lead_detail", args=[task.lead_id]) in text
        assert "Try again" in text

    @pytest.mark.parametrize(
        ("query", "empty"),
        [
            ("", "Nothing to do right now"),
            ("?status=awaiting_approval", "Nothing waits for you"),
            ("?status=failed", "Nothing failed"),
            ("?status=completed", "Nothing here yet"),
            ("?q=zzz", "Nothing found"),
            ("?type=report", "Nothing found"),
        ],
    )
    def test_an_empty_tab_says_so(self, member: Client, org: Any, query: str, empty: str) -> None:
        assert empty in show(member, query)

    def test_it_is_narrowed_to_a_lead_and_a_kind(self, member: Client, org: Any) -> None:
        make(org)
        make(org, name="Bo Ek")
        assert "Bo Ek" not in show(member, "?q=lovelace")
        assert "Ada Lovelace" not in show(member, "?type=report")
        assert "Ada Lovelace" in show(member, "?type=nonsense")

    def test_long_lists_are_paged_and_the_refresh_keeps_the_page(self, member: Client, org: Any) -> None:
        for _ in range(41):
            make(org)
        assert "1–40 of 41" in show(member)
        second = show(member, "?page=2&q=ada")
        assert "41–41 of 41" in second
        assert f'hx-get="{LIST}?q=ada&amp;page=2"' in second

    def test_more_rows_take_no_more_queries(self, member: Client, org: Any) -> None:
        def queries() -> int:
            show(member)
            with CaptureQueriesContext(connection) as captured:
                show(member)
            return len(captured)

        make(org)
        few = queries()
        for _ in range(9):
            make(org)
        assert queries() == few

    def test_a_refresh_gets_the_list_alone(self, member: Client, org: Any) -> None:
        make(org)
        text = show(member, **HTMX)
        assert "Ada Lovelace" in text
        assert "<html" not in text

    def test_the_control_center_leads_here(self, member: Client, org: Any) -> None:
        make(org)
        make(org, "awaiting_approval")
        make(org, "failed")
        text = member.get(reverse("agent:control_center")).content.decode()
        assert f'<a href="{LIST}">1 task open</a>' in text
        assert f'<a href="{LIST}?status=awaiting_approval">1 waiting for you</a>' in text
        assert f'<a href="{LIST}?status=failed">1 failed</a>' in text


class TestActing:
    @pytest.mark.parametrize(
        ("action", "before", "form", "after"),
        [
            ("task_approve", "awaiting_approval", {}, TaskStatus.PENDING),
            ("task_reject", "awaiting_approval", {"reason": "Not now."}, TaskStatus.CANCELLED),
            ("task_cancel", "pending", {}, TaskStatus.CANCELLED),
            ("task_retry", "failed", {}, TaskStatus.PENDING),
        ],
    )
    def test_it_is_done_once(
        self, member: Client, org: Any, action: str, before: str, form: dict[str, str], after: str
    ) -> None:
        task = make(org, before)
        answer = member.post(at(action, task, "?status=failed"), form)
        assert answer.url == f"{LIST}?status=failed"
        assert status_of(org, task) == after
        again = member.post(at(action, task), form, headers=HTMX)
        assert again.status_code == 422
        assert "Nothing was done twice" in again.content.decode()

    def test_a_fragment_comes_with_a_word(self, member: Client, org: Any) -> None:
        answer = member.post(at("task_cancel", make(org)), headers=HTMX)
        assert json.loads(answer["HX-Trigger"])["toast"]["message"] == "Cancelled."
        assert "<html" not in answer.content.decode()

    def test_a_refusal_needs_a_reason(self, member: Client, org: Any) -> None:
        task = make(org, "awaiting_approval")
        answer = member.post(at("task_reject", task), {"reason": " "})
        assert answer.status_code == 422
        assert "a few words are enough" in answer.content.decode()
        assert status_of(org, task) == "awaiting_approval"

    def test_several_are_approved_together(self, member: Client, org: Any) -> None:
        tasks = [make(org, "awaiting_approval") for _ in range(3)]
        done = make(org, "completed")
        answer = member.post("/agent/tasks/approve/", {"ids": [t.pk for t in tasks]}, headers=HTMX)
        assert "3 approved." in answer["HX-Trigger"]
        mixed = make(org, "awaiting_approval")
        answer = member.post("/agent/tasks/approve/", {"ids": [mixed.pk, done.pk]}, headers=HTMX)
        assert "1 of 2 approved" in answer["HX-Trigger"]
        assert status_of(org, mixed) == "pending"

    @pytest.mark.parametrize("ids", [[], ["x"], [str(new_id())]])
    def test_nothing_ticked_approves_nothing(self, member: Client, org: Any, ids: list[str]) -> None:
        assert member.post("/agent/tasks/approve/", {"ids": ids}).status_code == 422

    def test_people_hear_of_a_task_that_asks_until_it_is_decided(
        self, member: Client, org: Any, alice: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def ask(task: engine.ClaimedTask) -> dict[str, Any]:
            raise engine.TaskNeedsApproval("The settings ask for it.")

        registered = engine.registry.Registered(ask, None)
        monkeypatch.setitem(engine.registry.HANDLERS, TaskType.REPORT, registered)
        with org_context(org.pk):
            control.start(org=org, by=alice)
            task = engine.submit(org=org, task_type=TaskType.REPORT, scheduled_for=clock.now())
        engine.drain(org.pk, seconds=30)
        assert status_of(org, task) == "awaiting_approval"
        with org_context(org.pk):
            note = Notification.objects.for_org(org).get(type=WAITING_NOTE)
        assert (note.message, note.read_at) == ("The settings ask for it.", None)
        assert note.action_url == f"{LIST}?status=awaiting_approval"
        member.post(at("task_reject", task), {"reason": "No."})
        with org_context(org.pk):
            note.refresh_from_db()
        assert note.read_at is not None


class TestWho:
    def test_a_viewer_looks_and_may_not_act(self, bob: Any, client_for: Any, org: Any) -> None:
        viewer, task = client_for(bob), make(org, "failed")
        text = show(viewer, "?status=failed")
        assert "Ada Lovelace" in text
        assert "Try again" not in text
        assert [viewer.post(at(name, task)).status_code for name in ACTIONS] == [403] * 4
        assert viewer.post("/agent/tasks/approve/", {"ids": task.pk}).status_code == 403

    def test_a_stranger_finds_nothing(self, charlie: Any, other_org: Any, client_for: Any, org: Any) -> None:
        stranger, task = client_for(charlie), make(org, "awaiting_approval")
        assert "Ada Lovelace" not in show(stranger, "?status=awaiting_approval")
        assert [stranger.post(at(name, task)).status_code for name in ACTIONS] == [404] * 4
        assert stranger.post("/agent/tasks/approve/", {"ids": task.pk}).status_code == 422
        assert status_of(org, task) == "awaiting_approval"

    def test_the_wrong_method_is_refused(self, member: Client, org: Any) -> None:
        task = make(org)
        assert member.post(LIST).status_code == 405
        assert [member.get(at(name, task)).status_code for name in ACTIONS] == [405] * 4
        assert member.get("/agent/tasks/approve/").status_code == 405
