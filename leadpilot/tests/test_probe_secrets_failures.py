"""A11: what fails tells nobody what it failed over: views, jobs in django-q2, the engine's tasks, commands."""

from __future__ import annotations

import queue
import uuid
from multiprocessing import Value
from typing import Any

import pytest
from django.conf import settings as conf
from django.test import Client
from django.utils import timezone
from django_q.brokers import get_broker
from django_q.models import Task
from django_q.monitor import save_task
from django_q.worker import worker

from leadpilot.tests.probing import failing_jobs
from leadpilot.tests.probing.callers import BACKEND
from leadpilot.tests.probing.planted import PEOPLE, QUEUE_TABLES, SECRETS, captured_logs, rows_of, search
from leadpilot.tests.probing.planted_world import plant
from leadpilot.tests.probing.world import Furnished

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls("leadpilot.tests.probing.failing_urls"),
]
KNOWN = [SECRETS["model key of another make"]]  # as OPENAI_API_KEY would be, by settings.KNOWN_SECRETS


@pytest.fixture
def world() -> Furnished:
    return plant()


def test_the_secrets_of_the_settings_are_known_to_the_logs() -> None:
    known = set(conf.KNOWN_SECRETS)
    assert conf.SECRET_KEY in known
    assert {config["PASSWORD"] for config in conf.DATABASES.values() if config["PASSWORD"]} <= known
    assert len(known) >= 1 + len(conf.ENCRYPTION_KEYS)


@pytest.mark.parametrize("name", failing_jobs.JOBS)
def test_a_failing_view_tells_nothing(name: str, world: Furnished) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(world.owner, backend=BACKEND)
    form = {"smtp_password": SECRETS["smtp password"], "note": PEOPLE["note"], "q": PEOPLE["search words"]}
    headers = {
        "Authorization": f"Basic {SECRETS['basic login']}",
        "X-Api-Key": SECRETS["api key header"],
        "Cookie": f"other={SECRETS['cookie']}; {conf.SESSION_COOKIE_NAME}={client.session.session_key}",
    }
    with captured_logs(KNOWN) as log:
        page = client.post(
            f"/fail/{name}/", form, headers=headers, query_params={"q": PEOPLE["search words"]}
        )
    assert page.status_code == 500
    assert "Traceback" in log.getvalue()
    found = search("the log", log.getvalue()) + search("the page", page.content.decode())
    assert found == []
    assert client.session.session_key not in log.getvalue()


@pytest.mark.parametrize("name", failing_jobs.JOBS)
def test_a_failing_job_tells_nothing(name: str, world: Furnished, monkeypatch: pytest.MonkeyPatch) -> None:
    job = f"leadpilot.tests.probing.failing_jobs.{name}"
    task = {
        "id": uuid.uuid4().hex,
        "name": name,
        "func": job,
        "args": (str(world.org.pk),),
        "kwargs": {},
        "started": timezone.now(),
    }
    given: queue.Queue[Any] = queue.Queue()
    done: queue.Queue[Any] = queue.Queue()
    given.put({**task, "sync": False})
    given.put("STOP")
    monkeypatch.setattr("django_q.worker.close_old_django_connections", lambda: None)  # ours is the test's
    with captured_logs(KNOWN) as log:
        worker(given, done, Value("f", -1))  # type: ignore[arg-type]
        result = done.get_nowait()
        assert result["success"] is False
        save_task(result, get_broker())
    kept = rows_of(QUEUE_TABLES) + "".join(
        str(result) for result in Task.objects.values_list("result", flat=True)
    )
    assert "Traceback" in kept
    assert search("the queue", kept) + search("the log", log.getvalue()) == []
