"""One stable record a lead: why this was sent, why the next is not, when it will be."""

from __future__ import annotations

from datetime import time, timedelta
from typing import Any

import pytest

from agent import gate
from agent.models import AgentConfig, AgentTask, Draft, DraftStatus
from agent.services import control
from agent.services.drafts import approve_draft
from agent.services.why import fact_ids, next_obstacle, why
from agent.tests.world import make_campaign, make_draft, make_enrollment, make_inbound, make_lead
from campaigns.models import Message, StopReason
from campaigns.services import enrollment as enrollments
from campaigns.windows import WEEKDAYS
from leadpilot.lib import clock
from leads.models import Fact, LeadStatus, Page
from leads.services.suppression import suppress

pytestmark = pytest.mark.django_db


ALWAYS: dict[str, Any] = {"window_days": list(WEEKDAYS), "window_start": time(0)}


def code(lead: Any) -> str:
    return next_obstacle(lead).code


def test_before_the_first_mail_it_says_what_comes_first(running: Any) -> None:
    lead = make_lead(running)
    assert code(lead) == "research"
    task = AgentTask.objects.create(org=running, task_type="enrich_lead", lead=lead)
    assert code(lead) == "queued"
    later = clock.now() + timedelta(hours=1)
    AgentTask.objects.for_org(running).update(scheduled_for=later, error_message="It is night.")
    obstacle = next_obstacle(lead)
    assert (obstacle.code, obstacle.when) == ("queued", later)
    assert "It is night." in obstacle.text
    AgentTask.objects.for_org(running).update(status="awaiting_approval")
    assert code(lead) == "task_approval"
    AgentTask.objects.for_org(running).filter(pk=task.pk).update(status="running", lease_until=later)
    assert code(lead) == "working"


def test_a_skipped_lead_tells_the_reason(running: Any) -> None:
    lead = make_lead(running, status=LeadStatus.SKIPPED, skip_reason="Too little is known.")
    obstacle = next_obstacle(lead)
    assert (obstacle.code, obstacle.text) == ("skipped", "Too little is known.")


def test_what_the_gate_refused_is_what_is_in_the_way(running: Any) -> None:
    AgentConfig.objects.for_org(running).update(schedule_enabled=True, schedule_days=[])
    lead = make_lead(running, status=LeadStatus.RESEARCHED)
    gate.propose(org=running, action="enroll_lead", lead=lead)
    assert next_obstacle(lead).text == "The agent has no working day; choose one in its settings."


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (LeadStatus.UNSUBSCRIBED, "lead_closed"),
        (LeadStatus.REPLIED, "answered"),
        (LeadStatus.RESEARCHED, "not_enrolled"),
    ],
)
def test_the_leads_own_state_may_be_the_reason(running: Any, status: str, expected: str) -> None:
    assert code(make_lead(running, status=status)) == expected


def test_suppression_comes_before_everything_but_a_closed_lead(running: Any) -> None:
    lead = make_lead(running)
    make_draft(make_enrollment(running, lead))
    suppress(org=running, value="engines.example", reason="manual")
    assert code(lead) == "suppressed"


def test_while_stopped_that_is_the_reason(running: Any, alice: Any) -> None:
    new, enrolled = make_lead(running), make_lead(running, "Charles Babbage")
    make_enrollment(running, enrolled)
    control.stop(org=running, by=alice)
    assert [code(new), code(enrolled)] == ["halted", "halted"]


def test_a_draft_that_waits_is_what_is_in_the_way(running: Any) -> None:
    enrollment = make_enrollment(running)
    assert code(enrollment.lead) == "writing"
    make_draft(enrollment, 2)
    make_draft(enrollment, 1)
    obstacle = next_obstacle(enrollment.lead)
    assert obstacle.code == "approval"
    assert obstacle.text.startswith("Step 1 waits for a person's approval")


def test_sequences_that_are_over_or_paused_say_why(running: Any) -> None:
    enrollment = make_enrollment(running)
    enrollments.pause(enrollment=enrollment, reason="Ada is on holiday.")
    obstacle = next_obstacle(enrollment.lead)
    assert (obstacle.code, obstacle.text) == ("paused", "Ada is on holiday.")
    enrollments.stop(enrollment=enrollment, reason=StopReason.REJECTED, note="Too pushy.")
    obstacle = next_obstacle(enrollment.lead)
    assert (obstacle.code, obstacle.text) == ("stopped_rejected", "The sequence was stopped: Too pushy.")


def test_an_approved_mail_says_what_the_second_gate_says(running: Any, alice: Any) -> None:
    campaign = make_campaign(running, window_days=["monday"])
    draft = make_draft(make_enrollment(running, campaign=campaign))
    approve_draft(draft=draft, version=1, by=alice)
    control.stop(org=running, by=alice)
    assert code(draft.lead) in ("halted", "agent_stopped")


def test_an_approved_mail_says_when_it_leaves(running: Any, alice: Any) -> None:
    draft = make_draft(
        make_enrollment(running, campaign=make_campaign(running, window_end=time(23, 59, 59), **ALWAYS))
    )
    approve_draft(draft=draft, version=1, by=alice)
    later, earlier = clock.now() + timedelta(hours=2), clock.now() - timedelta(seconds=1)
    Message.objects.for_org(running).update(scheduled_for=later)
    obstacle = next_obstacle(draft.lead)
    assert (obstacle.code, obstacle.when) == ("scheduled", later)
    Message.objects.for_org(running).update(scheduled_for=earlier)
    assert code(draft.lead) == "leaving"


def test_an_answer_that_waits_for_approval_is_named(running: Any) -> None:
    enrollment = make_enrollment(running)
    found = make_inbound(enrollment.lead, enrollment.mailbox)
    enrollments.stop(enrollment=enrollment, reason=StopReason.REPLIED)
    Draft.objects.create(
        org=running,
        lead=enrollment.lead,
        in_reply_to=found,
        subject="Re",
        message_body="Yes.",
        status=DraftStatus.PENDING_APPROVAL,
    )
    assert next_obstacle(enrollment.lead).text.startswith("The answer waits for a person's approval")


def test_a_sent_mail_tells_who_why_on_what_and_which_bytes(running: Any, alice: Any) -> None:
    enrollment = make_enrollment(running)
    page = Page.objects.create(
        org=running, lead=enrollment.lead, url="https://engines.example/", text="We compute."
    )
    fact = Fact.objects.create(
        org=running,
        page=page,
        lead=enrollment.lead,
        category="company_info",
        statement="They compute",
        quote="We compute.",
        source_url=page.url,
    )
    sentences = [
        {
            "text": "You compute.",
            "fact_ids": [str(fact.pk), str(fact.pk)],
            "supported": True,
            "personal": True,
        }
    ]
    draft = make_draft(enrollment, sentences=sentences)
    assert fact_ids(draft) == [str(fact.pk)]
    approve_draft(draft=draft, version=1, by=alice)
    Message.objects.for_org(running).update(status="sent", sent_at=clock.now(), raw=b"x", raw_hash="f00")
    record = why(enrollment.lead)
    (sent,) = record.sent
    assert (sent.approved_by, sent.facts, sent.content_hash) == ("Alice", [fact], draft.content_hash)
    assert sent.raw_hash == "f00"
    assert {reason["code"] for reason in sent.reasons} >= {"person", "lead_open", "not_halted"}
    assert record.decisions[0].action == "send_message"
    assert why(enrollment.lead) == record
