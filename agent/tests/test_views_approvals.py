"""The approval queue in the browser's language: requests and answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from agent import queries
from agent.models import Draft, DraftStatus
from agent.tests.world import make_campaign, make_draft, make_enrollment, make_inbound, make_lead
from campaigns.models import Enrollment, EnrollmentStatus, Message
from leadpilot.lib.ids import new_id
from leadpilot.orgs.tenancy import org_context

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
LIST = "/approvals/"


@pytest.fixture
def enrollment(org: Any) -> Enrollment:
    with org_context(org.pk):
        return make_enrollment(org)


@pytest.fixture
def draft(org: Any, enrollment: Enrollment) -> Draft:
    with org_context(org.pk):
        return make_draft(enrollment)


@pytest.fixture
def owner(alice: Any, org: Any, client_for: Any) -> Client:
    return client_for(alice)


@pytest.fixture
def again(org: Any) -> Callable[[Draft], Draft]:
    """The row as it is now."""

    def load(draft: Draft) -> Draft:
        with org_context(org.pk):
            return Draft.objects.select_related("message").get(pk=draft.pk)

    return load


def url(name: str, draft: Draft | None = None) -> str:
    return reverse(f"agent:approval_{name}", args=[draft.pk] if draft else [])


def toast(response: Any) -> dict[str, Any]:
    return json.loads(response["HX-Trigger"])["toast"]


def messages_of(org: Any) -> int:
    with org_context(org.pk):
        return Message.objects.for_org(org).count()


class TestLooking:
    def test_the_queue_opens_its_first_draft(self, owner: Client, draft: Draft) -> None:
        response = owner.get(LIST)
        assert response.status_code == 200
        assert response.context["selected"].draft == draft
        assert b"Ada Lovelace" in response.content

    def test_nothing_waiting_is_a_page_too(self, owner: Client) -> None:
        response = owner.get(LIST)
        assert b"Nothing waits for you" in response.content
        assert b"You are done" in response.content

    def test_htmx_gets_the_queue_alone_and_the_poll_the_list_alone(self, owner: Client, draft: Draft) -> None:
        queue = owner.get(LIST, headers=HTMX)
        assert b"<html" not in queue.content
        assert b'id="queue"' in queue.content
        rows = owner.get(LIST, headers={**HTMX, "HX-Target": "approval-list"})
        assert b'id="queue"' not in rows.content
        assert b"data-item" in rows.content
        assert "HX-Request" in rows["Vary"]

    def test_a_lead_s_steps_stand_together_under_one_name(self, owner: Client, org: Any) -> None:
        with org_context(org.pk):
            campaign = make_campaign(org)
            for name in ("Ada Lovelace", "Grace Hopper"):
                one = make_enrollment(org, make_lead(org, name), campaign)
                for step in (3, 1, 2):
                    make_draft(one, step)
        response = owner.get(LIST)
        assert response.content.count(b"approval-group") == 2
        shown = [(d.enrollment_id, d.step_number) for d in response.context["page"].object_list]
        assert [step for _, step in shown] == [1, 2, 3, 1, 2, 3]
        assert len({who for who, _ in shown[:3]}) == 1

    def test_answers_come_first(self, owner: Client, org: Any, draft: Draft) -> None:
        with org_context(org.pk):
            found = make_inbound(draft.lead, draft.enrollment.mailbox)
            values = {
                "subject": "Re: Hello",
                "message_body": "Hi Ada,\n\nYes.\n",
                "status": "pending_approval",
            }
            answer = Draft.objects.create(org=org, lead=draft.lead, in_reply_to=found, **values)
        assert owner.get(LIST).context["page"].object_list[0] == answer

    def test_the_preview_leaves_the_greeting_out(self, org: Any, draft: Draft) -> None:
        assert queries.with_previews([draft])[0].preview == "This is step 1."

    def test_filters_narrow_and_bad_ones_are_left_out(self, owner: Client, draft: Draft) -> None:
        assert owner.get(LIST, {"q": "lovelace"}).context["page"].object_list == [draft]
        assert owner.get(LIST, {"q": "nobody"}).context["page"].object_list == []
        assert owner.get(LIST, {"campaign": str(draft.campaign_id)}).context["page"].object_list == [draft]
        assert owner.get(LIST, {"campaign": str(new_id())}).context["page"].object_list == []
        assert owner.get(LIST, {"campaign": "x", "page": "999", "state": "odd"}).status_code == 200

    def test_hostile_text_is_shown_as_text(self, owner: Client, org: Any, enrollment: Enrollment) -> None:
        with org_context(org.pk):
            make_draft(
                enrollment, subject="<script>alert(1)</script>", message_body="Hi,\n\n<img src=x onerror=a>"
            )
        content = owner.get(LIST).content
        assert b"<script>alert" not in content
        assert b"<img src=x" not in content

    @pytest.mark.parametrize("path", ["detail", "edit"])
    def test_a_stranger_finds_nothing(
        self, path: str, charlie: Any, other_org: Any, client_for: Any, draft: Draft
    ) -> None:
        response = client_for(charlie).get(url(path, draft), follow=True)
        missing = client_for(charlie).get(f"/approvals/{new_id()}/")
        assert response.status_code == missing.status_code == 404
        assert response.content == missing.content

    def test_a_viewer_sees_the_mail_and_no_decision(self, bob: Any, client_for: Any, draft: Draft) -> None:
        response = client_for(bob).get(url("detail", draft) + "?edit=1")
        assert response.status_code == 200
        assert response.context["form"] is None
        assert b"This is step 1." in response.content
        assert url("approve", draft).encode() not in response.content
        assert b"Select " not in response.content

    def test_rows_cost_no_further_queries(self, owner: Client, org: Any) -> None:
        with org_context(org.pk):
            campaign = make_campaign(org)

        def fill(start: int) -> int:
            with org_context(org.pk):
                for number in range(start, start + 10):
                    make_draft(make_enrollment(org, make_lead(org, f"Lead{number} Smith"), campaign))
            owner.get(LIST)
            with CaptureQueriesContext(
                connection,
            ) as captured:
                assert len(owner.get(LIST).context["page"].object_list) == start + 10
            return len(captured)

        assert fill(0) >= fill(10)


class TestDeciding:
    def approve(self, client: Client, draft: Draft, version: Any = 1, **more: Any) -> Any:
        return client.post(url("approve", draft), {"version": version}, **more)

    def test_approving_hands_the_mail_over_and_offers_an_undo(
        self, owner: Client, org: Any, draft: Draft, again: Any
    ) -> None:
        response = self.approve(owner, draft, headers=HTMX)
        assert response.status_code == 200
        assert toast(response)["action"] == {"label": "Undo", "post": url("undo", draft)}
        assert again(draft).status == DraftStatus.APPROVED
        assert again(draft).message.subject == "Step 1"

    def test_without_script_it_leads_back_to_the_queue(self, owner: Client, draft: Draft) -> None:
        assert self.approve(owner, draft).headers["Location"] == LIST

    def test_the_list_is_polled_where_it_can_be_read(
        self, owner: Client, draft: Draft, enrollment: Enrollment, org: Any
    ) -> None:
        with org_context(org.pk):
            following = make_draft(enrollment, 2)
        content = self.approve(owner, draft, headers=HTMX).content.decode()
        assert f'id="approval-list" hx-get="{url("detail", following)}?"' in content

    def test_the_next_draft_is_opened_with_the_filter_kept(
        self, owner: Client, org: Any, enrollment: Enrollment
    ) -> None:
        with org_context(org.pk):
            made = [make_draft(enrollment, step) for step in (1, 2, 3)]
        response = owner.post(url("approve", made[1]) + "?q=ada", {"version": 1}, headers=HTMX)
        assert url("approve", made[2]).encode() in response.content
        assert response["HX-Push-Url"] == url("detail", made[2]) + "?q=ada"
        response = self.approve(owner, made[2], headers=HTMX)
        assert response["HX-Push-Url"] == url("detail", made[0])

    def test_a_double_click_sends_one_mail(self, owner: Client, org: Any, draft: Draft, again: Any) -> None:
        self.approve(owner, draft, headers=HTMX)
        second = self.approve(owner, draft, headers=HTMX)
        assert second.status_code == 422
        assert b"approved already by Alice" in second.content
        assert messages_of(org) == 1

    def test_two_people_approve_once(
        self, owner: Client, mia: Any, client_for: Any, org: Any, draft: Draft
    ) -> None:
        self.approve(owner, draft)
        assert self.approve(client_for(mia), draft).status_code == 422
        assert messages_of(org) == 1

    def test_an_old_tab_cannot_approve_what_was_edited(
        self, owner: Client, org: Any, draft: Draft, again: Any
    ) -> None:
        owner.post(url("edit", draft), {"version": 1, "subject": "New", "body": "Hi Ada,\n\nNew text.\n"})
        response = self.approve(owner, draft, headers=HTMX)
        assert response.status_code == 422
        assert b"edited meanwhile" in response.content
        assert b"New text." in response.content
        assert messages_of(org) == 0
        assert self.approve(owner, draft, 2).status_code == 302
        assert again(draft).message.subject == "New"

    def test_an_answer_that_came_meanwhile_withholds_the_mail(
        self, owner: Client, org: Any, draft: Draft
    ) -> None:
        with org_context(org.pk):
            make_inbound(draft.lead, draft.enrollment.mailbox)
        response = self.approve(owner, draft, headers=HTMX)
        assert response.status_code == 422
        assert messages_of(org) == 0

    @pytest.mark.parametrize("version", ["", "x", "0"])
    def test_a_decision_without_version_is_refused(self, owner: Client, draft: Draft, version: str) -> None:
        response = self.approve(owner, draft, version, headers=HTMX)
        assert response.status_code == 422
        assert b"version:" in response.content

    def test_an_approval_can_be_taken_back(self, owner: Client, draft: Draft, again: Any) -> None:
        self.approve(owner, draft)
        response = owner.post(url("undo", draft), headers=HTMX)
        assert (response.status_code, response["HX-Redirect"]) == (204, url("detail", draft))
        assert again(draft).status == DraftStatus.PENDING_APPROVAL
        assert again(draft).message is None

    def test_what_was_never_approved_cannot_be_taken_back(
        self, owner: Client, draft: Draft, again: Any
    ) -> None:
        assert owner.post(url("undo", draft)).status_code == 302
        assert again(draft).status == DraftStatus.PENDING_APPROVAL

    def test_rejecting_ends_the_sequence(
        self, owner: Client, org: Any, enrollment: Enrollment, draft: Draft, again: Any
    ) -> None:
        with org_context(org.pk):
            later = make_draft(enrollment, 2)
        response = owner.post(url("reject", draft), {"version": 1, "reason": "Too pushy"}, headers=HTMX)
        assert "stops here" in toast(response)["message"]
        assert (again(draft).status, again(draft).rejection_reason) == (DraftStatus.REJECTED, "Too pushy")
        assert again(later).status == DraftStatus.WITHDRAWN
        with org_context(org.pk):
            enrollment.refresh_from_db()
        assert enrollment.status == EnrollmentStatus.STOPPED

    @pytest.mark.parametrize("reason", ["", "   ", "x" * 1001])
    def test_a_bad_reason_is_told_and_kept(
        self, owner: Client, draft: Draft, again: Any, reason: str
    ) -> None:
        response = owner.post(url("reject", draft), {"version": 1, "reason": reason}, headers=HTMX)
        assert response.status_code == 422
        assert b"reason:" in response.content
        assert f"autofocus>{reason}</textarea>".encode() in response.content
        assert again(draft).status == DraftStatus.PENDING_APPROVAL


class TestEditing:
    def edit(self, client: Client, draft: Draft, **changes: Any) -> Any:
        values = {"version": 1, "subject": "New subject", "body": "Hi Ada,\n\nNew.\n", **changes}
        return client.post(url("edit", draft), values, headers=HTMX)

    def test_the_form_shows_the_text(self, owner: Client, draft: Draft) -> None:
        assert owner.get(url("edit", draft)).headers["Location"] == url("detail", draft) + "?edit=1"
        form = owner.get(url("detail", draft) + "?edit=1").context["form"]
        assert form.initial == {"version": 1, "subject": draft.subject, "body": draft.message_body}

    def test_saving_stays_on_the_draft(self, owner: Client, draft: Draft, again: Any) -> None:
        response = self.edit(owner, draft)
        assert response.status_code == 200
        assert url("approve", draft).encode() in response.content
        assert (again(draft).subject, again(draft).version) == ("New subject", 2)

    @pytest.mark.parametrize(
        "wrong", [{"subject": ""}, {"body": ""}, {"body": " \n "}, {"subject": "x" * 301}, {"version": ""}]
    )
    def test_a_wrong_form_keeps_what_was_typed(
        self, owner: Client, draft: Draft, again: Any, wrong: dict[str, str]
    ) -> None:
        response = self.edit(owner, draft, **{"subject": "My own subject", **wrong})
        assert response.status_code == 422
        if "subject" not in wrong:
            assert b"My own subject" in response.content
        assert again(draft).version == 1

    def test_the_second_of_two_tabs_is_told_and_loses_nothing(
        self, owner: Client, draft: Draft, again: Any
    ) -> None:
        self.edit(owner, draft, subject="First tab")
        response = self.edit(owner, draft, body="Second tab's text")
        assert response.status_code == 422
        assert b"Second tab&#x27;s text" in response.content
        assert again(draft).subject == "First tab"

    def test_what_is_decided_has_no_form(self, owner: Client, draft: Draft) -> None:
        owner.post(url("approve", draft), {"version": 1})
        assert owner.get(url("detail", draft) + "?edit=1").context["form"] is None
        assert self.edit(owner, draft).status_code == 422


class TestSeveral:
    def bulk(self, client: Client, *ids: str) -> Any:
        return client.post(url("bulk"), {"ids": ids}, headers=HTMX)

    def test_the_ticked_ones_are_approved(
        self, owner: Client, org: Any, enrollment: Enrollment, again: Any
    ) -> None:
        with org_context(org.pk):
            made = [make_draft(enrollment, step) for step in (1, 2, 3)]
        response = self.bulk(owner, *(f"{draft.pk}:1" for draft in made[:2]))
        assert toast(response)["message"] == "2 approved."
        assert [again(draft).status for draft in made] == ["approved", "approved", "pending_approval"]

    def test_what_rests_on_nothing_has_to_be_opened(
        self, owner: Client, org: Any, enrollment: Enrollment, again: Any
    ) -> None:
        with org_context(org.pk):
            good, doubtful = make_draft(enrollment, 1), make_draft(enrollment, 2, has_unsupported=True)
        said = toast(self.bulk(owner, f"{good.pk}:1", f"{doubtful.pk}:1"))
        assert (said["tone"], said["message"][:16]) == ("warning", "1 of 2 approved.")
        assert again(doubtful).status == DraftStatus.PENDING_APPROVAL

    def test_an_edited_one_is_left_out(self, owner: Client, draft: Draft, org: Any) -> None:
        assert "edited meanwhile" in toast(self.bulk(owner, f"{draft.pk}:9"))["message"]
        assert messages_of(org) == 0

    @pytest.mark.parametrize(
        "item", ["", "x", "x:1", "01a1fe88-0000-7000-8000-000000000009:1", "{pk}", "{pk}:-1", "{pk}:x"]
    )
    def test_nonsense_approves_nothing(self, owner: Client, org: Any, draft: Draft, item: str) -> None:
        response = self.bulk(owner, f"{draft.pk}:1", item.format(pk=draft.pk))
        assert response.status_code == 422
        assert messages_of(org) == 0


WRITES = [
    ("approve", {"version": 1}),
    ("reject", {"version": 1, "reason": "No"}),
    ("undo", {}),
    ("edit", {"version": 1}),
]


@pytest.mark.parametrize(("name", "data"), WRITES)
def test_who_may_write(
    name: str,
    data: Any,
    bob: Any,
    charlie: Any,
    other_org: Any,
    client_for: Any,
    org: Any,
    draft: Draft,
    again: Any,
) -> None:
    assert client_for(bob).post(url(name, draft), data).status_code == 403
    assert client_for(charlie).post(url(name, draft), data).status_code == 404
    assert Client().post(url(name, draft), data).status_code == 302
    assert (again(draft).status, again(draft).version) == (DraftStatus.PENDING_APPROVAL, 1)


@pytest.mark.parametrize("name", ["approve", "reject", "undo"])
def test_reading_decides_nothing(owner: Client, name: str, draft: Draft) -> None:
    assert owner.get(url(name, draft)).status_code == 405
    assert owner.get(url("bulk")).status_code == 405
    assert owner.post(LIST).status_code == 405


def test_a_stranger_approves_nothing_in_bulk(
    charlie: Any, other_org: Any, client_for: Any, draft: Draft, again: Any
) -> None:
    assert client_for(charlie).post(url("bulk"), {"ids": f"{draft.pk}:1"}).status_code == 422
    assert again(draft).status == DraftStatus.PENDING_APPROVAL


def test_a_foreign_form_is_refused(alice: Any, org: Any, draft: Draft, again: Any) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice, backend="allauth.account.auth_backends.AuthenticationBackend")
    assert client.post(url("approve", draft), {"version": 1}).status_code == 403
    assert again(draft).status == DraftStatus.PENDING_APPROVAL
