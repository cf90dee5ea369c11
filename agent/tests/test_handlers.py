"""The kinds of tasks, each through the engine, the gate and the floors below."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from agent import engine, reading
from agent.engine import claims
from agent.handlers.common import may
from agent.handlers.settle_draft import settle_draft
from agent.models import AgentConfig, AgentLog, AgentTask, Decision, Draft, DraftStatus, TaskStatus, TaskType
from agent.services import control
from agent.services.drafts import approve_draft
from agent.tests.world import (
    make_campaign,
    make_draft,
    make_enrollment,
    make_inbound,
    make_lead,
    make_mailbox,
)
from campaigns.models import Enrollment, EnrollmentStatus, InboundMessage, Message, StopReason
from campaigns.models.campaign import ApprovalMode
from campaigns.services import enrollment as enrollments
from campaigns.services import inbound as inbox
from leadpilot.lib import clock
from leadpilot.lib import verdict as verdicts
from leadpilot.orgs.models import Notification
from leadpilot.orgs.tenancy import org_context
from leadpilot.tests.servers import WebServer, web_server
from leads.models import Fact, Lead, LeadResearch, LeadStatus, Page
from leads.services.suppression import find_suppression, suppress

pytestmark = pytest.mark.django_db


def configure(org: Any, **fields: Any) -> None:
    AgentConfig.objects.for_org(org).update(**fields)


def work(org: Any, kind: TaskType, **related: Any) -> AgentTask:
    """Submit one task, let the engine do it, and give it back."""
    task = engine.submit(org=org, task_type=kind, **related)
    engine.drain(org.pk, seconds=30)
    task.refresh_from_db()
    return task


class TestGenerateSequence:
    def write(self, enrollment: Enrollment) -> AgentTask:
        return work(
            enrollment.org,
            TaskType.GENERATE_SEQUENCE,
            lead=enrollment.lead_id,
            campaign=enrollment.campaign_id,
        )

    def test_it_writes_every_step_and_asks_for_approval(self, running: Any) -> None:
        enrollment = make_enrollment(running)
        task = self.write(enrollment)
        assert task.status == TaskStatus.COMPLETED, task.error_message
        drafts = Draft.objects.for_org(running).order_by("step_number")
        assert [d.step_number for d in drafts] == [1, 2, 3, 4, 5]
        assert {d.status for d in drafts} == {DraftStatus.PENDING_APPROVAL}
        assert all("Ada" in d.message_body for d in drafts)
        assert Decision.objects.for_org(running).filter(action="send_message", outcome="ask").count() == 5
        assert Notification.objects.for_org(running).filter(type="approval_needed").count() == 1
        assert (
            AgentLog.objects.for_org(running)
            .filter(action_type="write_sequence", lead=enrollment.lead)
            .exists()
        )
        assert not Message.objects.for_org(running).exists()

    def test_what_the_gate_allows_is_approved_by_itself(self, running: Any) -> None:
        configure(running, require_approval_for=[])
        enrollment = make_enrollment(
            running, campaign=make_campaign(running, approval_mode=ApprovalMode.AUTOMATIC)
        )
        self.write(enrollment)
        clean = Draft.objects.for_org(running).filter(has_unsupported=False)
        assert clean.count() > 0
        assert {d.status for d in clean} == {DraftStatus.APPROVED}
        assert Message.objects.for_org(running).filter(approved_by=None).count() == clean.count()

    def test_doing_it_again_writes_nothing_twice(self, running: Any) -> None:
        enrollment = make_enrollment(running)
        self.write(enrollment)
        before = set(Draft.objects.for_org(running).values_list("pk", flat=True))
        self.write(enrollment)
        assert set(Draft.objects.for_org(running).values_list("pk", flat=True)) == before

    def test_after_a_crash_between_writing_and_asking_it_goes_on(self, running: Any) -> None:
        enrollment = make_enrollment(running, campaign=make_campaign(running, steps=1))
        draft = make_draft(enrollment, 1, status=DraftStatus.DRAFT)
        task = self.write(enrollment)
        draft.refresh_from_db()
        assert draft.status == DraftStatus.PENDING_APPROVAL
        assert task.output_data == {"drafts": {"step 1": "ask"}}

    def test_a_lead_that_is_out_of_the_campaign_is_not_written_to(self, running: Any) -> None:
        enrollment = make_enrollment(running)
        enrollments.stop(enrollment=enrollment, reason=StopReason.REMOVED)
        task = self.write(enrollment)
        assert "no active campaign" in task.output_data["skipped"]
        assert not Draft.objects.for_org(running).exists()

    def test_approval_of_the_writing_itself_can_be_asked_for(self, running: Any) -> None:
        configure(running, require_approval_for=["write_sequence"])
        task = self.write(make_enrollment(running))
        assert task.status == TaskStatus.AWAITING_APPROVAL
        assert not Draft.objects.for_org(running).exists()

    def test_outside_its_hours_it_is_put_off(self, running: Any) -> None:
        configure(running, schedule_enabled=True, schedule_days=[])
        task = self.write(make_enrollment(running))
        assert (task.status, task.attempts) == (TaskStatus.PENDING, 0)
        assert task.scheduled_for > clock.now()

    def test_a_sequence_that_cannot_be_written_is_paused(self, running: Any) -> None:
        enrollment = make_enrollment(running)
        Enrollment.objects.for_org(running).update(mailbox=None)
        for hours in range(4):
            with clock.travel(timedelta(hours=hours)):
                task = self.write(enrollment)
        enrollment.refresh_from_db()
        assert task.status == TaskStatus.COMPLETED  # the later ones find it paused
        assert enrollment.status == EnrollmentStatus.PAUSED
        assert "could not be written" in enrollment.next_reason


class TestClassifyReply:
    def reply(self, org: Any, text: str, **fields: Any) -> InboundMessage:
        enrollment = make_enrollment(org)
        self.draft = make_draft(enrollment, 1)
        found = make_inbound(enrollment.lead, enrollment.mailbox, text, **fields)
        enrollments.pause_lead(lead=enrollment.lead, reason="The answer is being read.")
        self.task = work(org, TaskType.CLASSIFY_REPLY, lead=found.lead_id, inbox_message=found.pk)
        for row in (found, self.draft, enrollment, enrollment.lead):
            row.refresh_from_db()
        found.lead.refresh_from_db()
        self.enrollment = enrollment
        assert self.task.status == TaskStatus.COMPLETED, self.task.error_message
        return found

    def test_what_a_person_said_meanwhile_is_not_overwritten(
        self, running: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        read = reading.classify

        def classify(found: InboundMessage) -> reading.Reading:
            inbox.record_classification(inbound=found, classification="unsubscribe", by="Alice")
            return read(found)

        monkeypatch.setattr(reading, "classify", classify)
        found = self.reply(running, "Yes, I am interested. Let's talk next week.")
        assert (found.classification, found.classified_by) == ("unsubscribe", "Alice")
        assert found.lead.status == LeadStatus.UNSUBSCRIBED
        assert not self.answers(running).exists()

    def answers(self, org: Any) -> Any:
        return AgentTask.objects.for_org(org).filter(task_type=TaskType.RESPOND_TO_REPLY)

    def test_interest_stops_the_sequence_tells_people_and_prepares_an_answer(self, running: Any) -> None:
        found = self.reply(running, "Yes, I am interested. Let's talk next week.")
        assert found.classification == "interested"
        assert (self.enrollment.status, self.enrollment.stop_reason) == (EnrollmentStatus.STOPPED, "replied")
        assert self.draft.status == DraftStatus.WITHDRAWN
        assert found.lead.status == LeadStatus.REPLIED
        assert Notification.objects.for_org(running).get(type="reply").priority == "high"
        assert self.answers(running).count() == 1
        assert AgentLog.objects.for_org(running).filter(log_type="observation", lead=found.lead).exists()

    def test_people_may_not_want_to_be_told(self, running: Any) -> None:
        configure(running, notify_on_positive_reply=False)
        self.reply(running, "Yes, I am interested. Let's talk next week.")
        assert not Notification.objects.for_org(running).filter(type="reply").exists()

    def test_an_opt_out_is_final(self, running: Any) -> None:
        found = self.reply(running, "Please remove me from your list.")
        assert found.classification == "unsubscribe"
        assert found.lead.status == LeadStatus.UNSUBSCRIBED
        assert find_suppression(org=running, email=found.lead.email)
        assert self.draft.status == DraftStatus.WITHDRAWN
        assert found.handled_at is not None
        assert not self.answers(running).exists()

    def test_an_opt_out_counts_while_everything_is_stopped(self, running: Any, alice: Any) -> None:
        control.stop(org=running, by=alice)
        found = self.reply(running, "Please remove me from your list.")
        assert found.lead.status == LeadStatus.UNSUBSCRIBED

    def test_anger_stops_suppresses_and_tells_people_at_once(self, running: Any) -> None:
        found = self.reply(
            running,
            "How dare you! This is outrageous spam. Stop harassing me or you will hear from my lawyer!",
        )
        assert found.sentiment == "angry"
        assert found.lead.status == LeadStatus.UNSUBSCRIBED
        assert find_suppression(org=running, email=found.lead.email)
        assert self.enrollment.status == EnrollmentStatus.STOPPED
        if found.classification != "unsubscribe":
            assert Notification.objects.for_org(running).get(type="reply").priority == "high"

    def test_no_interest_ends_it_quietly(self, running: Any) -> None:
        found = self.reply(running, "Thanks, but we are not interested.")
        assert found.classification == "not_interested"
        assert self.enrollment.status == EnrollmentStatus.STOPPED
        assert found.handled_at is not None
        assert not self.answers(running).exists()

    def test_an_absence_lets_the_sequence_go_on_after_the_return(self, running: Any) -> None:
        back = (clock.now() + timedelta(days=10)).date()
        found = self.reply(
            running,
            f"I am out of the office until {back.isoformat()}. I will answer when I am back.",
            is_automatic=True,
            subject="Automatic reply: Step 1",
        )
        assert found.classification == "out_of_office"
        assert self.enrollment.status == EnrollmentStatus.ACTIVE
        assert self.enrollment.next_step_at.date() > back
        assert self.draft.status == DraftStatus.PENDING_APPROVAL
        assert not self.answers(running).exists()

    def test_a_robot_changes_nothing(self, running: Any) -> None:
        found = self.reply(
            running,
            "Thank you for contacting us. We received your message and created ticket 4711.",
            is_automatic=True,
            subject="Automatic reply: Step 1",
        )
        assert found.classification == "auto_reply"
        assert self.enrollment.status == EnrollmentStatus.ACTIVE
        assert found.handled_at is not None

    def test_someone_else_is_named_to_people(self, running: Any) -> None:
        found = self.reply(
            running,
            "I am not the right person for this. Please contact Grace Hopper, grace@engines.example, instead.",
        )
        assert found.classification in ("wrong_person", "referral")
        assert self.enrollment.status == EnrollmentStatus.STOPPED
        note = Notification.objects.for_org(running).get(type="reply")
        assert "not the right person" in note.message
        assert "grace@engines.example" in note.message

    def test_what_is_not_clear_waits_for_a_person(self, running: Any) -> None:
        found = self.reply(running, "Hm.")
        assert self.enrollment.status == EnrollmentStatus.PAUSED
        assert found.handled_at is None
        assert "please read it" in Notification.objects.for_org(running).get(type="reply").title
        assert not self.answers(running).exists()

    def test_a_mail_is_acted_on_once(self, running: Any) -> None:
        found = self.reply(running, "Yes, I am interested. Let's talk next week.")
        work(running, TaskType.CLASSIFY_REPLY, lead=found.lead_id, inbox_message=found.pk)
        assert Notification.objects.for_org(running).filter(type="reply").count() == 1
        assert AgentLog.objects.for_org(running).filter(action_type="reply_handled").count() == 1

    def test_a_mail_that_is_gone_fails_with_a_sentence(self, running: Any) -> None:
        task = work(running, TaskType.CLASSIFY_REPLY)
        assert (task.status, task.error_message) == (TaskStatus.FAILED, "The mail is not there any more.")


class TestRespondToReply:
    def question(self, org: Any, **fields: Any) -> InboundMessage:
        enrollment = make_enrollment(org)
        return make_inbound(
            enrollment.lead,
            enrollment.mailbox,
            "What does it cost?",
            **{"classification": "question", "confidence": 0.9, **fields},
        )

    def answer(self, found: InboundMessage) -> AgentTask:
        return work(found.org, TaskType.RESPOND_TO_REPLY, lead=found.lead_id, inbox_message=found.pk)

    def test_an_answer_waits_for_a_person_by_default(self, running: Any, alice: Any) -> None:
        found = self.question(running)
        task = self.answer(found)
        assert task.status == TaskStatus.COMPLETED, task.error_message
        draft = Draft.objects.for_org(running).get(in_reply_to=found)
        assert draft.status == DraftStatus.PENDING_APPROVAL
        assert draft.subject.startswith("Re: ")
        approve_draft(draft=draft, version=draft.version, by=alice)
        message = Message.objects.for_org(running).get(in_reply_to=found)
        assert (message.to_email, message.approved_by) == (found.lead.email, alice)

    def test_a_question_is_answered_by_itself_when_the_settings_say_so(self, running: Any) -> None:
        configure(running, require_approval_for=[], auto_respond_to_questions=True)
        found = self.question(running)
        self.answer(found)
        found.refresh_from_db()
        assert Message.objects.for_org(running).get(in_reply_to=found).approved_by is None
        assert found.handled_at is not None

    def test_an_approved_answer_and_its_handled_mail_are_one_transaction(self, running: Any) -> None:
        configure(running, require_approval_for=[], auto_respond_to_questions=True)
        enrollment = make_enrollment(running)
        found = make_inbound(
            enrollment.lead, enrollment.mailbox, "What is it?", classification="question", confidence=0.9
        )
        draft = make_draft(enrollment, status=DraftStatus.DRAFT, in_reply_to=found)
        engine.submit(org=running, task_type=TaskType.RESPOND_TO_REPLY, inbox_message=found.pk)
        [claimed] = claims.claim(running.pk, "me", 1)
        assert settle_draft(claimed, draft, confidence=0.9) == "allow"
        found.refresh_from_db()
        assert found.handled_at is not None  # though its worker may die before it says so

    def test_an_unsure_reading_is_handed_to_a_person(self, running: Any) -> None:
        configure(running, require_approval_for=[])
        found = self.question(running, confidence=0.3)
        self.answer(found)
        assert Draft.objects.for_org(running).get(in_reply_to=found).status == DraftStatus.PENDING_APPROVAL
        assert Notification.objects.for_org(running).get(type="approval_needed").priority == "high"

    def test_one_answer_a_mail(self, running: Any) -> None:
        found = self.question(running)
        self.answer(found)
        task = self.answer(found)
        assert task.output_data == {"skipped": "There is an answer already."}
        assert Draft.objects.for_org(running).filter(in_reply_to=found).count() == 1

    @pytest.mark.parametrize("fields", [{"is_automatic": True}, {"handled_at": clock.now()}])
    def test_what_needs_no_answer_gets_none(self, running: Any, fields: dict[str, Any]) -> None:
        task = self.answer(self.question(running, **fields))
        assert task.output_data == {"skipped": "It needs no answer."}
        assert not Draft.objects.for_org(running).exists()

    def test_a_closed_lead_gets_no_answer(self, running: Any) -> None:
        found = self.question(running)
        Lead.objects.for_org(running).update(status=LeadStatus.UNSUBSCRIBED)
        task = self.answer(found)
        assert task.output_data == {"skipped": "Ada Lovelace is unsubscribed."}

    def test_when_the_days_messages_are_spent_the_answer_waits(self, running: Any) -> None:
        configure(running, require_approval_for=[], max_messages_per_day=0)
        found = self.question(running)
        task = self.answer(found)
        assert (task.status, task.attempts) == (TaskStatus.PENDING, 0)
        assert task.scheduled_for > clock.now()
        assert Draft.objects.for_org(running).get(in_reply_to=found).status == DraftStatus.DRAFT
        configure(running, max_messages_per_day=10)
        AgentTask.objects.for_org(running).update(scheduled_for=clock.now())
        engine.drain(running.pk)
        assert Draft.objects.for_org(running).get(in_reply_to=found).status == DraftStatus.APPROVED

    def test_an_answer_to_a_suppressed_address_is_withdrawn(self, running: Any) -> None:
        found = self.question(running)
        suppress(org=running, value="engines.example", reason="manual")
        self.answer(found)
        draft = Draft.objects.for_org(running).get(in_reply_to=found)
        assert (draft.status, draft.withdrawn_reason) == (
            DraftStatus.WITHDRAWN,
            "engines.example is on the suppression list.",
        )

    def test_stop_between_writing_and_asking_leaves_the_draft_alone(self, running: Any, alice: Any) -> None:
        enrollment = make_enrollment(running)
        draft = make_draft(enrollment, status=DraftStatus.DRAFT)
        engine.submit(org=running, task_type=TaskType.REPORT)  # a kind that Stop leaves running
        claimed = claims.claim(running.pk, "me", 1)[0]
        AgentConfig.objects.for_org(running).update(is_enabled=False)
        with pytest.raises(engine.TaskLater):
            settle_draft(claimed, draft)
        control.stop(org=running, by=alice)
        with pytest.raises(engine.TaskLater):
            settle_draft(claimed, draft)
        draft.refresh_from_db()
        assert draft.status == DraftStatus.DRAFT

    def test_without_a_campaign_an_answer_is_written_all_the_same(self, running: Any) -> None:
        lead = make_lead(running)
        found = make_inbound(
            lead, make_mailbox(running), "What is it?", classification="question", confidence=0.9
        )
        self.answer(found)
        assert "Ada" in Draft.objects.for_org(running).get(in_reply_to=found).message_body


class TestWhatAVerdictMeans:
    def test_waiting_without_a_time_is_looked_at_again_soon(self) -> None:
        with pytest.raises(engine.TaskLater) as later:
            may(verdicts.defer(None, "x", "Something is in the way."))
        assert timedelta(minutes=10) < later.value.until - clock.now() < timedelta(minutes=20)

    def test_a_refusal_while_stopped_waits_for_start(self) -> None:
        with pytest.raises(engine.TaskLater):
            may(verdicts.deny("halted", "Everything is stopped."))
        assert may(verdicts.deny("suppressed", "Never.")) is False


HOME = """<html><head><title>Analytical Engines</title></head><body><main>
<h1>Analytical Engines</h1>
<p>Analytical Engines builds mechanical computers for insurance companies in London since 1837.</p>
<p>In October 2026 Analytical Engines opened a second workshop in Manchester with forty new colleagues.</p>
<p>Our team of 120 engineers helps insurers to calculate mortality tables without errors.</p>
</main></body></html>"""


@pytest.mark.django_db(transaction=True)
class TestEnrichLead:
    @pytest.fixture
    def site(self, settings: Any) -> Iterator[WebServer]:
        with web_server({"/": HOME, "/robots.txt": "User-agent: *\nAllow: /\n"}) as server:
            settings.OUTBOUND_ALLOW = [server.place]
            yield server

    @pytest.fixture
    def started(self, org: Any, alice: Any) -> Any:
        with org_context(org.pk):
            control.start(org=org, by=alice)
            configure(org, schedule_enabled=False)
        return org

    def research(self, org: Any, **fields: Any) -> tuple[AgentTask, Lead]:
        with org_context(org.pk):
            lead = make_lead(org, email="ada@gmail.com", **fields)
            task = engine.submit(org=org, task_type=TaskType.ENRICH_LEAD, lead=lead)
        engine.drain(org.pk, seconds=30)
        with org_context(org.pk):
            task.refresh_from_db()
            lead.refresh_from_db()
        return task, lead

    def test_a_lead_is_read_judged_and_explained(self, started: Any, site: WebServer) -> None:
        task, lead = self.research(
            started,
            website_url=f"http://{site.place}/",
            title="Chief Engineer",
            linkedin_url="https://www.linkedin.com/in/ada",
        )
        assert task.status == TaskStatus.COMPLETED, task.error_message
        assert any(request[1] == "/" for request in site.seen)
        with org_context(started.pk):
            assert Page.objects.for_org(started).filter(status="ok").exists()
            assert LeadResearch.objects.for_org(started).filter(lead=lead).count() == 1
            assert Fact.objects.for_org(started).exists()
            line = AgentLog.objects.for_org(started).get(action_type="research_lead", lead=lead)
        assert (lead.status, task.output_data["qualified"]) == (LeadStatus.RESEARCHED, True)
        assert lead.score >= 45
        assert sum(part["got"] for part in lead.score_breakdown["parts"]) == lead.score
        assert f"score {lead.score}" in line.message

    def test_too_little_to_write_honestly_is_skipped_with_the_reason(self, started: Any) -> None:
        task, lead = self.research(started, company="")
        assert lead.status == LeadStatus.SKIPPED
        assert "Too little to write honestly" in lead.skip_reason
        assert task.output_data["qualified"] is False

    def test_a_suppressed_lead_is_not_looked_up(self, started: Any, site: WebServer) -> None:
        with org_context(started.pk):
            suppress(org=started, value="ada@gmail.com", reason="manual")
        task, lead = self.research(started, website_url=f"http://{site.place}/")
        assert site.seen == []
        assert lead.status == LeadStatus.SKIPPED
        assert "suppression list" in lead.skip_reason
        assert "suppression list" in task.output_data["denied"]

    def test_a_lead_further_on_keeps_its_place_when_it_is_read_anew(
        self, started: Any, site: WebServer
    ) -> None:
        with org_context(started.pk):
            lead = make_lead(started, status=LeadStatus.EMAILED, website_url=f"http://{site.place}/")
            first = engine.submit(org=started, task_type=TaskType.ENRICH_LEAD, lead=lead)
        engine.drain(started.pk)
        assert site.seen == []
        with org_context(started.pk):
            first.refresh_from_db()
            assert "is emailed" in first.output_data["skipped"]
            engine.submit(org=started, task_type=TaskType.ENRICH_LEAD, lead=lead, input_data={"again": True})
        engine.drain(started.pk, seconds=30)
        assert site.seen != []
        with org_context(started.pk):
            lead.refresh_from_db()
        assert lead.status == LeadStatus.EMAILED

    def test_research_that_is_given_up_leaves_no_lead_hanging(self, started: Any) -> None:
        with org_context(started.pk):
            lead = make_lead(started, website_url="https://engines.example/")
            engine.submit(
                org=started, task_type=TaskType.ENRICH_LEAD, lead=lead, input_data={"depth": "bottomless"}
            )
        for hours in range(3):
            with clock.travel(timedelta(hours=hours)):
                engine.drain(started.pk)
        with org_context(started.pk):
            lead.refresh_from_db()
        assert lead.status == LeadStatus.SKIPPED
        assert "Not researched: KeyError" in lead.skip_reason
