"""Where scenes play: the environment of an observed cluster, the supervisor's own life and death, a restarted database."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings as configured_settings
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from agent.engine.queue import DRAIN_JOB
from leadpilot import postgres
from leadpilot.lib import canary, doorbell, pace
from leadpilot.postgres import Urls
from leadpilot.run import state, watchdog
from leadpilot.trust import cluster, databases
from leadpilot.trust.engine import bay, faults, kills, observed, stage
from leadpilot.trust.engine.figures import Figures
from leadpilot.trust.engine.installation import Installation

NOWHERE = Urls(
    "postgresql://a@/x?host=/nowhere", "postgresql://o@/x?host=/nowhere", "postgresql://s@/x?host=/nowhere"
)


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="lp-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


def staged(folder: Path, **asked: float) -> stage.Stage:
    return stage.Stage(folder, NOWHERE, Figures(io.StringIO()), asked)


# The environment


def test_without_a_pace_every_wait_is_productions(folder: Path) -> None:
    found = staged(folder).environment(folder)
    assert found["LEADPILOT_PACE"] == ""
    assert pace.parse(found["LEADPILOT_PACE"]) == {}
    assert found[observed.FOLDER] == str(folder)


def test_a_pace_reaches_the_processes_as_they_read_it(folder: Path) -> None:
    found = staged(folder, canary_silence=8, sweep=1.5).environment(folder)
    assert pace.parse(found["LEADPILOT_PACE"]) == {"canary_silence": 8, "sweep": 1.5}
    assert found["LEADPILOT_FAULT_TESTS"] == "1"


def test_the_quick_pace_keeps_the_order_of_what_it_shortens() -> None:
    quick = stage.QUICK
    assert quick["tick"] < quick["canary_silence"]
    assert quick["task_sweep"] < quick["task_lease"]
    assert quick["claim_lease"] < quick["send_lease"]


def test_an_observed_cluster_has_productions_settings_and_one_app_more() -> None:
    code = (
        "import django; django.setup();"
        "from django.conf import settings; from agent.engine import HANDLERS;"
        "print(settings.INSTALLED_APPS[-1], settings.Q_CLUSTER['workers'], HANDLERS['report'].run.__module__)"
    )
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "leadpilot.trust.engine.settings",
        observed.FOLDER: "/tmp",
        "LEADPILOT_WORKERS": "8",
    }
    said = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert said.stdout.split() == [
        "leadpilot.trust.engine.apps.ObservedConfig",
        "8",
        "leadpilot.trust.engine.observed",
    ]


def test_production_has_neither_the_app_nor_a_handler_for_the_counted_tasks() -> None:
    assert not any("trust.engine" in app for app in configured_settings.INSTALLED_APPS)
    from agent.engine import HANDLERS
    from agent.models import TaskType

    assert TaskType.REPORT not in HANDLERS


def test_a_play_that_cannot_have_its_database_leaves_none(folder: Path) -> None:
    with pytest.raises(psycopg.OperationalError), staged(folder).play("one", clusters=1, workers=1):
        raise AssertionError("there is no such server")


@pytest.mark.django_db
def test_an_organization_of_a_play_has_no_cap_that_matters() -> None:
    made = stage.new_organization()
    assert made.max_emails_per_day == stage.MANY
    assert made.pk != stage.new_organization().pk


# A supervisor


class Pretended:
    """What a supervisor leaves: a process with the run's id, its state, and a noted cluster."""

    def __init__(self, folder: Path) -> None:
        self.run_id = uuid.uuid4().hex
        (folder / "run").mkdir(parents=True)
        self.process = subprocess.Popen(
            ["sleep", "120"], env={**os.environ, doorbell.RUN_ID: self.run_id}, start_new_session=True
        )
        state.State(1, self.run_id, "").write(folder / "run")
        watchdog.note_cluster(folder / "run" / "worker.json", self.process.pid)


@pytest.fixture
def one(folder: Path) -> Iterator[Installation]:
    made = Installation(folder / "one", NOWHERE, workers=1, environment={observed.FOLDER: str(folder)})
    yield made
    made.kill()


def test_whatever_carries_the_runs_id_is_killed_with_it(folder: Path, one: Installation) -> None:
    pretended = Pretended(one.folder)
    assert one.carriers() == [pretended.process.pid]
    one.kill()
    assert pretended.process.wait(10) == -signal.SIGKILL
    assert one.carriers() == []


def test_what_a_stopped_supervisor_leaves_is_counted_and_killed(folder: Path, one: Installation) -> None:
    pretended = Pretended(one.folder)
    one.boss = subprocess.Popen(["sleep", "120"])
    assert one.stop() == [pretended.process.pid]
    assert one.boss is None
    assert pretended.process.wait(10) == -signal.SIGKILL


def test_a_supervisor_that_does_not_stop_is_killed_and_told(
    one: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "STOPPING", 0.3)
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(99)"
    one.boss = deaf = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert deaf.stdout is not None
    deaf.stdout.readline()
    with pytest.raises(cluster.ClusterError, match="did not stop"):
        one.stop()
    assert deaf.returncode == -signal.SIGKILL


def test_a_started_supervisor_without_a_database_ends_with_a_sentence(one: Installation) -> None:
    one.environment["DATABASE_URL"] = "no url at all"
    with one:
        assert one.boss is not None
        assert cluster.eventually(lambda: one.boss is None or one.said() or one.boss.poll() is not None, 60)
    assert one.boss is None


def test_waiting_looks_until_it_is_so_or_the_time_is_up() -> None:
    looks = iter([0, 0, 1])
    assert cluster.eventually(lambda: next(looks), 10, 0.001)
    began = time.monotonic()
    assert not cluster.eventually(lambda: False, 0.2, 0.01)
    assert 0.2 <= time.monotonic() - began < 5


# Striking


def test_each_victim_hears_its_signal(one: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    victim = subprocess.Popen(["sleep", "120"], start_new_session=True)
    family = {role: [victim.pid] for role in ("main", "worker", "sentinel", "monitor", "pusher")}
    monkeypatch.setattr(one, "family", lambda: family)
    kills._strike(one, "sentinel", signal.SIGSTOP, random.Random(1))
    assert cluster.eventually(lambda: _state(victim.pid) == "T", 10)
    kills._strike(one, "group", signal.SIGKILL, random.Random(1))
    assert victim.wait(10) == -signal.SIGKILL
    kills._strike(one, "worker", signal.SIGKILL, random.Random(1))  # gone already: nothing to do


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_stop_as_a_service_manager_does_it_reaches_everyone(folder: Path, one: Installation) -> None:
    pretended, found = Pretended(one.folder), kills.Found()
    one.boss = subprocess.Popen(["sleep", "120"])
    took = kills._stop_as_service_managers_do(one, found)
    assert took < 30
    assert pretended.process.wait(10) == -signal.SIGTERM
    assert one.boss is None


def test_a_cluster_is_idle_when_no_job_runs_and_none_has_just_ended(folder: Path, one: Installation) -> None:
    pretended = Pretended(one.folder)
    marks = one.folder / "run" / "canary" / str(pretended.process.pid)
    canary.note(marks, "77", "idle")
    assert not kills._is_idle(one)
    assert cluster.eventually(lambda: kills._is_idle(one), 10)
    canary.note(marks, "78", "busy")
    time.sleep(kills.QUIET)
    assert not kills._is_idle(one)


def test_a_bay_that_cannot_play_answers_nothing(folder: Path) -> None:
    asked: dict[str, Any] = {"folder": str(folder), "pace": {}, "name": "bay0", "victims": [], "seed": 1}
    process = bay.spawn(asked, folder / "bay.log", NOWHERE)
    assert bay.answers([process]) == []
    assert "OperationalError" in (folder / "bay.log").read_text()


# Wake-ups


@pytest.mark.django_db
def test_five_deliveries_are_five_rows_of_the_same_wake_up() -> None:
    ids = [uuid.uuid4()]
    with connection.cursor() as cursor:
        cursor.execute("delete from django_q_ormq")
    with CaptureQueriesContext(connection):
        faults._ring_five_times(DRAIN_JOB, ids)
    with connection.cursor() as cursor:
        cursor.execute("select payload from django_q_ormq")
        texts = [row[0] for row in cursor.fetchall()]
        assert len(texts) == len(set(texts)) == faults.DELIVERIES
        assert {json.dumps(json.loads(text)) for text in texts} == {
            json.dumps({"job": DRAIN_JOB, "args": [str(ids[0])]})
        }
        taken = [doorbell.claim(cursor, 60) for _ in range(faults.DELIVERIES)]
    assert {(ring.job, ring.args) for ring in taken if ring} == {(DRAIN_JOB, (str(ids[0]),))}
    assert len({ring.id for ring in taken if ring}) == faults.DELIVERIES


def test_a_look_into_a_database_that_is_away_is_a_no(django_db_setup: None, django_db_blocker: Any) -> None:
    def away() -> bool:
        raise OperationalError("the server closed the connection")

    with django_db_blocker.unblock():
        assert faults.patiently(away) is False
        assert faults.patiently(lambda: True) is True


# A server of its own


@pytest.mark.skipif(bool(os.environ.get("DATABASE_URL")), reason="no private PostgreSQL here")
def test_a_server_that_is_restarted_at_once_keeps_what_was_committed(folder: Path) -> None:
    server = databases.Server(folder)
    try:
        urls = server.start()
        with psycopg.connect(urls.owner, autocommit=True) as line:
            line.execute("create table kept (n int)")
            line.execute("insert into kept values (1)")
            line.execute("begin")
            line.execute("insert into kept values (2)")
            away = server.restart_at_once()
            with pytest.raises(psycopg.OperationalError):
                line.execute("commit")
        assert 0 < away < 60
        with psycopg.connect(urls.owner) as line:
            assert line.execute("select n from kept").fetchall() == [(1,)]
    finally:
        server.stop()
    assert not postgres.is_running(server.home)
