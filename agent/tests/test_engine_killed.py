"""Worker processes that are killed: nothing is lost, nothing is done twice at once, killers are parked (TRUST F2, F17)."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from agent import engine
from agent.engine import claims
from agent.models import AgentTask, TaskStatus, TaskType
from leadpilot.orgs.tenancy import org_context

pytestmark = pytest.mark.django_db(transaction=True)


class Workers:
    """Processes that are started anew when they were killed, as a supervisor does."""

    def __init__(self, org: Any) -> None:
        self.org, self.running = org, []

    def start(self, seconds: float = 200) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "agent.tests.killers"]
        process = subprocess.Popen(
            [*command, connection.settings_dict["NAME"], str(self.org.pk), str(seconds)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "leadpilot.settings"},
        )
        self.running.append(process)
        return process

    def end(self) -> None:
        for process in self.running:
            process.kill()
            process.wait()


@pytest.fixture
def workers(org: Any) -> Iterator[Workers]:
    pool = Workers(org)
    yield pool
    pool.end()


def submit(org: Any, number: int = 1, **input_data: Any) -> list[AgentTask]:
    tasks = [AgentTask(org=org, task_type=TaskType.REPORT, input_data=input_data) for _ in range(number)]
    with org_context(org.pk):
        engine.submit_many(org=org, tasks=tasks)
    return tasks


def states(org: Any) -> Counter[str]:
    with org_context(org.pk):
        return Counter(AgentTask.objects.for_org(org).values_list("status", flat=True))


def until(check: Any, seconds: float = 180) -> None:
    ends = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < ends, "it did not happen in time"
        time.sleep(0.1)


def test_a_killer_is_parked_after_three_and_the_others_flow(org: Any, workers: Workers) -> None:
    (killer,) = submit(org, deadly=True)
    submit(org, 60)

    def settled() -> bool:
        if workers.running[-1].poll() is not None:
            workers.start()
        return not states(org)[TaskStatus.PENDING] and not states(org)[TaskStatus.RUNNING]

    workers.start()
    until(settled)
    assert states(org) == {TaskStatus.COMPLETED: 60, TaskStatus.FAILED: 1}
    with org_context(org.pk):
        killer.refresh_from_db()
        assert (killer.error_message, killer.attempts) == (claims.PARKED, 3)
        assert AgentTask.objects.for_org(org).filter(status="completed", attempts__gt=2).count() == 0


def test_the_task_of_a_killed_worker_is_done_by_another(org: Any, workers: Workers) -> None:
    (task,) = submit(org, hang=60)
    first = workers.start()
    assert first.stdout is not None
    assert first.stdout.readline() == "began\n"
    first.kill()
    second = workers.start()
    until(lambda: states(org)[TaskStatus.COMPLETED] == 1)
    with org_context(org.pk):
        task.refresh_from_db()
    assert task.output_data == {"by": second.pid, "attempt": 2}


def test_two_workers_share_a_thousand_tasks_and_do_each_once(org: Any, workers: Workers) -> None:
    submit(org, 1000)
    workers.start()
    workers.start()
    until(lambda: states(org)[TaskStatus.COMPLETED] == 1000)
    with org_context(org.pk):
        done = AgentTask.objects.for_org(org)
        assert done.filter(attempts=1).count() == 1000
