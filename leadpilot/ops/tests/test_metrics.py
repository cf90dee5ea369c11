"""GET /metrics: who may read it, what it says, and what it never says."""

from __future__ import annotations

import re
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from agent.models import AgentConfig, AgentTask, TaskStatus
from agent.services import control
from campaigns.models import MailboxStatus, Message, MessageStatus, SendAttempt
from campaigns.models.message import AttemptOutcome
from leadpilot import schedules
from leadpilot.lib import clock
from leadpilot.ops import counts
from leadpilot.orgs.services import halt
from leadpilot.orgs.tenancy import org_context
from leadpilot.tests.probing.world import Furnished, furnish
from leadpilot.version import VERSION

TOKEN = "metrics-token-of-the-tests"
ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _token(settings: Any) -> None:
    settings.METRICS_TOKEN = TOKEN


def scrape(client: Client, token: str = TOKEN) -> Any:
    return client.get("/metrics", headers={"Authorization": f"Bearer {token}"})


def figures(client: Client) -> dict[tuple[str, ...], float]:
    """{(name, label value): value} of a scrape."""
    text = scrape(client).content.decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_right_token_opens_the_figures_in_the_text_format(client: Client) -> None:
    answer = scrape(client)
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain; version=")
    assert "no-store" in answer["Cache-Control"]
    families = {f.name: f for f in text_string_to_metric_families(answer.content.decode())}
    assert set(families) == {family.name for family in counts.FAMILIES.values()} | {"leadpilot_build_info"}
    assert all(f.documentation.endswith((".", "none is.", "ever did.")) for f in families.values())


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer wrong",
        f"Basic {TOKEN}",
        TOKEN,
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN} x",
        "Bearer é",
    ],
)
def test_without_the_right_token_the_answer_is_401(client: Client, header: str) -> None:
    answer = client.get("/metrics", headers={"Authorization": header} if header else {})
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert "leadpilot_" not in answer.content.decode()


def test_a_person_who_is_signed_in_is_no_better(client_for: Any, alice: Any, org: Any) -> None:
    assert client_for(alice).get("/metrics").status_code == 401


def test_without_the_setting_it_is_a_page_that_does_not_exist(client: Client, settings: Any) -> None:
    settings.METRICS_TOKEN = ""
    for token in (TOKEN, ""):
        answer = scrape(client, token)
        assert answer.status_code == 404
        assert answer.content == client.get("/no-such-page").content.replace(b"/no-such-page", b"/metrics")


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_only_reading_is_allowed(client: Client, method: str) -> None:
    answer = getattr(client, method)("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 405


def test_it_is_read_from_inside_without_tls(client: Client, settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    assert scrape(client).status_code == 200


def test_an_empty_installation_has_every_series_at_zero(client: Client) -> None:
    found = figures(client)
    assert found.pop(("leadpilot_build_info", VERSION)) == 1
    assert found.pop(("leadpilot_dispatcher_age_seconds",)) == counts.NEVER
    assert set(found.values()) == {0}
    statuses = {key[1] for key in found if key[0] == "leadpilot_messages"}
    assert statuses == set(MessageStatus.values)


def test_the_names_follow_prometheus(client: Client) -> None:
    for name, *_ in figures(client):
        assert re.fullmatch(r"leadpilot_[a-z_]+[a-z]", name)
        assert not name.endswith("_total"), "these are gauges, and _total is for counters"


@pytest.mark.parametrize(
    ("family", "values"),
    [(1, TaskStatus), (3, MessageStatus), (5, AttemptOutcome), (6, MailboxStatus)],
)
def test_every_status_of_the_models_has_its_place(family: int, values: Any) -> None:
    assert counts.FAMILIES[family].kinds == tuple(values.values)


@pytest.fixture
def two() -> list[Furnished]:
    """Two organizations with one row of each kind, and more."""
    return [furnish("walrus"), furnish("heron")]


def late(minutes: float) -> Any:
    return clock.now() - timedelta(minutes=minutes)


def test_the_figures_are_those_of_all_organizations_together(client: Client, two: list[Furnished]) -> None:
    found = figures(client)
    assert found["leadpilot_messages", "held"] == found["leadpilot_messages", "unknown"] == 2
    assert found["leadpilot_mailboxes", "connected"] == 2
    assert found["leadpilot_inbound_unclassified",] == 2
    assert found["leadpilot_tasks", "pending"] == found["leadpilot_tasks", "awaiting_approval"] == 2
    assert found["leadpilot_tasks", "failed"] == 2
    assert found["leadpilot_send_attempts_last_hour", "unknown"] == 2
    assert found["leadpilot_organizations", "active"] == 2


def test_ages_are_those_of_the_oldest_that_is_due(client: Client, two: list[Furnished]) -> None:
    for world, minutes in zip(two, (3, 10), strict=True):
        with org_context(world.org.pk):
            Message.objects.filter(pk=world.ids["message"]).update(
                status="queued", raw=b"From: a", scheduled_for=late(minutes)
            )
            AgentConfig.objects.update(is_enabled=True, status="running")
            AgentTask.objects.filter(pk=world.ids["task"]).update(scheduled_for=late(2 * minutes))
    found = figures(client)
    assert found["leadpilot_messages_oldest_due_age_seconds",] == pytest.approx(600, abs=20)
    assert found["leadpilot_tasks_oldest_due_age_seconds",] == pytest.approx(1200, abs=20)


def test_what_is_stopped_or_not_due_is_not_late(client: Client, two: list[Furnished]) -> None:
    stopped, paused = two
    for world in two:
        with org_context(world.org.pk):
            Message.objects.filter(pk=world.ids["message"]).update(
                status="deferred", raw=b"From: a", scheduled_for=late(10)
            )
            AgentConfig.objects.update(is_enabled=True, status="running")
    with org_context(stopped.org.pk):
        halt(org=stopped.org, by=None)
    with org_context(paused.org.pk):
        type(paused.org).objects.filter(pk=paused.org.pk).update(halted_at=None)
        Message.objects.filter(pk=paused.ids["message"]).update(scheduled_for=late(-10))
        control.stop(org=paused.org, by=None)
        type(paused.org).objects.filter(pk=paused.org.pk).update(halted_at=None)
    found = figures(client)
    assert found["leadpilot_messages_oldest_due_age_seconds",] == 0
    assert found["leadpilot_tasks_oldest_due_age_seconds",] == 0
    assert found["leadpilot_organizations", "halted"] == 1
    assert found["leadpilot_messages", "deferred"] == 2


def test_attempts_of_an_hour_ago_are_history(client: Client, two: list[Furnished]) -> None:
    with org_context(two[0].org.pk):
        SendAttempt.objects.update(started_at=late(61))
    assert figures(client)["leadpilot_send_attempts_last_hour", "unknown"] == 1


def test_the_queue_and_its_dispatcher_are_watched(client: Client) -> None:
    schedules.dispatch()
    found = figures(client)
    assert found["leadpilot_dispatcher_age_seconds",] < 20
    assert found["leadpilot_queue_jobs", "waiting"] == len(schedules.SCHEDULES)
    assert found["leadpilot_queue_jobs", "claimed"] == 0


def test_nothing_personal_is_in_it(client: Client, two: list[Furnished]) -> None:
    text = scrape(client).content.decode().lower()
    for word in ("walrus", "heron", "@", "ada", "olga", TOKEN, *(str(world.org.pk) for world in two)):
        assert word not in text
    labels = {label for f in text_string_to_metric_families(text) for s in f.samples for label in s.labels}
    assert labels == {"status", "outcome", "state", "version"}


def test_a_database_that_is_away_is_said_without_details(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> list[Any]:
        raise OperationalError("connection refused: secret details")

    monkeypatch.setattr(counts, "count", away)
    answer = scrape(client)
    assert (answer.status_code, answer.content) == (503, b"The database does not answer.\n")


def test_a_status_that_came_later_is_counted_as_other() -> None:
    family = counts.Family("leadpilot_x", "X.", "status", ("a",))
    gauge = counts._gauge(3, family, {(3, 0): 4, (3, 1): 2})
    assert {s.labels["status"]: s.value for s in gauge.samples} == {"other": 4, "a": 2}


def test_the_version_is_the_one_of_the_project() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION
