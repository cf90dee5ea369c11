"""One draft is written again as a person wishes, and never over a decision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from agent import engine
from agent.models import AgentConfig, AgentLog, AgentTask, Draft, DraftStatus, TaskStatus
from agent.services import control, rewriting
from agent.services.drafts import approve_draft, edit_draft
from agent.services.rewriting import ask_for_rewrite, state_of
from agent.tests.model_server import model_server, value
from agent.tests.test_model_writer import mail
from agent.tests.world import make_campaign, make_draft, make_enrollment, make_inbound, make_lead
from campaigns.models import EnrollmentStatus
from leadpilot.lib.errors import Conflict, DomainError
from leadpilot.orgs.tenancy import org_context

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def running(in_org: Any, alice: Any) -> Any:
    control.start(org=in_org, by=alice)
    AgentConfig.objects.for_org(in_org).update(schedule_enabled=False)
    return in_org


@pytest.fixture
def sequence(running: Any) -> list[Draft]:
    enrollment = make_enrollment(running, campaign=make_campaign(running, steps=2))
    second = make_draft(enrollment, 2, subject="Re: Step 1")
    return [make_draft(enrollment, 1), second]


def ask(draft: Draft, by: Any, wish: str = "Shorter, please.") -> AgentTask:
    return ask_for_rewrite(draft=draft, version=draft.version, feedback=wish, by=by)


def work(draft: Draft, task: AgentTask) -> AgentTask:
    engine.drain(draft.org_id, seconds=20)
    draft.refresh_from_db()
    task.refresh_from_db()
    return task


class TestDoing:
    def test_the_text_is_new_the_version_grows_and_it_still_waits(
        self, running: Any, sequence: list[Draft], alice: Any
    ) -> None:
        first, second = sequence
        before = first.message_body, first.content_hash
        task = ask(first, alice)
        assert state_of(first).under_way
        assert first.message_body == before[0]  # until the new one is there
        work(first, task)
        assert (task.status, task.output_data) == (TaskStatus.COMPLETED, {"version": 2})
        assert (first.version, first.status) == (2, DraftStatus.PENDING_APPROVAL)
        assert first.message_body != before[0]
        assert first.content_hash != before[1]
        assert not state_of(first).under_way
        second.refresh_from_db()
        assert second.subject == f"Re: {first.subject}"
        approve_draft(draft=first, version=2, by=alice)
        said = AgentLog.objects.for_org(running).get(action_type="draft.rewrite_asked")
        assert (said.reasoning, said.actor) == ("Shorter, please.", alice)
        assert AgentLog.objects.for_org(running).filter(action_type="draft.rewritten").exists()

    def test_a_follow_up_keeps_the_threads_subject(self, sequence: list[Draft], alice: Any) -> None:
        second = sequence[1]
        work(second, ask(second, alice))
        assert (second.version, second.subject) == (2, "Re: Step 1")

    def test_another_wish_gives_another_text_and_the_same_wish_the_same(
        self, sequence: list[Draft], alice: Any
    ) -> None:
        texts = []
        for wish in ("Shorter.", "Warmer.", "Drier.", "Shorter."):
            work(sequence[0], ask(sequence[0], alice, wish))
            texts.append(sequence[0].message_body)
        assert len(set(texts)) > 1
        assert texts[0] == texts[3]

    def test_a_model_is_told_the_wish_and_writes_that_mail_alone(
        self, sequence: list[Draft], alice: Any, settings: Any
    ) -> None:
        plain = [{**s, "fact_ids": [], "personal": False} for s in mail()["sentences"]]
        plain[0]["text"] = "Hi Ada,\n\n"
        plain[1]["text"] = (
            "I would like to ask you one question about how your team plans its deliveries today."
        )
        with model_server() as server:
            settings.OPENAI_API_KEY, settings.OPENAI_BASE_URL = "a key", server.url
            settings.LEADPILOT_MODEL = "gpt-4o-mini"
            server.script(value({"mails": [mail(1, sentences=plain)]}))
            work(sequence[0], ask(sequence[0], alice, "Mention the harbour."))
            [asked] = server.log
        assert asked.material["feedback_from_the_user"] == "Mention the harbour."
        assert [step["number"] for step in asked.material["steps"]] == [1]
        assert (sequence[0].ai_model_used, sequence[0].version) == ("gpt-4o-mini", 2)

    def test_what_was_approved_meanwhile_is_not_overwritten(self, sequence: list[Draft], alice: Any) -> None:
        first = sequence[0]
        task = ask(first, alice)
        approve_draft(draft=first, version=1, by=alice)
        text = first.message_body
        work(first, task)
        assert (first.status, first.version, first.message_body) == (DraftStatus.APPROVED, 1, text)
        assert "stays as it is" in task.output_data["skipped"]

    def test_an_edit_made_meanwhile_is_not_overwritten(self, sequence: list[Draft], alice: Any) -> None:
        first = sequence[0]
        task = ask(first, alice)
        edit_draft(draft=first, version=1, subject="Mine", body="My own words.", by=alice)
        work(first, task)
        assert (first.version, first.message_body) == (2, "My own words.\n")

    def test_decided_between_writing_and_keeping_it_is_left_alone(
        self, sequence: list[Draft], alice: Any
    ) -> None:
        first = sequence[0]
        written = rewriting.Written(mails=(), model="offline", prompt_version="x")
        new = rewriting.WrittenMail(step=1, subject="New", sentences=())
        approve_draft(draft=first, version=1, by=alice)
        assert not rewriting.put_text(draft=first, version=1, mail=new, written=written, task=None)
        first.refresh_from_db()
        assert first.subject == "Step 1"

    def test_a_failure_leaves_the_draft_and_its_sequence_and_says_so(
        self, sequence: list[Draft], alice: Any
    ) -> None:
        first = sequence[0]
        task = ask(first, alice)
        AgentTask.objects.filter(pk=task.pk).update(
            input_data={**task.input_data, "version": "x"}, max_retries=1
        )
        work(first, task)
        assert task.status == TaskStatus.FAILED
        assert first.version == 1
        assert first.enrollment.status == EnrollmentStatus.ACTIVE


class TestAsking:
    def test_what_is_decided_changed_or_under_way_is_refused(self, sequence: list[Draft], alice: Any) -> None:
        first, second = sequence
        ask(first, alice)
        with pytest.raises(Conflict, match="being written again already"):
            ask(first, alice)
        with pytest.raises(Conflict, match="edited meanwhile"):
            ask_for_rewrite(draft=second, version=7, feedback="", by=alice)
        approve_draft(draft=first, version=1, by=alice)
        with pytest.raises(Conflict, match="approved already"):
            ask(first, alice)
        assert AgentTask.objects.for_org(first.org_id).count() == 1

    def test_answers_and_endless_wishes_are_refused(
        self, running: Any, sequence: list[Draft], alice: Any
    ) -> None:
        found = make_inbound(make_lead(running, "Bob Dylan"), sequence[0].enrollment.mailbox)
        answer = sequence[1]
        Draft.objects.filter(pk=answer.pk).update(enrollment=None, in_reply_to=found)
        answer.refresh_from_db()
        with pytest.raises(DomainError, match="edit this answer"):
            ask(answer, alice)
        with pytest.raises(DomainError, match="1200 characters"):
            ask(sequence[0], alice, "x" * 1200)


class TestPage:
    @pytest.fixture
    def draft(self, org: Any) -> Draft:
        with org_context(org.pk):
            return make_draft(make_enrollment(org, campaign=make_campaign(org, steps=1)))

    def url(self, draft: Draft, name: str = "rewrite") -> str:
        return reverse(f"agent:approval_{name}", args=[draft.pk])

    def test_it_is_asked_for_and_the_page_waits_for_it(
        self, client_for: Callable[[Any], Client], mia: Any, org: Any, draft: Draft
    ) -> None:
        client = client_for(mia)
        assert "Regenerate" in client.get(self.url(draft, "detail")).text
        answer = client.post(self.url(draft), {"version": 1, "reason": "Warmer."}, headers=HTMX)
        assert answer.status_code == 200
        assert "Being written again." in answer.text
        assert 'hx-trigger="every 2s"' in answer.text
        with org_context(org.pk):
            assert AgentTask.objects.get().input_data["feedback"] == "Warmer."
            control.start(org=org, by=None)
            AgentConfig.objects.for_org(org).update(schedule_enabled=False)
        engine.drain(org.pk, seconds=20)
        page = client.get(self.url(draft, "detail")).text
        assert "Being written again." not in page
        assert "version 2" in page

    def test_without_script_it_leads_back(
        self, client_for: Callable[[Any], Client], mia: Any, draft: Draft
    ) -> None:
        answer = client_for(mia).post(self.url(draft), {"version": 1})
        assert (answer.status_code, answer.url) == (302, self.url(draft, "detail"))

    def test_a_version_that_was_not_shown_is_refused(
        self, client_for: Callable[[Any], Client], mia: Any, draft: Draft
    ) -> None:
        client = client_for(mia)
        answer = client.post(self.url(draft), {"version": 3}, headers=HTMX)
        assert (answer.status_code, "edited meanwhile" in answer.text) == (422, True)
        assert client.post(self.url(draft), {}, headers=HTMX).status_code == 422

    def test_others_may_not(
        self,
        client_for: Callable[[Any], Client],
        mia: Any,
        bob: Any,
        charlie: Any,
        other_org: Any,
        org: Any,
        draft: Draft,
    ) -> None:
        assert client_for(bob).post(self.url(draft), {"version": 1}).status_code == 403
        assert client_for(charlie).post(self.url(draft), {"version": 1}).status_code == 404
        assert client_for(mia).get(self.url(draft)).status_code == 405
        with org_context(org.pk):
            assert not AgentTask.objects.exists()

    def test_the_queue_is_narrowed_to_a_lead_or_a_writer(
        self, client_for: Callable[[Any], Client], mia: Any, org: Any, draft: Draft
    ) -> None:
        with org_context(org.pk):
            campaign = draft.campaign
            other = make_draft(make_enrollment(org, make_lead(org, "Grace Hopper"), campaign))
            control.config_for(org)
            writer, reader = control.crew_of(org)[:2]
            Draft.objects.filter(pk=draft.pk).update(agent=writer)
            Draft.objects.filter(pk=other.pk).update(agent=reader)
        client, here = client_for(mia), reverse("agent:approval_list")
        everything = client.get(here)
        assert 'name="lead"' in everything.text
        assert 'name="agent"' in everything.text
        for query in ({"lead": str(other.lead_id)}, {"agent": str(reader.pk)}):
            assert [d.pk for d in client.get(here, query).context["page"].object_list] == [other.pk]
