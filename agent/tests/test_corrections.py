"""What follows when a person says that a mail means something else than was read."""

from __future__ import annotations

from typing import Any

import pytest

from agent import engine
from agent.models import AgentConfig, AgentLog, AgentTask, Draft, DraftStatus, LogType, TaskType
from agent.services import control, drafts
from agent.tests.world import make_campaign, make_enrollment, make_inbound, make_lead, make_mailbox
from campaigns.models import Enrollment, EnrollmentStatus, InboundMessage
from campaigns.services import inbound as inbox
from leadpilot.orgs.models import Notification
from leads.models import Lead, LeadStatus
from leads.services.suppression import find_suppression, suppress

pytestmark = pytest.mark.django_db


@pytest.fixture
def running(in_org: Any, alice: Any) -> Any:
    control.start(org=in_org, by=alice)
    AgentConfig.objects.for_org(in_org).update(schedule_enabled=False, auto_respond_to_questions=False)
    return in_org


@pytest.fixture
def enrollment(running: Any) -> Enrollment:
    return make_enrollment(running, make_lead(running), make_campaign(running))


def arrived(enrollment: Enrollment, text: str = "Yes please, call me.", **fields: Any) -> InboundMessage:
    return make_inbound(enrollment.lead, enrollment.mailbox, text, **fields)


def read_as(found: InboundMessage, kind: str, **fields: Any) -> InboundMessage:
    """Let the machine read it as this, and act on it."""
    inbox.record_classification(
        inbound=found, classification=kind, confidence=0.9, by="rules", **{"sentiment": "neutral", **fields}
    )
    engine.submit(
        org=found.org_id, task_type=TaskType.CLASSIFY_REPLY, lead=found.lead_id, inbox_message=found
    )
    engine.drain(found.org_id, seconds=30)
    found.refresh_from_db()
    return found


def correct(found: InboundMessage, kind: str, by: Any) -> str:
    said = " ".join(inbox.correct_classification(inbound=found, classification=kind, by=by))
    found.refresh_from_db()
    return said


def answers(found: InboundMessage) -> list[str]:
    return list(
        Draft.objects.for_org(found.org_id).filter(in_reply_to=found).values_list("status", flat=True)
    )


def test_a_yes_that_was_read_as_an_absence_gets_its_answer(enrollment: Enrollment, alice: Any) -> None:
    found = read_as(arrived(enrollment), "out_of_office")
    assert found.is_automatic
    assert found.handled_at is not None
    said = correct(found, "interested", alice)
    assert "an answer is being prepared" in said
    assert not found.is_automatic
    assert found.handled_at is None
    enrollment.refresh_from_db()
    assert enrollment.status == EnrollmentStatus.STOPPED
    engine.drain(found.org_id, seconds=30)
    draft = Draft.objects.for_org(found.org_id).get(in_reply_to=found)
    assert draft.status == DraftStatus.PENDING_APPROVAL
    drafts.approve_draft(draft=draft, version=draft.version, by=alice)
    assert drafts.is_answered(found)


def test_the_person_who_corrects_is_not_told_what_they_know(enrollment: Enrollment, alice: Any) -> None:
    found = read_as(arrived(enrollment), "auto_reply")
    correct(found, "interested", alice)
    assert not Notification.objects.for_org(found.org_id).filter(type="reply").exists()
    line = AgentLog.objects.for_org(found.org_id).get(log_type=LogType.LEARNING)
    assert (line.actor, line.details["before"], line.details["after"]) == (alice, "auto_reply", "interested")


def test_an_answer_to_another_reading_is_withdrawn(enrollment: Enrollment, alice: Any) -> None:
    found = read_as(arrived(enrollment), "interested")
    assert answers(found) == [DraftStatus.PENDING_APPROVAL]
    said = correct(found, "not_interested", alice)
    assert "The answer that was ready was withdrawn" in said
    assert answers(found) == [DraftStatus.WITHDRAWN]
    assert found.handled_at is not None


def test_confirming_the_class_keeps_the_answer(enrollment: Enrollment, alice: Any) -> None:
    found = read_as(arrived(enrollment), "interested")
    correct(found, "interested", alice)
    assert answers(found) == [DraftStatus.PENDING_APPROVAL]


def test_a_mail_that_was_not_clear_is_answered_once_a_person_says_what_it_is(
    enrollment: Enrollment, alice: Any
) -> None:
    found = read_as(arrived(enrollment), "question")
    InboundMessage.objects.filter(pk=found.pk).update(confidence=0.2)
    correct(found, "question", alice)
    engine.drain(found.org_id, seconds=30)
    assert answers(found) == [DraftStatus.PENDING_APPROVAL]


def test_an_opt_out_that_a_person_finds_counts_at_once(enrollment: Enrollment, alice: Any) -> None:
    found = read_as(arrived(enrollment, "Rather not again."), "interested")
    said = correct(found, "unsubscribe", alice)
    assert "was unsubscribed" in said
    lead = Lead.objects.get(pk=found.lead_id)
    assert lead.status == LeadStatus.UNSUBSCRIBED
    assert find_suppression(org=found.org, email=lead.email)
    assert DraftStatus.PENDING_APPROVAL not in answers(found)


@pytest.mark.parametrize("kind", ["interested", "question", "out_of_office", "other"])
def test_no_correction_writes_to_somebody_who_opted_out(
    enrollment: Enrollment, alice: Any, kind: str
) -> None:
    found = read_as(arrived(enrollment), "unsubscribe")
    said = correct(found, kind, alice)
    assert "until a person takes it off" in said
    assert "being prepared" not in said
    engine.drain(found.org_id, seconds=30)
    assert answers(found) == []
    assert Lead.objects.get(pk=found.lead_id).status == LeadStatus.UNSUBSCRIBED


def test_no_answer_is_promised_to_a_suppressed_address(enrollment: Enrollment, alice: Any) -> None:
    found = read_as(arrived(enrollment), "out_of_office")
    suppress(org=found.org, value="engines.example", reason="manual")
    assert "being prepared" not in correct(found, "interested", alice)
    assert not AgentTask.objects.for_org(found.org_id).filter(task_type=TaskType.RESPOND_TO_REPLY).exists()


def test_while_it_is_stopped_the_answer_is_promised_for_later(enrollment: Enrollment, alice: Any) -> None:
    found = read_as(arrived(enrollment), "out_of_office")
    control.stop(org=found.org, by=alice)
    found.refresh_from_db()
    assert "as soon as the agent is started" in correct(found, "interested", alice)


def test_a_calm_class_takes_back_the_anger(enrollment: Enrollment, alice: Any) -> None:
    found = arrived(enrollment)
    InboundMessage.objects.filter(pk=found.pk).update(sentiment="angry")
    found.refresh_from_db()
    correct(found, "question", alice)
    assert found.sentiment == "neutral"
    assert find_suppression(org=found.org, email=found.lead.email) is None


def test_what_an_angry_mail_did_stays_until_a_person_lifts_it(enrollment: Enrollment, alice: Any) -> None:
    found = read_as(arrived(enrollment, "This is outrageous."), "not_interested", sentiment="angry")
    assert "until a person takes it off" in correct(found, "question", alice)


def test_a_reading_that_comes_after_the_correction_does_nothing(enrollment: Enrollment, alice: Any) -> None:
    found = arrived(enrollment)
    correct(found, "not_interested", alice)
    read = engine.submit(
        org=found.org_id, task_type=TaskType.CLASSIFY_REPLY, lead=found.lead_id, inbox_message=found
    )
    engine.drain(found.org_id, seconds=30)
    read.refresh_from_db()
    found.refresh_from_db()
    assert found.classification == "not_interested"
    assert AgentLog.objects.for_org(found.org_id).filter(action_type="reply_handled").count() == 1


def test_a_mail_of_nobody_is_only_written_down(running: Any, alice: Any) -> None:
    lead = make_lead(running, "Nora None")
    found = make_inbound(lead, make_mailbox(running), "Hello")
    InboundMessage.objects.filter(pk=found.pk).update(lead=None)
    found.refresh_from_db()
    assert correct(found, "question", alice) == ""
    assert found.classification == "question"
