"""From the state of an organization to its tasks, and never twice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from agent import engine, enrolling, orchestrator
from agent.bookkeeping import STEP_REMOVED, settle_drafts
from agent.models import AgentConfig, AgentLog, AgentTask, Decision, Draft, DraftStatus, TaskStatus, TaskType
from agent.services import control
from agent.services.drafts import approve_draft
from agent.services.tasks import approve_task, reject_task
from agent.tests.world import (
    make_campaign,
    make_draft,
    make_enrollment,
    make_inbound,
    make_lead,
    make_mailbox,
)
from agent.wiring import read_soon
from campaigns.models import Enrollment, EnrollmentStatus, Message, StopReason
from campaigns.services import enrollment as enrollments
from campaigns.services import steps
from leadpilot.lib import clock
from leadpilot.lib.errors import DomainError
from leadpilot.orgs.models import Notification
from leads.models import Lead, LeadStatus
from leads.services.suppression import suppress

pytestmark = pytest.mark.django_db


def configure(org: Any, **fields: Any) -> None:
    AgentConfig.objects.for_org(org).update(**fields)


def tasks(org: Any, kind: TaskType) -> Any:
    return AgentTask.objects.for_org(org).filter(task_type=kind)


def test_new_leads_are_researched_once(running: Any) -> None:
    lead = make_lead(running)
    make_lead(running, "Charles Babbage", status=LeadStatus.SKIPPED)
    assert orchestrator.look_for_work(running.pk)["enrich_lead"] == 1
    assert orchestrator.look_for_work(str(running.pk))["enrich_lead"] == 0
    task = tasks(running, TaskType.ENRICH_LEAD).get()
    assert (task.lead, task.agent.agent_type) == (lead, "research")


def test_a_lead_left_in_the_middle_is_picked_up(running: Any) -> None:
    make_lead(running, status=LeadStatus.RESEARCHING)
    assert orchestrator.look_for_work(running.pk)["enrich_lead"] == 1


@pytest.mark.parametrize(
    ("limits", "minute", "most"),
    [
        ({"max_leads_per_day": 2}, 10, 2),
        ({"max_actions_per_hour": 3}, 10, 3),
        ({}, 4, 4),
        ({"max_leads_per_day": 0}, 10, 0),
    ],
)
def test_no_more_leads_are_begun_than_the_limits_have_room_for(
    running: Any, settings: Any, limits: dict[str, int], minute: int, most: int
) -> None:
    configure(running, **limits)
    settings.MAX_RESEARCH_PER_MINUTE = minute
    for n in range(6):
        make_lead(running, f"Lead{n} Example")
    assert orchestrator.look_for_work(running.pk)["enrich_lead"] == most
    assert orchestrator.look_for_work(running.pk)["enrich_lead"] == 0


def test_researched_leads_are_enrolled_and_written_to(running: Any) -> None:
    campaign = make_campaign(running)
    lead = make_lead(running, status=LeadStatus.RESEARCHED)
    found = orchestrator.look_for_work(running.pk)
    assert (found["enroll_lead"], found["generate_sequence"]) == (1, 1)
    enrollment = Enrollment.objects.for_org(running).get()
    assert (enrollment.lead, enrollment.campaign) == (lead, campaign)
    assert tasks(running, TaskType.GENERATE_SEQUENCE).get().campaign == campaign
    assert Decision.objects.for_org(running).get(action="enroll_lead").outcome == "allow"
    found = orchestrator.look_for_work(running.pk)
    assert (found["enroll_lead"], found["generate_sequence"]) == (0, 0)


@pytest.mark.parametrize(
    "fields", [{"enroll_automatically": False}, {"status": "paused"}, {"status": "draft"}]
)
def test_a_campaign_takes_leads_only_when_it_is_active_and_willing(
    running: Any, fields: dict[str, Any]
) -> None:
    make_campaign(running, **fields)
    make_lead(running, status=LeadStatus.RESEARCHED)
    assert orchestrator.look_for_work(running.pk)["enroll_lead"] == 0


def test_who_left_a_campaign_is_not_enrolled_again(running: Any) -> None:
    lead = make_lead(running, status=LeadStatus.RESEARCHED)
    enrollments.stop(enrollment=make_enrollment(running, lead), reason=StopReason.REMOVED)
    assert orchestrator.look_for_work(running.pk)["enroll_lead"] == 0


def test_a_refused_lead_is_not_asked_about_every_time(running: Any) -> None:
    make_campaign(running)
    make_lead(running, status=LeadStatus.RESEARCHED, email="ada@blocked.example")
    suppress(org=running, value="blocked.example", reason="manual")
    for _ in range(3):
        assert orchestrator.look_for_work(running.pk)["enroll_lead"] == 0
    assert Decision.objects.for_org(running).filter(action="enroll_lead").count() == 1
    with clock.travel(timedelta(hours=2)):
        orchestrator.look_for_work(running.pk)
    assert Decision.objects.for_org(running).filter(action="enroll_lead").count() == 2


def test_a_campaign_without_a_mailbox_is_said_once(running: Any) -> None:
    campaign = make_campaign(running)
    campaign.pool.all().delete()
    make_lead(running, status=LeadStatus.RESEARCHED)
    orchestrator.look_for_work(running.pk)
    orchestrator.look_for_work(running.pk)
    line = AgentLog.objects.for_org(running).get(log_type="error")
    assert "no mailbox" in line.message


def test_drafts_that_were_not_put_to_the_gate_are_finished(running: Any) -> None:
    enrollment = make_enrollment(running, make_lead(running, status=LeadStatus.RESEARCHED))
    make_draft(enrollment, status=DraftStatus.DRAFT)
    assert orchestrator.look_for_work(running.pk)["generate_sequence"] == 1


def test_written_sequences_are_not_written_again(running: Any) -> None:
    campaign = make_campaign(running, steps=1)
    enrollment = make_enrollment(running, make_lead(running, status=LeadStatus.RESEARCHED), campaign)
    make_draft(enrollment, status=DraftStatus.REJECTED)
    assert orchestrator.look_for_work(running.pk)["generate_sequence"] == 0


def test_a_cancelled_writing_stays_cancelled(running: Any) -> None:
    make_enrollment(running, make_lead(running, status=LeadStatus.RESEARCHED))
    orchestrator.look_for_work(running.pk)
    tasks(running, TaskType.GENERATE_SEQUENCE).update(status=TaskStatus.CANCELLED)
    assert orchestrator.look_for_work(running.pk)["generate_sequence"] == 0


def test_unread_answers_are_read_even_while_stopped(running: Any, alice: Any) -> None:
    found = make_inbound(make_lead(running), make_mailbox(running))
    control.stop(org=running, by=alice)
    work = orchestrator.look_for_work(running.pk)
    assert work == {"drafts_settled": 0, "classify_reply": 1}
    assert orchestrator.look_for_work(running.pk)["classify_reply"] == 0
    assert tasks(running, TaskType.CLASSIFY_REPLY).get().inbox_message == found


def test_a_mail_is_read_as_soon_as_it_comes(in_org: Any) -> None:
    lead, mailbox = make_lead(in_org), make_mailbox(in_org)
    read_soon(make_inbound(lead, mailbox, classification="bounce", source_key="bounce"))
    assert not tasks(in_org, TaskType.CLASSIFY_REPLY).exists()
    found = make_inbound(lead, mailbox)
    read_soon(found)
    read_soon(found)
    assert tasks(in_org, TaskType.CLASSIFY_REPLY).get().inbox_message == found


@pytest.mark.parametrize(
    ("fields", "number"),
    [
        ({"classification": "question"}, 1),
        ({"classification": "interested"}, 1),
        ({"classification": "not_interested"}, 0),
        ({"classification": "question", "confidence": 0.2}, 0),
        ({"classification": "question", "is_automatic": True}, 0),
        ({"classification": "question", "handled_at": clock.now()}, 0),
    ],
)
def test_replies_that_want_an_answer_get_one(running: Any, fields: dict[str, Any], number: int) -> None:
    make_inbound(make_lead(running), make_mailbox(running), **{"confidence": 0.9, **fields})
    assert orchestrator.look_for_work(running.pk)["respond_to_reply"] == number
    assert orchestrator.look_for_work(running.pk)["respond_to_reply"] == 0


def test_an_answer_that_was_given_up_is_left_to_a_person(running: Any) -> None:
    make_inbound(make_lead(running), make_mailbox(running), classification="question", confidence=0.9)
    orchestrator.look_for_work(running.pk)
    tasks(running, TaskType.RESPOND_TO_REPLY).update(status=TaskStatus.FAILED)
    assert orchestrator.look_for_work(running.pk)["respond_to_reply"] == 0


@pytest.mark.parametrize("why", ["not started", "stopped", "night"])
def test_nothing_new_is_begun_when_it_does_not_work(in_org: Any, alice: Any, why: str) -> None:
    make_lead(in_org)
    if why != "not started":
        control.start(org=in_org, by=alice)
    if why == "stopped":
        control.stop(org=in_org, by=alice)
    configure(in_org, schedule_enabled=why == "night", schedule_days=[])
    assert "enrich_lead" not in orchestrator.look_for_work(in_org.pk)
    assert not AgentTask.objects.for_org(in_org).exists()


def test_a_look_takes_a_batch(running: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orchestrator, "BATCH", 2)
    make_campaign(running)
    for n in range(3):
        make_lead(running, f"Lead{n} Example", status=LeadStatus.RESEARCHED)
    assert orchestrator.look_for_work(running.pk)["enroll_lead"] == 2
    assert orchestrator.look_for_work(running.pk)["enroll_lead"] == 1


class TestBookkeeping:
    def approved(self, org: Any, alice: Any) -> Draft:
        draft = make_draft(make_enrollment(org))
        return approve_draft(draft=draft, version=1, by=alice)

    def test_a_draft_is_sent_when_its_message_is(self, running: Any, alice: Any) -> None:
        draft = self.approved(running, alice)
        when = clock.now()
        Message.objects.for_org(running).filter(pk=draft.message_id).update(status="sent", sent_at=when)
        assert settle_drafts(running) == 1
        draft.refresh_from_db()
        assert (draft.status, draft.sent_at) == (DraftStatus.SENT, when)
        assert settle_drafts(running) == 0

    def test_a_draft_whose_message_was_cancelled_is_withdrawn_with_the_reason(
        self, running: Any, alice: Any
    ) -> None:
        draft = self.approved(running, alice)
        Message.objects.for_org(running).filter(pk=draft.message_id).update(
            status="cancelled", status_reason="The campaign was archived."
        )
        settle_drafts(running)
        draft.refresh_from_db()
        assert (draft.status, draft.withdrawn_reason) == (DraftStatus.WITHDRAWN, "The campaign was archived.")

    def test_approvals_are_withdrawn_when_the_lead_has_answered(self, running: Any) -> None:
        draft = make_draft(make_enrollment(running))
        make_inbound(draft.lead, draft.enrollment.mailbox, is_automatic=True, source_key="robot")
        assert settle_drafts(running) == 0
        make_inbound(draft.lead, draft.enrollment.mailbox)
        assert settle_drafts(running) == 1
        draft.refresh_from_db()
        assert (draft.status, draft.withdrawn_reason) == (
            DraftStatus.WITHDRAWN,
            "The lead answered after this was written.",
        )

    def test_an_answer_is_not_overtaken_by_the_mail_it_answers(self, running: Any) -> None:
        lead, mailbox = make_lead(running), make_mailbox(running)
        found = make_inbound(lead, mailbox)
        answer = Draft.objects.create(
            org=running,
            lead=lead,
            in_reply_to=found,
            message_body="Yes.",
            subject="Re",
            status="pending_approval",
        )
        assert settle_drafts(running) == 0
        make_inbound(lead, mailbox, "One more thing", source_key="second")
        assert settle_drafts(running) == 1
        answer.refresh_from_db()
        assert answer.status == DraftStatus.WITHDRAWN

    def test_closed_leads_and_stopped_sequences_need_no_approval(self, running: Any) -> None:
        campaign = make_campaign(running)
        closed = make_draft(make_enrollment(running, make_lead(running), campaign))
        stopped = make_draft(make_enrollment(running, make_lead(running, "Charles Babbage"), campaign))
        waiting = make_draft(make_enrollment(running, make_lead(running, "Grace Hopper"), campaign))
        Lead.objects.for_org(running).filter(pk=closed.lead_id).update(status=LeadStatus.UNSUBSCRIBED)
        Enrollment.objects.for_org(running).filter(pk=stopped.enrollment_id).update(
            status=EnrollmentStatus.STOPPED, stop_reason=StopReason.REMOVED
        )
        assert settle_drafts(running) == 2
        states = {}
        for draft in (closed, stopped, waiting):
            draft.refresh_from_db()
            states[draft.lead.name] = draft.status
        assert states == {
            "Ada Lovelace": DraftStatus.WITHDRAWN,
            "Charles Babbage": DraftStatus.WITHDRAWN,
            "Grace Hopper": DraftStatus.PENDING_APPROVAL,
        }


class TestAStepThatIsAddedLater:
    def test_it_is_written_for_leads_under_way(self, running: Any) -> None:
        campaign = make_campaign(running, steps=1)
        enrollment = make_enrollment(running, make_lead(running, status=LeadStatus.RESEARCHED), campaign)
        first = make_draft(enrollment)
        assert orchestrator.look_for_work(running.pk)["generate_sequence"] == 0
        steps.add_step(campaign=campaign)
        assert orchestrator.look_for_work(running.pk)["generate_sequence"] == 1
        engine.drain(running.pk, seconds=20)
        added = Draft.objects.for_org(running).exclude(pk=first.pk).get()
        assert (added.step_number, added.subject) == (2, "Re: Step 1")
        assert added.status == DraftStatus.PENDING_APPROVAL
        assert orchestrator.look_for_work(running.pk)["generate_sequence"] == 0

    def test_taken_out_again_its_drafts_are_withdrawn_and_put_back_it_is_written_anew(
        self, running: Any
    ) -> None:
        campaign = make_campaign(running, steps=2)
        enrollment = make_enrollment(running, make_lead(running, status=LeadStatus.RESEARCHED), campaign)
        make_draft(enrollment)
        second = make_draft(enrollment, 2)
        steps.remove_last_step(campaign=campaign)
        assert settle_drafts(running) == 1
        second.refresh_from_db()
        assert (second.status, second.withdrawn_reason) == (DraftStatus.WITHDRAWN, STEP_REMOVED)
        steps.add_step(campaign=campaign)
        assert orchestrator.look_for_work(running.pk)["generate_sequence"] == 1


class TestAskingBeforeEnrolling:
    """With "enroll_lead" in the settings' list a person says who comes in."""

    @pytest.fixture
    def asked(self, running: Any) -> AgentTask:
        configure(running, require_approval_for=["enroll_lead"])
        make_campaign(running)
        make_lead(running, status=LeadStatus.RESEARCHED)
        assert orchestrator.look_for_work(running.pk)["enroll_lead"] == 0
        return tasks(running, TaskType.GENERATE_SEQUENCE).get()

    def test_the_question_waits_with_its_reason_and_people_are_told_once(
        self, running: Any, asked: AgentTask
    ) -> None:
        assert (asked.status, asked.requires_approval) == (TaskStatus.AWAITING_APPROVAL, True)
        assert "settings ask" in asked.error_message
        make_lead(running, "Bo Ek", status=LeadStatus.RESEARCHED)
        orchestrator.look_for_work(running.pk)
        note = Notification.objects.for_org(running).get()
        assert "May Bo Ek be taken into “Autumn”?" in note.message
        assert "Ada Lovelace" in note.message

    def test_yes_enrolls_the_lead_and_begins_the_writing(
        self, running: Any, alice: Any, asked: AgentTask
    ) -> None:
        approve_task(task=asked, by=alice)
        enrollment = Enrollment.objects.for_org(running).get()
        assert (enrollment.lead_id, enrollment.campaign_id) == (asked.lead_id, asked.campaign_id)
        assert orchestrator.look_for_work(running.pk)["generate_sequence"] == 0
        engine.drain(running.pk, seconds=30)
        assert Draft.objects.for_org(running).filter(enrollment=enrollment).count() == 5

    def test_no_is_not_asked_again_and_leaves_the_lead_to_people(
        self, running: Any, alice: Any, asked: AgentTask
    ) -> None:
        reject_task(task=asked, by=alice, reason="Not this one.")
        with clock.travel(timedelta(hours=2)):
            assert orchestrator.look_for_work(running.pk)["enroll_lead"] == 0
            assert tasks(running, TaskType.GENERATE_SEQUENCE).count() == 1
            enrollments.enroll(campaign=asked.campaign, lead=asked.lead, by=alice)
            assert orchestrator.look_for_work(running.pk)["generate_sequence"] == 1

    def test_a_lead_that_came_in_by_hand_is_not_asked_about(
        self, running: Any, alice: Any, asked: AgentTask
    ) -> None:
        enrollments.enroll(campaign=asked.campaign, lead=asked.lead, by=alice)
        orchestrator.look_for_work(running.pk)
        asked.refresh_from_db()
        assert (asked.status, asked.rejection_reason[:8]) == (TaskStatus.CANCELLED, "A person")

    def test_a_lead_that_may_not_come_in_is_refused_with_the_reason(
        self, running: Any, alice: Any, asked: AgentTask
    ) -> None:
        suppress(org=running, value=asked.lead.email, reason="manual")
        with pytest.raises(DomainError, match="suppression list"):
            approve_task(task=asked, by=alice)
        asked.refresh_from_db()
        assert asked.status == TaskStatus.AWAITING_APPROVAL

    def test_only_so_many_questions_wait_at_a_time(self, running: Any, monkeypatch: Any) -> None:
        monkeypatch.setattr(enrolling, "MOST_ASKED", 2)
        configure(running, require_approval_for=["enroll_lead"])
        make_campaign(running)
        for number in range(4):
            make_lead(running, f"Lead{number} Li", status=LeadStatus.RESEARCHED)
        orchestrator.look_for_work(running.pk)
        orchestrator.look_for_work(running.pk)
        assert tasks(running, TaskType.GENERATE_SEQUENCE).count() == 2
