"""What an observed cluster leaves in its folder, and what is read from it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from agent.engine.registry import ClaimedTask
from leadpilot.trust.engine import observed
from leadpilot.trust.engine.work import count

ROOT = Path(__file__).resolve().parents[3]
JOB = "agent.tasks.drain"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(observed.FOLDER, str(tmp_path))
    monkeypatch.setattr(observed, "_handles", {})
    return tmp_path


def task(task_id: UUID | None = None, attempt: int = 1, **input_data: Any) -> ClaimedTask:
    nothing = dict.fromkeys(
        ("lead_id", "campaign_id", "message_id", "inbox_message_id", "agent_id", "approved_by_id")
    )
    return ClaimedTask(
        id=task_id or uuid4(),
        org_id=uuid4(),
        task_type="report",
        attempt=attempt,
        failures=0,
        max_failures=3,
        owner="me",
        input_data=input_data,
        **nothing,
    )


def test_a_run_is_noted_with_task_attempt_process_and_time(folder: Path) -> None:
    one, before = task(attempt=2), time.monotonic()
    assert observed.do(one) == {}
    ((task_id, attempt, pid, at),) = observed.runs(folder)
    assert (task_id, attempt, pid) == (str(one.id), "2", str(os.getpid()))
    assert before - 0.001 <= float(at) <= time.monotonic()


def test_no_run_is_no_line(folder: Path) -> None:
    assert observed.runs(folder) == []
    assert observed.deliveries(folder, JOB) == 0


def test_a_run_that_takes_its_time_is_noted_before(folder: Path) -> None:
    observed.do(task(sleep=0.2))
    ((*_, at),) = observed.runs(folder)
    assert time.monotonic() - float(at) >= 0.2


_WRITER = """
import sys
from leadpilot.trust.engine import observed
from leadpilot.trust.tests.test_engine_observed import task
for _ in range(200):
    observed.do(task())
"""


def test_lines_of_several_processes_stay_whole(folder: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", f"import django; django.setup(){_WRITER}"], cwd=ROOT)
        for _ in range(2)
    ]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0]
    runs = observed.runs(folder)
    assert len(runs) == len({line[0] for line in runs}) == 400
    assert {len(line) for line in runs} == {4}
    assert {int(line[2]) for line in runs} == {writer.pid for writer in writers}


def test_a_deadly_task_leaves_its_line_and_no_process(folder: Path) -> None:
    code = (
        "import django; django.setup()\n"
        "from leadpilot.trust.engine import observed\n"
        "from leadpilot.trust.tests.test_engine_observed import task\n"
        "observed.do(task(deadly=True))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == -signal.SIGKILL
    assert len(observed.runs(folder)) == 1


def test_deliveries_are_counted_by_job(folder: Path) -> None:
    for func, args in ((JOB, ["1"]), (JOB, ["2"]), ("campaigns.tasks.sweep", [])):
        observed.job_delivered(task={"func": func, "args": args})
    assert observed.deliveries(folder, JOB) == 2
    assert observed.deliveries(folder, "campaigns.tasks.sweep") == 1
    assert observed.deliveries(folder, "campaigns.tasks.swee") == 0


def test_a_process_has_the_role_it_was_first_seen_in(folder: Path) -> None:
    assert observed.role_of(folder, os.getpid()) == ""
    observed.worker_spawned(proc_name="Process-1")
    assert observed.role_of(folder, os.getpid()) == "worker"
    observed.result_collected()
    assert observed.role_of(folder, os.getpid()) == "worker"


def test_the_collector_of_results_is_the_monitor(folder: Path) -> None:
    observed.result_collected(task={})
    assert observed.role_of(folder, os.getpid()) == "monitor"


# Counting


def test_each_submitted_task_is_counted_once_more_often_or_never(folder: Path) -> None:
    ids = [uuid4() for _ in range(5)]
    for task_id in (*ids[:3], ids[2], ids[2]):
        observed.do(task(task_id))
    found = count(folder, ids)
    assert (found.tasks, found.once, found.more, found.never) == (5, 2, 1, 2)


def test_runs_of_others_do_not_count(folder: Path) -> None:
    observed.do(task())
    found = count(folder, [uuid4()])
    assert (found.once, found.more, found.never) == (0, 0, 1)


def test_nothing_submitted_is_nothing_lost(folder: Path) -> None:
    found = count(folder, [])
    assert (found.tasks, found.once, found.more, found.never) == (0, 0, 0, 0)
