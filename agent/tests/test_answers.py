"""Answering in the inbox: the suggestion with its decision, one's own words, and never two answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from agent import engine
from agent.models import Draft, DraftStatus, TaskType
from agent.services import answers, control, drafts
from agent.tests.world import make_campaign, make_enrollment, make_inbound, make_lead
from agent.writers import Sentence, Written, WrittenMail
from campaigns.models import InboundMessage, Message
from leadpilot.lib.errors import Conflict, DomainError
from leadpilot.lib.ids import new_id
from leadpilot.orgs.tenancy import org_context
from leads.services.suppression import suppress

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true", "HX-Target": "answer"}
ACTIONS = ("answer_approve", "answer_edit", "answer_reject", "answer_undo")


@pytest.fixture
def inbound(org: Any) -> InboundMessage:
    with org_context(org.pk):
        enrollment = make_enrollment(org, make_lead(org), make_campaign(org))
        return make_inbound(
            enrollment.lead, enrollment.mailbox, classification="question", confidence=0.9, subject="Price?"
        )


@pytest.fixture
def suggestion(org: Any, inbound: InboundMessage) -> Draft:
    with org_context(org.pk):
        body = "Hi Ada,\n\nIt costs little.\n"
        mail = WrittenMail(step=0, subject="Re: Price?", sentences=(Sentence(body),))
        written = Written(mails=(mail,), model="offline", prompt_version="1")
        draft = drafts.create_answer(org=org, inbound=inbound, written=written)
        drafts.submit_for_approval(draft=draft, reason="A person answers.")
        return draft


@pytest.fixture
def mia_client(mia: Any, client_for: Any) -> Client:
    return client_for(mia)


def at(name: str, row: Any) -> str:
    return reverse(f"agent:{name}", args=[row.pk])


def panel(client: Client, inbound: InboundMessage, query: str = "") -> str:
    answer = client.get(at("answer_panel", inbound.thread) + query, headers=HTMX)
    assert answer.status_code == 200
    return answer.content.decode()


def again(org: Any, row: Any) -> Any:
    with org_context(org.pk):
        return type(row).objects.get(pk=row.pk)


def leaving(org: Any) -> list[str]:
    with org_context(org.pk):
        rows = Message.objects.for_org(org).exclude(in_reply_to=None).exclude(status="cancelled")
        return list(rows.values_list("body", flat=True))


class TestSuggested:
    def test_the_conversation_asks_for_the_panel(self, mia_client: Client, inbound: InboundMessage) -> None:
        page = mia_client.get(reverse("campaigns:thread", args=[inbound.thread_id]))
        assert f'hx-get="{at("answer_panel", inbound.thread)}"' in page.content.decode()

    def test_it_is_shown_with_its_decision(
        self, mia_client: Client, inbound: InboundMessage, suggestion: Draft
    ) -> None:
        text = panel(mia_client, inbound)
        assert "It costs little." in text
        assert 'data-key="a"' in text
        assert all(at(name, suggestion) in text for name in ACTIONS[:1] + ACTIONS[2:3])
        assert "answer-body" not in text

    def test_one_key_approves_it_and_the_mail_is_handled(
        self, mia_client: Client, org: Any, mia: Any, inbound: InboundMessage, suggestion: Draft
    ) -> None:
        answer = mia_client.post(at("answer_approve", suggestion), {"version": 1}, headers=HTMX)
        assert "Mia answered" in answer.content.decode()
        told = json.loads(answer["HX-Trigger"])
        assert told["answer-changed"]
        assert told["toast"]["action"]["post"] == at("answer_undo", suggestion)
        draft = again(org, suggestion)
        assert (draft.status, draft.decided_by) == (DraftStatus.APPROVED, mia)
        assert again(org, inbound).handled_at is not None
        assert leaving(org) == ["Hi Ada,\n\nIt costs little.\n"]

    def test_approving_twice_sends_once(self, mia_client: Client, org: Any, suggestion: Draft) -> None:
        mia_client.post(at("answer_approve", suggestion), {"version": 1}, headers=HTMX)
        second = mia_client.post(at("answer_approve", suggestion), {"version": 1}, headers=HTMX)
        assert second.status_code == 422
        assert "Nothing was done twice" in second.content.decode()
        assert len(leaving(org)) == 1

    def test_it_can_be_taken_back_while_it_is_here(
        self, mia_client: Client, org: Any, suggestion: Draft
    ) -> None:
        mia_client.post(at("answer_approve", suggestion), {"version": 1})
        answer = mia_client.post(at("answer_undo", suggestion), headers=HTMX)
        assert answer.status_code == 204
        assert "Taken back" in answer["HX-Trigger"]
        assert again(org, suggestion).status == DraftStatus.PENDING_APPROVAL
        late = mia_client.post(at("answer_undo", suggestion), headers=HTMX)
        assert json.loads(late["HX-Trigger"])["toast"]["tone"] == "danger"

    def test_editing_keeps_the_form_and_can_send_at_once(
        self, mia_client: Client, org: Any, inbound: InboundMessage, suggestion: Draft
    ) -> None:
        assert "data-hold" in panel(mia_client, inbound, "?edit=1")
        form = {"version": 1, "subject": "Re: Price?", "body": "Nine euros."}
        saved = mia_client.post(at("answer_edit", suggestion), {**form, "then": "save"}, headers=HTMX)
        assert "Nine euros." in saved.content.decode()
        assert leaving(org) == []
        form |= {"version": 2, "body": "Ten euros."}
        mia_client.post(at("answer_edit", suggestion), {**form, "then": "approve"}, headers=HTMX)
        assert leaving(org) == ["Ten euros.\n"]

    def test_an_edit_of_what_was_changed_meanwhile_keeps_what_was_typed(
        self, mia_client: Client, suggestion: Draft
    ) -> None:
        form = {"version": 7, "subject": "Re: Price?", "body": "My own words.", "then": "approve"}
        answer = mia_client.post(at("answer_edit", suggestion), form, headers=HTMX)
        assert answer.status_code == 422
        assert "My own words." in answer.content.decode()

    def test_a_rejection_needs_a_reason_and_leaves_room_for_ones_own(
        self, mia_client: Client, org: Any, inbound: InboundMessage, suggestion: Draft
    ) -> None:
        assert mia_client.post(at("answer_reject", suggestion), {"version": 1}).status_code == 422
        gone = mia_client.post(at("answer_reject", suggestion), {"version": 1, "reason": "Too dry."})
        assert gone.url == reverse("campaigns:thread", args=[inbound.thread_id])
        assert again(org, suggestion).status == DraftStatus.REJECTED
        assert "answer-body" in panel(mia_client, inbound)

    def test_a_version_that_is_no_number_is_refused_with_a_sentence(
        self, mia_client: Client, suggestion: Draft
    ) -> None:
        answer = mia_client.post(at("answer_approve", suggestion), {"version": "x"}, headers=HTMX)
        assert answer.status_code == 422
        assert "version" in answer.content.decode()


class TestByHand:
    def test_ones_own_words_leave_exactly_as_written(
        self, mia_client: Client, org: Any, mia: Any, inbound: InboundMessage
    ) -> None:
        answer = mia_client.post(
            at("answer_write", inbound), {"body": "Hi Ada,\r\n\r\nnine euros.  "}, headers=HTMX
        )
        assert answer.status_code == 200
        assert leaving(org) == ["Hi Ada,\n\nnine euros.\n"]
        with org_context(org.pk):
            draft = Draft.objects.get(in_reply_to=inbound)
            message = draft.message
            assert (draft.status, draft.decided_by, draft.subject) == ("approved", mia, "Re: Price?")
            assert draft.personalization_context["author"] == "Mia"
            assert message.approved_hash == draft.content_hash
            assert message.approved_by == mia

    def test_a_suggestion_gives_way_to_it(
        self, org: Any, mia: Any, inbound: InboundMessage, suggestion: Draft
    ) -> None:
        with org_context(org.pk):
            answers.send_own_answer(inbound=inbound, body="Mine.", by=mia)
        assert again(org, suggestion).status == DraftStatus.WITHDRAWN
        assert leaving(org) == ["Mine.\n"]

    def test_there_are_never_two_answers(
        self, mia_client: Client, org: Any, inbound: InboundMessage, suggestion: Draft
    ) -> None:
        mia_client.post(at("answer_approve", suggestion), {"version": 1})
        late = mia_client.post(at("answer_write", inbound), {"body": "Mine, late."}, headers=HTMX)
        assert late.status_code == 422
        assert "Mia has answered this already" in late.content.decode()
        assert "Mine, late." in late.content.decode()
        assert len(leaving(org)) == 1

    def test_a_suggestion_that_comes_later_is_not_kept(
        self, org: Any, mia: Any, alice: Any, inbound: InboundMessage
    ) -> None:
        with org_context(org.pk):
            control.start(org=org, by=alice)
            answers.send_own_answer(inbound=inbound, body="Mine.", by=mia)
            engine.submit(
                org=org, task_type=TaskType.RESPOND_TO_REPLY, lead=inbound.lead_id, inbox_message=inbound
            )
            engine.drain(org.pk, seconds=30)
            assert Draft.objects.filter(in_reply_to=inbound).count() == 1

    def test_who_wrote_again_is_read_first(self, org: Any, mia: Any, inbound: InboundMessage) -> None:
        with org_context(org.pk):
            make_inbound(inbound.lead, inbound.mailbox, "Forget it.", source_key="second")
            with pytest.raises(Conflict, match="wrote again"):
                answers.send_own_answer(inbound=inbound, body="Nine euros.", by=mia)

    def test_while_everything_is_stopped_the_text_is_kept_and_the_reason_said(
        self, mia_client: Client, org: Any, alice: Any, inbound: InboundMessage
    ) -> None:
        with org_context(org.pk):
            control.stop(org=org, by=alice)
        assert "Everything is stopped" in panel(mia_client, inbound)
        answer = mia_client.post(at("answer_write", inbound), {"body": "Nine euros."}, headers=HTMX)
        assert answer.status_code == 422
        assert "press Start first" in answer.content.decode()
        assert "Nine euros." in answer.content.decode()
        with org_context(org.pk):
            assert not Draft.objects.filter(in_reply_to=inbound).exists()

    def test_somebody_who_opted_out_cannot_be_written_to(
        self, mia_client: Client, org: Any, inbound: InboundMessage
    ) -> None:
        with org_context(org.pk):
            suppress(org=org, value=inbound.lead.email, reason="unsubscribed")
        text = panel(mia_client, inbound)
        assert "Nothing is sent until a person takes it off" in text
        assert "answer-body" not in text
        answer = mia_client.post(at("answer_write", inbound), {"body": "Hello?"}, headers=HTMX)
        assert answer.status_code == 422
        assert "Hello?" in answer.content.decode()
        assert leaving(org) == []

    def test_a_machine_is_never_answered(self, mia_client: Client, org: Any, inbound: InboundMessage) -> None:
        with org_context(org.pk):
            InboundMessage.objects.update(is_automatic=True)
        assert "Only machines have written here" in panel(mia_client, inbound)
        assert mia_client.post(at("answer_write", inbound), {"body": "Hello?"}).status_code == 422
        assert leaving(org) == []

    @pytest.mark.parametrize("body", ["", " \r\n ", "x" * 20_001])
    def test_nothing_and_too_much_are_refused(
        self, org: Any, mia: Any, inbound: InboundMessage, body: str
    ) -> None:
        with org_context(org.pk), pytest.raises(DomainError):
            answers.send_own_answer(inbound=inbound, body=body, by=mia)

    def test_a_suggestion_on_its_way_is_announced(
        self, mia_client: Client, org: Any, inbound: InboundMessage
    ) -> None:
        assert "is being written" not in panel(mia_client, inbound)
        with org_context(org.pk):
            engine.submit(
                org=org, task_type=TaskType.RESPOND_TO_REPLY, lead=inbound.lead_id, inbox_message=inbound
            )
        assert "A suggestion is being written" in panel(mia_client, inbound)


class TestWho:
    def test_without_script_the_panel_is_a_page(self, mia_client: Client, inbound: InboundMessage) -> None:
        page = mia_client.get(at("answer_panel", inbound.thread)).content.decode()
        assert "<html" in page
        assert "answer-body" in page

    def test_a_viewer_sees_the_suggestion_and_may_not_decide(
        self, bob: Any, client_for: Any, inbound: InboundMessage, suggestion: Draft
    ) -> None:
        viewer = client_for(bob)
        text = panel(viewer, inbound)
        assert "It costs little." in text
        assert "data-key" not in text
        assert [viewer.post(at(name, suggestion)).status_code for name in ACTIONS] == [403] * 4
        assert viewer.post(at("answer_write", inbound)).status_code == 403

    def test_a_stranger_finds_nothing(
        self, charlie: Any, other_org: Any, client_for: Any, inbound: InboundMessage, suggestion: Draft
    ) -> None:
        stranger = client_for(charlie)
        assert stranger.get(at("answer_panel", inbound.thread)).status_code == 404
        assert stranger.post(at("answer_write", inbound), {"body": "x"}).status_code == 404
        assert [stranger.post(at(name, suggestion)).status_code for name in ACTIONS] == [404] * 4

    def test_the_wrong_method_is_refused(
        self, mia_client: Client, inbound: InboundMessage, suggestion: Draft
    ) -> None:
        assert mia_client.post(at("answer_panel", inbound.thread)).status_code == 405
        assert mia_client.get(at("answer_write", inbound)).status_code == 405
        assert [mia_client.get(at(name, suggestion)).status_code for name in ACTIONS] == [405] * 4

    def test_a_draft_that_answers_nothing_is_not_decided_here(self, mia_client: Client, org: Any) -> None:
        missing = reverse("agent:answer_approve", args=[new_id()])
        assert mia_client.post(missing, {"version": 1}).status_code == 404
