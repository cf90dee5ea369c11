"""Start, Stop and the settings."""

from __future__ import annotations

import threading
from datetime import time
from typing import Any

import pytest
from django.db import connections
from django_q.models import OrmQ

from agent.models import Agent, AgentConfig, AgentLog, AgentType
from agent.services import control
from agent.tests.world import make_draft, make_enrollment
from agent.wiring import agent_stopped, messages_cap, settings_of
from campaigns.models import Message
from leadpilot.lib import clock
from leadpilot.lib.errors import DomainError
from leadpilot.orgs.models import AuditEntry, Organization
from leadpilot.orgs.tenancy import org_context

pytestmark = pytest.mark.django_db


def test_the_first_use_makes_the_settings_and_a_crew_of_nine(in_org: Any) -> None:
    config = control.config_for(in_org)
    again = control.config_for(in_org)
    assert config.pk == again.pk
    assert (config.is_enabled, config.status, config.require_approval_for) == (
        False,
        "idle",
        ["send_message", "book_meeting"],
    )
    crew = Agent.objects.for_org(in_org)
    assert set(crew.values_list("agent_type", flat=True)) == set(AgentType.values)
    doing = {agent.agent_type for agent in crew if agent.capabilities}
    assert doing == {"research", "outreach", "sender", "reader", "followup"}


@pytest.mark.django_db(transaction=True)
def test_many_first_uses_at_once_make_one_crew(org: Any) -> None:
    together = threading.Barrier(4)

    def use() -> None:
        together.wait()
        with org_context(org.pk):
            control.config_for(org)
        connections.close_all()

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with org_context(org.pk):
        assert AgentConfig.objects.for_org(org).count() == 1
        assert Agent.objects.for_org(org).count() == 9


def test_start_runs_it_and_looks_for_work_at_once(in_org: Any, alice: Any) -> None:
    config = control.start(org=in_org, by=alice)
    assert (config.is_enabled, config.status) == (True, "running")
    rung = " ".join(OrmQ.objects.values_list("payload", flat=True))
    assert "agent.tasks.look_for_work" in rung
    control.start(org=in_org, by=alice)
    assert AgentLog.objects.for_org(in_org).filter(action_type="agent.started").count() == 1


def test_stop_halts_the_organization_in_the_same_breath(in_org: Any, alice: Any) -> None:
    control.start(org=in_org, by=alice)
    config = control.stop(org=in_org, by=alice, reason="A customer called.")
    assert (config.status, config.status_reason) == ("paused", "A customer called.")
    assert Organization.objects.get(pk=in_org.pk).halted_at is not None
    control.stop(org=in_org, by=alice)
    stopped = AgentLog.objects.for_org(in_org).get(action_type="agent.stopped")
    assert (stopped.actor, stopped.reasoning) == (alice, "A customer called.")
    control.start(org=in_org, by=alice)
    assert Organization.objects.get(pk=in_org.pk).halted_at is None


def test_settings_are_changed_and_recorded(in_org: Any, alice: Any) -> None:
    config = control.update_config(
        org=in_org,
        by=alice,
        name=" Night  shift ",
        max_leads_per_day="70",
        minimum_confidence=0.8,
        schedule_start_time="22:00",
        schedule_end_time=time(6),
        schedule_days=["sunday", "monday"],
        schedule_timezone="Europe/Berlin",
        require_approval_for=["book_meeting"],
        notify_email="ada@acme.example",
        notify_slack_webhook="https://hooks.slack.example/x",
        score_weights={"company": 20, "title": 7.5},
        auto_book_meetings=True,
    )
    config.refresh_from_db()
    assert (config.name, config.max_leads_per_day, config.minimum_confidence) == ("Night shift", 70, 0.8)
    assert (config.schedule_start_time, config.schedule_end_time) == (time(22), time(6))
    assert config.schedule_days == ["monday", "sunday"]
    assert config.score_weights == {"company": 20, "title": 7.5}
    assert config.read_secret("notify_slack_webhook") == "https://hooks.slack.example/x"
    assert "hooks.slack" not in config.notify_slack_webhook
    entry = AuditEntry.objects.for_org(in_org).get(action="agent.configured")
    assert "max_leads_per_day" in entry.message
    assert "notify_slack_webhook" in entry.message
    assert "hooks.slack" not in str(entry.details)
    control.update_config(org=in_org, by=alice, max_leads_per_day=70)
    control.update_config(org=in_org, by=alice, notify_slack_webhook="https://hooks.slack.example/x")
    assert AuditEntry.objects.for_org(in_org).filter(action="agent.configured").count() == 1


@pytest.mark.parametrize(
    ("field", "value", "way_out"),
    [
        ("max_leads_per_day", "-1", "give a whole number from 0 to 10000"),
        ("max_leads_per_day", "many", "give a whole number"),
        ("max_messages_per_day", 2.5, "give a whole number"),
        ("max_actions_per_hour", True, "give a whole number"),
        ("minimum_confidence", 1.01, "give a number from 0.0 to 1.0"),
        ("temperature", "nan", "give a number"),
        ("schedule_timezone", "Mars/Olympus", "choose a time zone such as Europe/Berlin"),
        ("schedule_start_time", "25:00", "give a time such as 09:00"),
        ("schedule_days", ["monday", "caturday"], "choose from monday"),
        ("schedule_days", [], "choose a day, or turn the schedule off"),
        ("require_approval_for", ["everything"], "choose from research_lead"),
        ("notify_email", "not an address", "give an address such as"),
        ("notify_slack_webhook", "http://plain.example/x", "begins with https://"),
        ("auto_book_meetings", "perhaps", "say yes or no"),
        ("name", "", "give 1 to 100 characters"),
        ("score_weights", {"company": -1}, "weight from 0 to 100"),
        ("score_weights", "heavy", "give a weight for each field"),
    ],
)
def test_a_refused_setting_names_itself_and_the_way_out(
    in_org: Any, alice: Any, field: str, value: Any, way_out: str
) -> None:
    before = control.config_for(in_org)
    with pytest.raises(DomainError, match=f"^{field}: ") as refused:
        control.update_config(org=in_org, by=alice, **{field: value})
    assert refused.value.field == field
    assert way_out in str(refused.value)
    after = control.config_for(in_org)
    assert getattr(after, field) == getattr(before, field)


def test_no_days_are_fine_when_the_schedule_is_off(in_org: Any, alice: Any) -> None:
    config = control.update_config(org=in_org, by=alice, schedule_days=[], schedule_enabled=False)
    assert config.schedule_days == []
    with pytest.raises(DomainError):
        control.update_config(org=in_org, by=alice, schedule_enabled=True)


@pytest.mark.parametrize("field", ["status", "is_enabled", "org", "nonsense"])
def test_only_settings_are_settings(in_org: Any, alice: Any, field: str) -> None:
    with pytest.raises(TypeError):
        control.update_config(org=in_org, by=alice, **{field: True})


@pytest.mark.parametrize(
    ("status", "by_person", "code"),
    [
        ("running", False, None),
        ("running", True, None),
        ("paused", True, "agent_stopped"),
        ("paused", False, "agent_stopped"),
        ("idle", True, None),
        ("idle", False, "agent_stopped"),
    ],
)
def test_the_second_gate_knows_the_agent(
    in_org: Any, alice: Any, status: str, by_person: bool, code: str | None
) -> None:
    control.config_for(in_org)
    AgentConfig.objects.for_org(in_org).update(status=status, is_enabled=status == "running")
    draft = make_draft(make_enrollment(in_org))
    message = Message(org=in_org, lead=draft.lead, approved_by=alice if by_person else None)
    verdict = agent_stopped(message, clock.now(), settings_of(message.org_id))
    assert (verdict.reasons[0].code if verdict else None) == code


def test_the_daily_cap_is_the_settings(in_org: Any, alice: Any) -> None:
    assert messages_cap(in_org.pk) is None
    control.update_config(org=in_org, by=alice, max_messages_per_day=12)
    assert messages_cap(in_org.pk) == 12
