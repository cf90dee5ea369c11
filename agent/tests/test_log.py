"""The diary cannot be rewritten, not even by a mistake of ours."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import ProgrammingError, transaction

from agent import diary, gate
from agent.models import Agent, AgentLog, Decision, LogType
from agent.services import control
from agent.services.log import log
from agent.tests.world import make_lead
from leadpilot.lib import clock
from leads.queries import timeline

pytestmark = pytest.mark.django_db


@pytest.fixture
def entry(in_org: Any) -> AgentLog:
    return log(org=in_org, log_type=LogType.ACTION, message="Wrote five mails.", reasoning="Three facts.")


def test_a_line_keeps_what_it_was_given(in_org: Any, alice: Any) -> None:
    control.config_for(in_org)
    lead, agent = make_lead(in_org), Agent.objects.for_org(in_org).get(agent_type="research")
    line = log(
        org=in_org,
        log_type=LogType.DECISION,
        action_type="research_lead",
        message="Skipped.",
        reasoning="No website.",
        confidence=0.4,
        details={"score": 12},
        agent=agent,
        lead=lead.pk,
        actor=alice,
    )
    line.refresh_from_db()
    assert (line.lead, line.agent, line.actor) == (lead, agent, alice)
    assert (line.reasoning, line.confidence, line.details) == ("No website.", 0.4, {"score": 12})


def test_who_wrote_was_active_just_now(in_org: Any) -> None:
    control.config_for(in_org)
    agent = Agent.objects.for_org(in_org).get(agent_type="reader")
    log(org=in_org, log_type=LogType.ACTION, message="First.", agent=agent.pk)
    agent.refresh_from_db()
    first = agent.last_active_at
    assert first is not None
    log(org=in_org, log_type=LogType.ACTION, message="At once after.", agent=agent.pk)
    agent.refresh_from_db()
    assert agent.last_active_at == first
    with clock.travel(timedelta(minutes=1)):
        log(org=in_org, log_type=LogType.ACTION, message="Later.", agent=agent.pk)
    agent.refresh_from_db()
    assert agent.last_active_at > first


def test_a_line_cannot_be_changed_or_removed(entry: AgentLog) -> None:
    with pytest.raises(ProgrammingError, match="written once"), transaction.atomic():
        AgentLog.objects.filter(pk=entry.pk).update(message="Wrote nothing.")
    with pytest.raises(ProgrammingError, match="written once"), transaction.atomic():
        AgentLog.objects.filter(pk=entry.pk).delete()
    entry.refresh_from_db()
    assert entry.message == "Wrote five mails."


def test_a_decision_cannot_be_changed_or_removed(in_org: Any) -> None:
    gate.propose(org=in_org, action="enroll_lead", lead=make_lead(in_org))
    with pytest.raises(ProgrammingError, match="written once"), transaction.atomic():
        Decision.objects.for_org(in_org).update(outcome="allow")
    with pytest.raises(ProgrammingError, match="written once"), transaction.atomic():
        Decision.objects.for_org(in_org).delete()


def test_the_timeline_tells_what_was_done_and_what_was_refused(in_org: Any) -> None:
    lead = make_lead(in_org)
    log(org=in_org, log_type=LogType.ERROR, message="The site did not answer.", lead=lead)
    gate.propose(org=in_org, action="enroll_lead", lead=lead)
    titles = [item.title for item in timeline(lead)]
    assert "The site did not answer." in titles
    assert "Enrolment: refused" in titles
    refusal = next(item for item in diary.decisions(lead))
    assert refusal.text.startswith("The agent is not running.")
    assert refusal.reasons
