"""Today, the control center, its diary, the line at the top, Start and Stop, and the why of a lead."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from agent.forms import ConfigForm
from agent.models import AgentConfig, AgentLog, LogType
from agent.models.config import ConfigStatus
from agent.services import control
from agent.services.log import log
from agent.tests.world import make_campaign, make_draft, make_enrollment, make_inbound, make_lead
from leadpilot.lib.ids import new_id
from leadpilot.orgs.tenancy import org_context

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
PAGES = ("today", "control_center", "activity", "status_bar")


@pytest.fixture
def owner(alice: Any, org: Any, client_for: Any) -> Client:
    return client_for(alice)


def config_of(org: Any) -> AgentConfig:
    with org_context(org.pk):
        return control.config_for(org)


def unread(*args: Any) -> None:
    """A mail that came in and nobody has looked at."""
    thread = make_inbound(*args).thread
    type(thread).objects.for_org(thread.org_id).filter(pk=thread.pk).update(unread=True)


def path(name: str, *args: Any) -> str:
    return reverse(f"agent:{name}", args=args)


def webhook_of(org: Any) -> str:
    with org_context(org.pk):
        return str(config_of(org).read_secret("notify_slack_webhook"))


def settings_of(org: Any, **changes: Any) -> dict[str, Any]:
    """The form as the page sends it back unchanged."""
    form = ConfigForm(instance=config_of(org))
    values = {name: form[name].value() for name in form.fields}
    return {name: value for name, value in {**values, **changes}.items() if value not in (None, False)}


@pytest.mark.parametrize("name", PAGES)
def test_every_role_may_look(name: str, alice: Any, mia: Any, bob: Any, client_for: Any) -> None:
    for person in (alice, mia, bob):
        assert client_for(person).get(path(name)).status_code == 200


@pytest.mark.parametrize("name", PAGES)
def test_who_is_not_signed_in_is_sent_to_the_door(name: str, org: Any) -> None:
    assert Client().get(path(name)).status_code in (302, 401)


@pytest.mark.parametrize("name", ["today", "activity", "status_bar"])
def test_pages_are_only_read(name: str, owner: Client) -> None:
    assert owner.post(path(name)).status_code == 405


class TestToday:
    def test_without_leads_it_says_how_to_begin(self, owner: Client) -> None:
        assert b"Bring your first leads" in owner.get("/").content

    def test_it_shows_what_waits_and_what_was_answered(self, owner: Client, org: Any) -> None:
        with org_context(org.pk):
            draft = make_draft(make_enrollment(org))
            unread(draft.lead, draft.enrollment.mailbox, "Sounds good, tell me more.")
        response = owner.get("/")
        assert list(response.context["drafts"]) == [draft]
        assert b"Sounds good, tell me more." in response.content
        assert {tile["label"]: tile["value"] for tile in response.context["tiles"]}["Waiting for you"] == 1

    def test_each_number_leads_somewhere(self, owner: Client) -> None:
        for tile in owner.get("/").context["tiles"]:
            assert owner.get(tile["href"]).status_code == 200

    def test_the_live_part_comes_alone(self, owner: Client) -> None:
        response = owner.get("/", headers=HTMX)
        assert b"<html" not in response.content
        assert b"Leaving next" in response.content

    def test_it_shows_nothing_of_others(
        self, charlie: Any, other_org: Any, client_for: Any, org: Any
    ) -> None:
        with org_context(org.pk):
            make_draft(make_enrollment(org))
        response = client_for(charlie).get("/")
        assert b"Ada Lovelace" not in response.content
        assert list(response.context["drafts"]) == []

    def test_more_rows_cost_no_more_queries(self, owner: Client, org: Any) -> None:
        with org_context(org.pk):
            campaign = make_campaign(org)

        def fill(start: int) -> int:
            with org_context(org.pk):
                for number in range(start, start + 3):
                    draft = make_draft(make_enrollment(org, make_lead(org, f"Lead{number} Smith"), campaign))
                    unread(draft.lead, draft.enrollment.mailbox)
                    log(org=org, log_type=LogType.ACTION, message="Did it", lead=draft.lead)
            owner.get("/")
            with CaptureQueriesContext(connection) as captured:
                owner.get("/")
            return len(captured)

        assert fill(0) >= fill(3)


class TestStartAndStop:
    def test_the_part_that_refreshes_asks_for_start_only_while_nothing_runs(
        self, owner: Client, org: Any
    ) -> None:
        with org_context(org.pk):
            make_lead(org, "Ada Lovelace")
        live = {**HTMX, "HX-Target": "live"}
        assert b"1 leads are ready" not in owner.get("/", headers=live).content
        assert "One lead is ready" in owner.get("/", headers=live).content.decode()
        owner.post(path("start"), headers=HTMX)
        assert "is ready" not in owner.get("/", headers=live).content.decode()
        owner.post(path("stop"), headers=HTMX)
        assert "Everything is stopped" in owner.get("/", headers=live).content.decode()

    def test_start_and_stop_answer_with_the_line_at_the_top(self, owner: Client, org: Any) -> None:
        started = owner.post(path("start"), headers=HTMX)
        assert started.status_code == 200
        assert b"<html" not in started.content
        assert config_of(org).is_enabled
        assert json.loads(started["HX-Trigger"])["agent-switched"] is True
        stopped = owner.post(path("stop"), headers=HTMX)
        assert "Stopped" in json.loads(stopped["HX-Trigger"])["toast"]["message"]
        assert config_of(org).status == ConfigStatus.PAUSED
        assert owner.get("/").context["status"]["state"] == "halted"

    @pytest.mark.parametrize("name", ["start", "stop"])
    def test_twice_is_as_good_as_once(self, name: str, owner: Client) -> None:
        assert owner.post(path(name), headers=HTMX).status_code == 200
        assert owner.post(path(name), headers=HTMX).status_code == 200

    def test_without_script_it_leads_back_to_where_it_was_pressed(self, owner: Client) -> None:
        back = owner.post(path("start"), headers={"Referer": "http://testserver/leads/"})
        assert back["Location"] == "http://testserver/leads/"

    @pytest.mark.parametrize(
        "referer", ["", "https://evil.example/", "//evil.example", "javascript:alert(1)"]
    )
    def test_it_leads_nowhere_else(self, owner: Client, referer: str) -> None:
        assert owner.post(path("stop"), headers={"Referer": referer})["Location"] == path("control_center")

    @pytest.mark.parametrize("name", ["start", "stop"])
    def test_who_may_press(self, name: str, org: Any, bob: Any, mia: Any, client_for: Any) -> None:
        assert client_for(bob).post(path(name)).status_code == 403
        assert Client().post(path(name)).status_code == 302
        assert not config_of(org).is_enabled
        assert client_for(mia).post(path(name)).status_code == 302
        assert client_for(mia).get(path(name)).status_code == 405

    def test_a_stranger_stops_only_the_own_house(
        self, charlie: Any, other_org: Any, client_for: Any, org: Any
    ) -> None:
        with org_context(org.pk):
            control.start(org=org, by=None)
        client_for(charlie).post(path("stop"))
        assert config_of(org).status == ConfigStatus.RUNNING
        assert config_of(other_org).status == ConfigStatus.PAUSED


class TestStatusBar:
    def test_it_counts_what_waits(self, owner: Client, org: Any) -> None:
        with org_context(org.pk):
            draft = make_draft(make_enrollment(org))
            unread(draft.lead, draft.enrollment.mailbox)
        response = owner.get(path("status_bar"))
        assert (response.context["approvals_count"], response.context["inbox_count"]) == (1, 1)
        assert b'id="nav-count-approvals"' in response.content
        assert "no-store" in response["Cache-Control"]

    def test_a_viewer_gets_no_switch(self, bob: Any, client_for: Any) -> None:
        assert path("start").encode() not in client_for(bob).get(path("status_bar")).content


class TestControlCenter:
    def test_settings_sent_back_unchanged_change_nothing(self, owner: Client, org: Any) -> None:
        before = {name: getattr(config_of(org), name) for name in ConfigForm.Meta.fields}
        assert owner.post(path("control_center"), settings_of(org)).status_code == 302
        assert {name: getattr(config_of(org), name) for name in ConfigForm.Meta.fields} == before

    def test_settings_are_kept(self, owner: Client, org: Any) -> None:
        changes = {"max_messages_per_day": 7, "schedule_days": ["monday"], "schedule_end_time": "15:30"}
        assert owner.post(path("control_center"), settings_of(org, **changes)).status_code == 302
        config = config_of(org)
        assert (config.max_messages_per_day, config.schedule_days) == (7, ["monday"])
        assert f"{config.schedule_end_time:%H:%M}" == "15:30"

    def test_what_nothing_acts_on_yet_is_kept_all_the_same(self, owner: Client, org: Any) -> None:
        changes = {"auto_book_meetings": "on", "notify_email": "ada@acme.example", "llm_provider": "openai"}
        owner.post(path("control_center"), settings_of(org, **changes))
        config = config_of(org)
        assert (config.auto_book_meetings, config.notify_email) == (True, "ada@acme.example")
        assert config.llm_provider == "openai"
        assert b"Nothing acts on them until" in owner.get(path("control_center")).content

    def test_a_webhook_is_kept_in_secret_until_it_is_forgotten(self, owner: Client, org: Any) -> None:
        hook = "https://hooks.slack.example/T1/B2/very-secret"
        assert b"forget_slack_webhook" not in owner.get(path("control_center")).content
        owner.post(path("control_center"), settings_of(org, notify_slack_webhook=hook))
        page = owner.get(path("control_center")).content
        assert b"forget_slack_webhook" in page
        assert b"very-secret" not in page
        owner.post(path("control_center"), settings_of(org, max_leads_per_day=3))
        assert webhook_of(org) == hook
        owner.post(path("control_center"), settings_of(org, forget_slack_webhook="on"))
        assert webhook_of(org) == ""

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("schedule_end_time", "03:00"),
            ("schedule_timezone", "Mars/Olympus"),
            ("schedule_days", ["someday"]),
            ("max_messages_per_day", -1),
            ("minimum_confidence", 7),
            ("score_threshold", "many"),
            ("notify_slack_webhook", "not a link"),
            ("require_approval_for", ["everything"]),
        ],
    )
    def test_a_wrong_value_is_told_and_the_rest_is_kept(
        self, owner: Client, org: Any, field: str, value: Any
    ) -> None:
        before = getattr(config_of(org), field)
        response = owner.post(path("control_center"), settings_of(org, name="Typed by me", **{field: value}))
        assert response.status_code == 422
        assert field in response.context["form"].errors
        assert b"Typed by me" in response.content
        assert getattr(config_of(org), field) == before

    def test_only_admins_and_owners_change_settings(
        self, org: Any, mia: Any, bob: Any, client_for: Any
    ) -> None:
        for person in (mia, bob):
            client = client_for(person)
            assert (
                client.post(path("control_center"), settings_of(org, max_messages_per_day=7)).status_code
                == 403
            )
            assert b"Save settings" not in client.get(path("control_center")).content
        assert config_of(org).max_messages_per_day != 7

    def test_a_stranger_changes_only_the_own_settings(
        self, charlie: Any, other_org: Any, client_for: Any, org: Any
    ) -> None:
        client_for(charlie).post(path("control_center"), settings_of(other_org, max_messages_per_day=7))
        assert (config_of(other_org).max_messages_per_day, config_of(org).max_messages_per_day != 7) == (
            7,
            True,
        )

    def test_it_tells_which_writer_writes(self, owner: Client, settings: Any) -> None:
        settings.OPENAI_API_KEY = settings.OPENAI_BASE_URL = ""
        assert b"the template writer (no model is configured" in owner.get(path("control_center")).content
        settings.OPENAI_API_KEY, settings.LEADPILOT_MODEL = "secret-key-1", "gpt-4o-mini"
        content = owner.get(path("control_center")).content
        assert b"gpt-4o-mini, with the template writer behind it" in content
        assert b"secret-key-1" not in content


class TestActivity:
    @pytest.fixture
    def diary(self, org: Any) -> None:
        with org_context(org.pk):
            log(org=org, log_type=LogType.DECISION, message="Chose Ada", reasoning="She has the score")
            log(org=org, log_type=LogType.ERROR, message="The site hung", lead=make_lead(org))

    def test_it_shows_what_was_done_and_why(self, owner: Client, diary: None) -> None:
        content = owner.get(path("activity")).content
        assert b"Chose Ada" in content
        assert b"She has the score" in content

    def test_it_can_be_searched_and_narrowed(self, owner: Client, diary: None) -> None:
        assert [entry.message for entry in owner.get(path("activity"), {"q": "hung"}).context["logs"]] == [
            "The site hung"
        ]
        decisions = owner.get(path("activity"), {"type": "decision"}).context["logs"]
        assert {entry.log_type for entry in decisions} == {"decision"}
        assert b"Nothing found" in owner.get(path("activity"), {"q": "no such line"}).content
        assert owner.get(path("activity"), {"type": "odd", "page": "x"}).status_code == 200

    def test_a_stranger_reads_nothing(
        self, charlie: Any, other_org: Any, client_for: Any, diary: None
    ) -> None:
        assert b"Chose Ada" not in client_for(charlie).get(path("activity")).content

    def test_more_lines_cost_no_more_queries(self, owner: Client, org: Any) -> None:
        def fill() -> int:
            with org_context(org.pk):
                lead = make_lead(org, f"Ada{AgentLog.objects.for_org(org).count()} Lovelace")
                for _ in range(10):
                    log(org=org, log_type=LogType.ACTION, message="Did it", lead=lead)
            owner.get(path("activity"))
            with CaptureQueriesContext(connection) as captured:
                owner.get(path("activity"))
            return len(captured)

        assert fill() >= fill()


class TestLeadWhy:
    def test_it_tells_what_is_in_the_way(self, owner: Client, org: Any) -> None:
        with org_context(org.pk):
            draft = make_draft(make_enrollment(org))
        response = owner.get(path("lead_why", draft.lead_id))
        assert response.status_code == 200
        assert b"<html" not in response.content
        assert response.context["why"].next.text

    def test_a_stranger_learns_nothing(self, charlie: Any, other_org: Any, client_for: Any, org: Any) -> None:
        with org_context(org.pk):
            lead = make_lead(org)
        client = client_for(charlie)
        assert client.get(path("lead_why", lead.pk)).status_code == 404
        assert client.get(path("lead_why", lead.pk)).content == client.get(path("lead_why", new_id())).content

    def test_it_is_only_read(self, owner: Client, org: Any) -> None:
        with org_context(org.pk):
            lead = make_lead(org)
        assert owner.post(path("lead_why", lead.pk)).status_code == 405


def test_the_activity_refreshes_under_its_own_filter(owner: Client) -> None:
    page = owner.get(path("activity") + "?type=error").content.decode()
    assert f'id="activity-log" hx-get="{path("activity")}?type=error"' in page
