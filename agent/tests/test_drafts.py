"""A draft is decided once, in the version that was seen, and the message carries those bytes."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection

from agent.models import AgentLog, Decision, Draft, DraftStatus
from agent.services import drafts
from agent.services.drafts import approve_draft, approve_many, edit_draft, reject_draft, undo_approval
from agent.services.revisions import BY_PERSON, regroup
from agent.tests.briefs import make_brief
from agent.tests.world import make_draft, make_enrollment, make_inbound, make_lead
from agent.writers import write_sequence
from campaigns.models import EnrollmentStatus, Message, MessageStatus
from campaigns.services import outbox
from leadpilot.lib.errors import Conflict, DomainError
from leadpilot.orgs import services as orgs
from leadpilot.orgs.tenancy import org_context

pytestmark = pytest.mark.django_db


@pytest.fixture
def draft(in_org: Any) -> Draft:
    return make_draft(make_enrollment(in_org))


def test_a_written_sequence_becomes_five_drafts_with_their_grounding(in_org: Any) -> None:
    enrollment = make_enrollment(in_org)
    made = drafts.create_sequence(org=in_org, enrollment=enrollment, written=write_sequence(make_brief()))
    assert [d.step_number for d in made] == [1, 2, 3, 4, 5]
    assert {d.status for d in made} == {DraftStatus.DRAFT}
    assert made[0].message_body == made[0].original_body
    assert any(s["fact_ids"] for s in made[0].sentences)
    assert made[0].quality_score == pytest.approx(5, abs=3)
    assert made[0].ai_model_used == "offline"


def test_writing_again_keeps_the_drafts_that_live(in_org: Any) -> None:
    enrollment = make_enrollment(in_org)
    written = write_sequence(make_brief())
    first = drafts.create_sequence(org=in_org, enrollment=enrollment, written=written)
    Draft.objects.filter(pk=first[2].pk).update(status=DraftStatus.WITHDRAWN)
    again = drafts.create_sequence(org=in_org, enrollment=enrollment, written=written)
    assert [d.step_number for d in again] == [3]


def test_an_answer_is_drafted_once(in_org: Any) -> None:
    enrollment = make_enrollment(in_org)
    inbound = make_inbound(enrollment.lead, enrollment.mailbox)
    written = write_sequence(make_brief())
    first = drafts.create_answer(org=in_org, inbound=inbound, written=written)
    assert drafts.create_answer(org=in_org, inbound=inbound, written=written) == first
    assert first.step_number is None


def test_submitting_happens_once(in_org: Any) -> None:
    fresh = make_draft(make_enrollment(in_org), status=DraftStatus.DRAFT)
    assert drafts.submit_for_approval(draft=fresh, reason="asked")
    assert not drafts.submit_for_approval(draft=fresh, reason="asked")


def test_approving_makes_one_message_with_the_bytes_that_were_shown(draft: Draft, alice: Any) -> None:
    approve_draft(draft=draft, version=1, by=alice)
    message = Message.objects.get()
    assert draft.status == DraftStatus.APPROVED
    assert draft.decided_by == alice
    assert (message.subject, message.body, message.approved_by) == (draft.subject, draft.message_body, alice)
    assert message.approved_hash == draft.content_hash
    assert Decision.objects.filter(draft=draft, outcome="allow", actor=alice).exists()
    assert AgentLog.objects.filter(action_type="draft.approved").count() == 1


def test_approving_twice_does_nothing_twice(draft: Draft, alice: Any) -> None:
    approve_draft(draft=draft, version=1, by=alice)
    with pytest.raises(Conflict, match="approved already by Alice"):
        approve_draft(draft=draft, version=1, by=alice)
    assert Message.objects.count() == 1


def test_a_version_that_was_not_seen_is_not_approved(draft: Draft, alice: Any) -> None:
    edit_draft(draft=draft, version=1, subject="New", body="Hi Ada, new words.", by=alice)
    with pytest.raises(Conflict, match="edited meanwhile"):
        approve_draft(draft=draft, version=1, by=alice)
    assert not Message.objects.exists()


def test_nothing_is_approved_after_the_lead_has_answered(draft: Draft, alice: Any) -> None:
    make_inbound(draft.lead, drafts.mailbox_of(draft))
    with pytest.raises(Conflict, match="has answered since"):
        approve_draft(draft=draft, version=1, by=alice)


def test_nothing_is_approved_while_everything_is_stopped(draft: Draft, alice: Any, org: Any) -> None:
    orgs.halt(org=draft.org, by=alice)
    with pytest.raises(DomainError, match="stopped"):
        approve_draft(draft=draft, version=1, by=alice)
    assert draft.status == DraftStatus.PENDING_APPROVAL


def test_an_edit_keeps_the_original_and_binds_the_new_words(draft: Draft, alice: Any) -> None:
    before = draft.content_hash
    edit_draft(draft=draft, version=1, subject=" Two  words ", body="Hi Ada,\r\n\r\nOther words.", by=alice)
    assert draft.subject == "Two words"
    assert draft.message_body == "Hi Ada,\n\nOther words.\n"
    assert draft.version == 2
    assert draft.content_hash != before


@pytest.mark.parametrize(("subject", "body", "field"), [("", "text", "subject"), ("s", " \n", "body")])
def test_an_empty_edit_names_its_field(draft: Draft, alice: Any, subject: str, body: str, field: str) -> None:
    with pytest.raises(DomainError) as caught:
        edit_draft(draft=draft, version=1, subject=subject, body=body, by=alice)
    assert caught.value.field == field


def test_two_editors_do_not_overwrite_each_other(draft: Draft, alice: Any) -> None:
    edit_draft(draft=draft, version=1, subject="First", body="Hi, first.", by=alice)
    with pytest.raises(Conflict):
        edit_draft(draft=Draft.objects.get(), version=1, subject="Second", body="Hi, second.", by=alice)
    assert Draft.objects.get().subject == "First"


def test_rejecting_stops_the_sequence_and_withdraws_the_rest(in_org: Any, alice: Any) -> None:
    enrollment = make_enrollment(in_org)
    first, second = make_draft(enrollment, 1), make_draft(enrollment, 2)
    reject_draft(draft=first, version=1, reason="Too pushy", by=alice)
    second.refresh_from_db()
    enrollment.refresh_from_db()
    assert (first.status, first.rejection_reason) == (DraftStatus.REJECTED, "Too pushy")
    assert second.status == DraftStatus.WITHDRAWN
    assert (enrollment.status, enrollment.stop_reason) == (EnrollmentStatus.STOPPED, "rejected")


def test_rejecting_needs_a_reason(draft: Draft, alice: Any) -> None:
    with pytest.raises(DomainError) as caught:
        reject_draft(draft=draft, version=1, reason="  ", by=alice)
    assert caught.value.field == "reason"
    assert draft.status == DraftStatus.PENDING_APPROVAL


def test_an_approval_can_be_taken_back_and_given_again(draft: Draft, alice: Any) -> None:
    approve_draft(draft=draft, version=1, by=alice)
    undo_approval(draft=draft, by=alice)
    assert draft.status == DraftStatus.PENDING_APPROVAL
    assert Message.objects.get().status == MessageStatus.CANCELLED
    approve_draft(draft=draft, version=1, by=alice)
    assert sorted(Message.objects.values_list("revision", "status")) == [(1, "cancelled"), (2, "queued")]


def test_what_has_left_cannot_be_taken_back(draft: Draft, alice: Any) -> None:
    approve_draft(draft=draft, version=1, by=alice)
    Message.objects.update(status=MessageStatus.SENT)
    draft = Draft.objects.select_related("message").get()
    with pytest.raises(Conflict, match="it is sent"):
        undo_approval(draft=draft, by=alice)
    assert Draft.objects.get().status == DraftStatus.APPROVED


def test_several_are_approved_each_on_its_own(in_org: Any, alice: Any) -> None:
    enrollment = make_enrollment(in_org)
    good, unsupported, gone = (make_draft(enrollment, n) for n in (1, 2, 3))
    Draft.objects.filter(pk=unsupported.pk).update(has_unsupported=True)
    Draft.objects.filter(pk=gone.pk).update(status=DraftStatus.REJECTED)
    chosen = [(Draft.objects.get(pk=d.pk), 1) for d in (good, unsupported, gone)]
    failed = approve_many(drafts=chosen, by=alice)
    assert [(d.pk, "rests on no fact" in why) for d, why in failed] == [
        (unsupported.pk, True),
        (gone.pk, False),
    ]
    assert Message.objects.count() == 1


def test_withdrawing_takes_back_what_has_not_left(in_org: Any, alice: Any) -> None:
    enrollment = make_enrollment(in_org)
    sent, held, waiting = (make_draft(enrollment, n) for n in (1, 2, 3))
    for one in (sent, held):
        approve_draft(draft=one, version=1, by=alice)
    Message.objects.filter(email_sequence=1).update(status=MessageStatus.SENT)
    assert drafts.withdraw_drafts(lead=enrollment.lead, reason="The lead answered.") == 2
    assert Draft.objects.get(pk=sent.pk).status == DraftStatus.APPROVED
    assert Draft.objects.get(pk=waiting.pk).withdrawn_reason == "The lead answered."
    assert Message.objects.get(email_sequence=2).status == MessageStatus.CANCELLED


def test_withdrawing_can_keep_answers(in_org: Any) -> None:
    enrollment = make_enrollment(in_org)
    inbound = make_inbound(enrollment.lead, enrollment.mailbox)
    answer = make_draft(enrollment, in_reply_to=inbound)
    Draft.objects.filter(pk=answer.pk).update(enrollment=None, step_number=None)
    answer = Draft.objects.get(pk=answer.pk)
    assert drafts.withdraw_drafts(lead=enrollment.lead, reason="x", keep_answers=True) == 0
    answer.refresh_from_db()
    assert answer.status == DraftStatus.PENDING_APPROVAL


def test_a_draft_without_a_mailbox_says_so(draft: Draft, alice: Any) -> None:
    draft.enrollment.mailbox = None
    with pytest.raises(DomainError, match="mailbox of this draft was removed"):
        drafts.mailbox_of(draft)


def test_the_sequence_of_an_answer_is_itself(in_org: Any) -> None:
    enrollment = make_enrollment(in_org)
    inbound = make_inbound(enrollment.lead, enrollment.mailbox)
    answer = make_draft(enrollment, in_reply_to=inbound)
    Draft.objects.filter(pk=answer.pk).update(enrollment=None, step_number=None)
    answer = Draft.objects.get(pk=answer.pk)
    assert drafts.sequence_of(answer) == [answer]


def test_approval_needs_the_lead_at_the_address_that_was_shown(draft: Draft, alice: Any) -> None:
    draft.lead.email = "other@engines.example"
    draft.lead.save()
    with pytest.raises(Conflict, match="changed since it was shown"):
        approve_draft(draft=draft, version=1, by=alice)


@pytest.mark.django_db(transaction=True)
def test_two_people_approving_at_once_send_one_mail(org: Any, alice: Any, mia: Any) -> None:
    with org_context(org.pk):
        pk = make_draft(make_enrollment(org)).pk
    outcomes: list[str] = []
    ready = threading.Barrier(2)

    def approve(user: Any) -> None:
        try:
            with org_context(org.pk):
                mine = Draft.objects.select_related("org", "lead", "enrollment__mailbox").get(pk=pk)
                ready.wait(5)
                approve_draft(draft=mine, version=1, by=user)
            outcomes.append("approved")
        except Conflict:
            outcomes.append("conflict")
        finally:
            connection.close()

    threads = [threading.Thread(target=approve, args=(user,)) for user in (alice, mia)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(outcomes) == ["approved", "conflict"]
    with org_context(org.pk):
        assert Message.objects.count() == 1


SENTENCES = [
    {"text": "Hi Ada,\n\n", "fact_ids": [], "personal": False, "supported": True, "note": ""},
    {"text": "I read that it rains.", "fact_ids": ["f1"], "personal": True, "supported": True, "note": ""},
    {"text": " Shall we talk?\n", "fact_ids": [], "personal": False, "supported": True, "note": ""},
]


def test_sentences_that_stay_keep_their_facts() -> None:
    body = "Hi Ada,\n\nI read that it rains. I like rain. Shall we talk?\n"
    pieces = regroup(SENTENCES, body)
    assert "".join(p["text"] for p in pieces) == body
    assert [p["fact_ids"] for p in pieces if p["personal"]] == [["f1"]]
    assert [p["text"].strip() for p in pieces if p["note"] == BY_PERSON] == ["I like rain."]


def test_sentences_that_went_lose_their_facts() -> None:
    pieces = regroup(SENTENCES, "Hi Ada,\n\nShall we talk?\n")
    assert not any(p["fact_ids"] for p in pieces)


def test_a_persons_claim_about_the_reader_is_marked_too(draft: Draft, alice: Any) -> None:
    body = "Hi Ada,\n\nCongratulations on your 40 million dollar round in August 2026! Shall we talk?"
    edit_draft(draft=draft, version=1, subject="New", body=body, by=alice)
    assert draft.has_unsupported
    marked = [s for s in draft.sentences if not s["supported"]]
    assert [s["text"].strip() for s in marked] == [
        "Congratulations on your 40 million dollar round in August 2026!"
    ]
    assert "Your words" in marked[0]["note"]
    assert any("without a fact" in reason for reason in draft.quality_reasons)
    failed = approve_many(drafts=[(draft, 2)], by=alice)
    assert "rests on no fact" in failed[0][1]
    approve_draft(draft=draft, version=2, by=alice)  # seen, and approved all the same


def test_a_persons_plain_words_are_theirs(draft: Draft, alice: Any) -> None:
    edit_draft(draft=draft, version=1, subject="New", body="Hi Ada,\n\nShall we talk on the phone?", by=alice)
    assert not draft.has_unsupported


def test_follow_ups_take_the_first_mails_new_subject(in_org: Any, alice: Any) -> None:
    enrollment = make_enrollment(in_org)
    written = write_sequence(make_brief())
    made = drafts.create_sequence(org=in_org, enrollment=enrollment, written=written)
    edit_draft(draft=made[0], version=1, subject="Loading docks", body=made[0].message_body, by=alice)
    later = Draft.objects.filter(step_number__gt=1)
    assert set(later.values_list("subject", "version")) == {("Re: Loading docks", 2)}
    second = later.select_related("org", "lead", "enrollment__mailbox", "campaign").get(step_number=2)
    approve_draft(draft=second, version=2, by=alice)


def test_wholly_new_words_are_a_persons() -> None:
    assert [p["note"] for p in regroup(SENTENCES, "Something else.")] == [BY_PERSON]


def test_a_message_needs_the_words_that_were_approved(draft: Draft, alice: Any) -> None:
    with pytest.raises(Conflict):
        outbox.approve_message(
            org=draft.org,
            lead=draft.lead,
            mailbox=drafts.mailbox_of(draft),
            campaign=draft.campaign,
            enrollment=draft.enrollment,
            step_number=1,
            subject=draft.subject,
            body="Other words.",
            content_hash=draft.content_hash,
            approved_by=alice,
        )


def test_a_lead_that_is_closed_gets_nothing(in_org: Any, alice: Any) -> None:
    lead = make_lead(in_org)
    draft = make_draft(make_enrollment(in_org, lead))
    type(lead).objects.filter(pk=lead.pk).update(status="unsubscribed")
    draft.refresh_from_db()
    with pytest.raises(DomainError):
        approve_draft(draft=Draft.objects.select_related("lead", "org").get(pk=draft.pk), version=1, by=alice)
    assert not Message.objects.exists()
