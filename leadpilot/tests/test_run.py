"""The supervisor and its parts, with real processes; and one whole run, killed and started again."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from leadpilot import postgres
from leadpilot.lib import canary
from leadpilot.lib.doorbell import RUN_ID
from leadpilot.lib.processes import Process
from leadpilot.run import __main__ as command
from leadpilot.run import output, part, state, supervisor, watchdog
from leadpilot.run.part import Part

ROOT = Path(__file__).resolve().parents[2]
linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and PR_SET_PDEATHSIG")


def eventually(true: Callable[[], object], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.fixture
def make_part(tmp_path: Path) -> Iterator[Callable[[str], Part]]:
    made: list[Part] = []

    def make(code: str) -> Part:
        made.append(Part("thing", [sys.executable, "-c", code], {"MARK": "here"}, tmp_path / "log"))
        return made[-1]

    yield make
    for thing in made:
        thing.kill()


# One process


def test_a_process_gets_its_environment_and_its_words_are_kept(
    make_part: Callable[[str], Part], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    thing = make_part("import os; print('I am', os.environ['MARK'])")
    assert thing.tend() is True
    log = tmp_path / "log" / "thing.log"
    assert eventually(lambda: log.exists() and "I am here" in log.read_text())
    assert eventually(thing.ended)
    assert "thing    | I am here" in capfd.readouterr().out


def test_a_process_that_ends_is_started_again_after_a_pause_that_grows(
    make_part: Callable[[str], Part], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part, "FIRST_PAUSE", 0.1)
    thing = make_part("raise SystemExit(3)")
    thing.pause = 0.1
    starts, pauses = 0, []
    deadline = time.monotonic() + 30
    while starts < 3 and time.monotonic() < deadline:
        starts += thing.tend()
        pauses.append(thing.pause)
        time.sleep(0.02)
    assert starts == 3
    assert sorted(set(pauses)) == [0.1, 0.2, 0.4]


def test_a_process_that_worked_for_a_while_is_started_again_soon(
    make_part: Callable[[str], Part], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part, "STEADY", 0.0)
    thing = make_part("pass")
    thing.pause = 16.0
    thing.tend()
    assert eventually(thing.ended)
    thing.tend()
    assert thing.pause == part.FIRST_PAUSE


def test_a_running_process_is_not_started_twice(make_part: Callable[[str], Part]) -> None:
    thing = make_part("import time; time.sleep(60)")
    assert thing.tend() is True
    assert thing.tend() is False


def test_what_a_dead_process_left_in_its_group_is_killed(
    make_part: Callable[[str], Part], tmp_path: Path
) -> None:
    note = tmp_path / "child"
    thing = make_part(
        "import pathlib, subprocess; p = subprocess.Popen(['sleep', '60']);"
        f"pathlib.Path({str(note)!r}).write_text(str(p.pid))"
    )
    thing.tend()
    assert eventually(thing.ended)
    assert eventually(lambda: Process.find(int(note.read_text())) is None)


def test_being_asked_to_stop_reaches_the_process_alone(
    make_part: Callable[[str], Part], tmp_path: Path
) -> None:
    heard = tmp_path / "heard"
    thing = make_part(
        "import pathlib, signal, sys, time;"
        f"signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path({str(heard)!r}).touch(), sys.exit(0)));"
        f"pathlib.Path({str(tmp_path / 'up')!r}).touch(); time.sleep(60)"
    )
    thing.tend()
    assert eventually((tmp_path / "up").exists)
    thing.ask_to_stop()
    assert eventually(thing.ended)
    assert heard.exists()
    thing.ask_to_stop()  # nothing is left to ask
    thing.kill()


@linux
def test_a_process_ends_when_its_supervisor_is_killed(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    inner = (
        f"import os, pathlib, time; pathlib.Path({str(note)!r}).write_text(str(os.getpid())); time.sleep(60)"
    )
    code = (
        "import sys, time; from pathlib import Path; from leadpilot.run.part import Part;"
        f"Part('x', [sys.executable, '-c', {inner!r}], {{}}, Path({str(tmp_path)!r})).tend(); time.sleep(60)"
    )
    boss = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    assert eventually(lambda: note.exists() and note.read_text())
    assert Process.find(int(note.read_text()))
    boss.kill()
    boss.wait()
    assert eventually(lambda: Process.find(int(note.read_text())) is None)


def test_a_screen_that_went_away_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        def write(self, text: str) -> int:
            raise BrokenPipeError

        def flush(self) -> None:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Gone())
    output.say("hello", "thing")


# What is left on disk


def test_only_one_supervisor_gets_the_lock(tmp_path: Path) -> None:
    first = state.take_lock(tmp_path)
    assert state.take_lock(tmp_path) is None
    first.close()
    second = state.take_lock(tmp_path)
    assert second is not None
    second.close()


def test_the_state_of_a_run_can_be_read_back(tmp_path: Path) -> None:
    assert state.read_state(tmp_path) is None
    mine = state.State(7, "abc", "http://127.0.0.1:8000/")
    mine.write(tmp_path)
    assert state.read_state(tmp_path) == mine
    (tmp_path / "state.json").write_text('{"pid": 7}')
    assert state.read_state(tmp_path) is None


@linux
def test_what_a_killed_run_left_is_found_by_its_id_and_by_nothing_else() -> None:
    ours, others = (
        subprocess.Popen(["sleep", "60"], env={**os.environ, RUN_ID: name}, start_new_session=True)
        for name in ("run-of-this-test", "run-of-this-test-2")
    )
    try:
        assert state.kill_run("run-of-this-test") == 1
        assert ours.wait(timeout=5) == -signal.SIGKILL
        assert others.poll() is None
    finally:
        others.kill()
        others.wait()


# The command line


@pytest.mark.parametrize("said", ["abc", "0", "70000", "-1", "80.5"])
def test_a_port_that_is_none_is_refused(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", said)
    with pytest.raises(ValueError, match=f"PORT={said} is not a port"):
        command.asked_port()


def test_the_port_is_8000_unless_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PORT", raising=False)
    assert command.asked_port() == 8000
    monkeypatch.setenv("PORT", "9000")
    assert command.asked_port() == 9000


def test_the_ports_of_the_sandbox_are_those_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SANDBOX_WEB_PORT", raising=False)
    monkeypatch.setenv("SANDBOX_SMTP_PORT", "2525")
    assert command.sandbox_ports(9000) == [9001, 2525]


def test_a_taken_port_is_named() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert command.first_taken([port]) == port
    assert command.first_taken([port]) is None


def test_an_unknown_word_is_answered_with_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["dance"]) == 1
    assert "leadpilot.run" in capsys.readouterr().err


def test_not_ready_says_what_is_missing() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert supervisor.not_ready(free.getsockname()[1]) == "the web process does not answer"


# A whole run


class Run:
    """`python -m leadpilot.run` in a folder of its own."""

    def __init__(self, var: Path, port: int) -> None:
        self.var, self.port = var, port
        self.environment = {
            **os.environ,
            "LEADPILOT_VAR": str(var),
            "PORT": str(port),
            "LEADPILOT_WORKERS": "1",
        }
        self.environment.pop("TEST_DATABASE_NAME", None)
        self.log = var / "screen.log"

    def start(self) -> subprocess.Popen[bytes]:
        with open(self.log, "wb") as screen:
            return subprocess.Popen(
                [sys.executable, "-m", "leadpilot.run"],
                cwd=ROOT,
                env=self.environment,
                stdout=screen,
                stderr=screen,
                start_new_session=True,
            )

    def said(self, pattern: str) -> re.Match[str] | None:
        return re.search(pattern, self.log.read_text(), re.MULTILINE)

    def welcomed(self) -> re.Match[str] | None:
        return self.said(
            rf"^Open http://127\.0\.0\.1:{self.port}/\nhttp://127\.0\.0\.1:{self.port}/enter/\S+/$"
        )

    def get(self, path: str) -> int:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        finally:
            connection.close()

    def worker(self) -> int | None:
        """The main process of the worker cluster that runs now."""
        cluster = watchdog.Cluster.read(self.var / "run" / "worker.json")
        return cluster.process.pid if cluster else None

    def last_job_at(self) -> float:
        """When a worker last ended a job (monotonic seconds)."""
        return max(
            (mark.at for mark in canary.read(self.var / "run" / "canary" / str(self.worker()))), default=0.0
        )

    def carriers(self) -> list[int]:
        """Every process of the run but the supervisor and the database."""
        return state.carriers(state.read_state(self.var / "run").run_id)


def free_port() -> int:
    """The first of three free ports in a row, below those that the system hands out."""
    return next(
        port for port in range(8800, 9800, 5) if command.first_taken([port, port + 1, port + 2]) is None
    )


@pytest.fixture
def whole() -> Iterator[Run]:
    var = Path(tempfile.mkdtemp(prefix="lp-", dir="/tmp"))
    var.chmod(0o755)
    run = Run(var, free_port())
    yield run
    left = state.read_state(var / "run")
    if left:
        state.kill_run(left.run_id)
    postgres.stop(var / "postgres")
    shutil.rmtree(var, ignore_errors=True)


@linux
@pytest.mark.skipif(bool(os.environ.get("DATABASE_URL")), reason="starts a private PostgreSQL of its own")
def test_a_run_starts_survives_kill_9_of_anything_and_stops_without_a_trace(whole: Run) -> None:
    boss = whole.start()
    try:
        assert eventually(whole.welcomed, 240), whole.log.read_text()
        assert (whole.get("/healthz"), whole.get("/readyz")) == (200, 200)
        names = {path.stem for path in (whole.var / "log").glob("*.log")}
        assert len(whole.carriers()) >= 6, names

        second = subprocess.run(
            [sys.executable, "-m", "leadpilot.run"],
            cwd=ROOT,
            env=whole.environment,
            capture_output=True,
            check=False,
        )
        assert second.returncode == 0
        assert b"already running" in second.stdout
        assert f"Open http://127.0.0.1:{whole.port}/".encode() in second.stdout

        carriers = whole.carriers()
        boss.kill()
        boss.wait()
        for pid in [*carriers, *postgres.server._workers_on(postgres.locate(whole.var / "postgres").data)]:
            if Process.find(pid):
                os.kill(pid, signal.SIGKILL)

        boss = whole.start()
        assert eventually(whole.welcomed, 240), whole.log.read_text()
        assert whole.get("/readyz") == 200

        database = postgres.locate(whole.var / "postgres")
        for victim in (postgres.server.running_pid(database), whole.worker()):
            os.kill(victim, signal.SIGKILL)
        assert eventually(lambda: whole.worker() not in (None, victim), 60), "no new worker"
        since = time.monotonic()
        assert eventually(lambda: whole.last_job_at() > since, 90), whole.log.read_text()[-3000:]
        assert eventually(lambda: whole.get("/readyz") == 200, 60)

        left = whole.carriers()
        boss.send_signal(signal.SIGINT)
        assert boss.wait(timeout=30) == 0
        assert [pid for pid in left if Process.find(pid)] == []
        assert not postgres.is_running(whole.var / "postgres")
        assert command.first_taken([whole.port]) is None
    finally:
        boss.kill()
        boss.wait()


@linux
def test_a_run_on_a_taken_port_says_so_and_starts_nothing(whole: Run) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", whole.port))
        other.listen()
        assert whole.start().wait(timeout=60) == 1
    assert whole.said(
        rf"^Port {whole.port} is taken by another program\. Choose another: PORT=9\d\d0 make run$"
    )
    assert not (whole.var / "postgres").exists()
