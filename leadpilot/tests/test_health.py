"""What /healthz and /readyz say, and when."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from django.db.models.functions import Now
from django.test import Client

from leadpilot import health, schedules
from leadpilot.lib import canary
from leadpilot.orgs.models import RecurringJob


@pytest.fixture(autouse=True)
def _ask_anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(canary.FOLDER, raising=False)
    health._applied.clear()
    yield
    health._applied.clear()


def test_healthz_answers_without_a_database(client: Client) -> None:
    """The test has no database mark: a query would fail it."""
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.django_db
def test_probes_from_inside_are_not_sent_to_https(client: Client, settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code in (200, 503)
    assert client.get("/healthz/more")["Location"].startswith("https://")
    assert client.get("/")["Location"].startswith("https://")


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_only_reading_is_allowed(client: Client, path: str) -> None:
    assert client.post(path).status_code == 405


@pytest.mark.django_db
def test_readyz_is_ready_when_a_worker_ran_the_dispatcher_lately(client: Client) -> None:
    schedules.dispatch()
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "checks": {"database": "ok", "migrations": "ok", "worker": "ok"},
    }


@pytest.mark.django_db
def test_readyz_says_that_no_worker_lives(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert caplog.records == []  # it is asked every second, and no error
    assert answer.json()["checks"]["worker"] == f"No sign of life for {canary.SILENCE:.0f} seconds."
    assert answer.json()["checks"]["migrations"] == "ok"


@pytest.mark.django_db
def test_a_sign_of_life_of_long_ago_does_not_count(client: Client) -> None:
    schedules.dispatch()
    RecurringJob.objects.update(last_started_at=Now() - timedelta(seconds=canary.SILENCE + 1))
    assert client.get("/readyz").status_code == 503


@pytest.mark.django_db
def test_a_worker_that_is_busy_with_a_long_job_lives(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(canary.FOLDER, str(tmp_path))
    canary.note(tmp_path / "1", str(os.getpid()), "busy")
    assert client.get("/readyz").status_code == 200


@pytest.mark.django_db
def test_readyz_says_that_migrations_are_missing(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    schedules.dispatch()
    monkeypatch.setattr(health.MigrationExecutor, "migration_plan", lambda *_: [("orgs", "0099")])
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "manage.py migrate" in answer.json()["checks"]["migrations"]
    assert answer.json()["checks"]["worker"] == "unknown"


@pytest.mark.django_db
def test_migrations_are_looked_up_until_they_are_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    assert health._migrated()
    monkeypatch.setattr(health, "MigrationExecutor", None)
    assert health._migrated()


def test_readyz_says_that_the_database_is_away(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise OperationalError("connection refused: secret details")

    monkeypatch.setattr(health.connection, "ensure_connection", away)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"] == {
        "database": "It does not answer.",
        "migrations": "unknown",
        "worker": "unknown",
    }
