"""Starts everything of one machine, keeps it running, stops it together."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import FrameType

import psycopg

from leadpilot import environment, postgres
from leadpilot.lib import canary, doorbell
from leadpilot.run import state, watchdog
from leadpilot.run.output import complain, say
from leadpilot.run.part import ROOT, Part
from leadpilot.run.ticker import Ticker

GRACE = 10.0  # seconds for all processes to end by themselves
LOOK = 0.5  # seconds between two looks at the processes
PATIENCE = 120.0  # seconds until the wait for readiness is explained


class Supervisor:
    """One run: `start()`, then `watch()` until a signal, then `stop()`."""

    def __init__(
        self, var: Path, port: int, *, only_worker: bool = False, before: state.State | None = None
    ) -> None:
        self.var = var
        self.folder = var / "run"
        self.port = port
        self.address = f"http://127.0.0.1:{port}/"
        self.only_worker = only_worker
        self.run_id = uuid.uuid4().hex
        self.gone = doorbell.cluster_name(before.run_id) if before else ""  # a worker cluster that is no more
        self.parts: dict[str, Part] = {}
        self.ticker: Ticker | None = None
        self.stopping = threading.Event()
        self.impatient = False

    def start(self) -> None:
        """Start the private database if that is the one, prepare it, start the rest. Raises PostgresError."""
        state.State(os.getpid(), self.run_id, self.address).write(self.folder)
        os.environ[doorbell.RUN_ID] = self.run_id
        self._ensure_database()
        if not self.only_worker:
            self._prepare()
        shutil.rmtree(self._canaries, ignore_errors=True)
        for part in self._plan():
            self.parts[part.name] = part
        self.ticker = Ticker(watchdog.database_url())
        self.ticker.start()

    def watch(self) -> None:
        """Keep the processes running until told to stop; say where to go when LeadPilot is ready."""
        link: subprocess.Popen[str] | None = None
        if not self.only_worker:
            link = ask_for_link()
            threading.Thread(target=self._welcome, args=(link,), daemon=True).start()
        while not self.stopping.wait(LOOK):
            self._tend()
        if link:
            link.kill()

    def stop(self) -> None:
        """Stop all that was started, the private database if it was ours to start."""
        say("Stopping …")
        if self.ticker:
            self.ticker.stopped.set()
        for part in self.parts.values():
            part.ask_to_stop()
        deadline = time.monotonic() + GRACE
        while not self.impatient and time.monotonic() < deadline:
            if all(part.ended() for part in self.parts.values()):
                break
            time.sleep(0.05)
        for part in self.parts.values():
            part.kill()
        state.kill_run(self.run_id)
        if self._database_is_ours.exists():
            postgres.stop(postgres.default_home())
            self._database_is_ours.unlink(missing_ok=True)
        say("Stopped.")

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """The first signal stops in good order, the second at once."""
        self.impatient = self.stopping.is_set()
        self.stopping.set()

    @property
    def _canaries(self) -> Path:
        return self.folder / "canary"

    @property
    def _cluster_file(self) -> Path:
        return self.folder / "worker.json"

    @property
    def _database_is_ours(self) -> Path:
        return self.folder / "database-is-ours"

    def _plan(self) -> list[Part]:
        manage = [sys.executable, str(ROOT / "manage.py")]
        parts = {
            "worker": [*manage, "qcluster"],
            "watchdog": [
                sys.executable,
                "-m",
                "leadpilot.run.watchdog",
                str(self._cluster_file),
                str(self._canaries),
            ],
        }
        if not self.only_worker:
            parts = {"web": self._web(), **parts}
            if list(ROOT.glob("**/management/commands/run_sandbox.py")):
                parts["sandbox"] = [*manage, "run_sandbox"]
        shared = {canary.FOLDER: str(self._canaries), "PORT": str(self.port)}
        return [
            Part(name, command, {**shared, "LEADPILOT_PROCESS": name}, self.var / "log")
            for name, command in parts.items()
        ]

    def _web(self) -> list[str]:
        options = {"interface": "asginl", "host": "127.0.0.1", "port": str(self.port), "log-level": "warning"}
        limits = {"workers": "1", "workers-kill-timeout": "3"}
        flags = [word for name, value in {**options, **limits}.items() for word in (f"--{name}", value)]
        return [sys.executable, "-m", "granian", *flags, "--no-ws", "leadpilot.asgi:application"]

    def _tend(self) -> None:
        if environment.is_private() and not postgres.is_running(postgres.default_home()):
            say("the database is gone; starting it again", "postgres")
            try:
                self._ensure_database()
            except postgres.PostgresError as error:
                say(str(error), "postgres")
        for part in self.parts.values():
            if part.tend() and part.name == "worker" and part.process:
                watchdog.note_cluster(self._cluster_file, part.process.pid)
                self._release_claims()
                self.gone = doorbell.cluster_name(self.run_id, part.process.pid)

    def _release_claims(self) -> None:
        """What the last cluster had taken and not finished is free for the new one at once."""
        try:
            with psycopg.connect(watchdog.database_url(), connect_timeout=5) as line:
                released = doorbell.release(line.cursor(), self.gone) if self.gone else 0
        except psycopg.Error as error:  # then the claims run out by themselves
            say(f"claims were not released: {str(error).strip()}", "worker")
            return
        if released:
            say(f"{released} unfinished jobs go to the new cluster", "worker")

    def _prepare(self) -> None:
        say("Preparing the database …")
        command = [sys.executable, "-m", "leadpilot.run.prepare"]
        preparing = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
        while preparing.poll() is None and not self.stopping.wait(0.1):
            pass
        if preparing.poll() is None:
            preparing.kill()
        if preparing.wait() and not self.stopping.is_set():
            raise postgres.PostgresError("LeadPilot was not started.")

    def _ensure_database(self) -> None:
        if environment.is_private():
            if not postgres.is_running(postgres.default_home()):
                self._database_is_ours.touch()
            postgres.ensure(postgres.default_home())

    def _welcome(self, link: subprocess.Popen[str]) -> None:
        began = time.monotonic()
        explained = False
        while not self.stopping.wait(LOOK):
            missing = not_ready(self.port)
            if not missing:
                say("")
                for line in (f"Open {self.address}", link.communicate()[0].strip()):
                    say(line)
                say("")
                return
            if not explained and time.monotonic() - began > PATIENCE:
                explained = True
                say(f"Still not ready: {missing}. The logs are in {self.var / 'log'}.")


def ask_for_link() -> subprocess.Popen[str]:
    """A process that prints a one-time sign-in link on its standard output."""
    return subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "sign_in_link"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def not_ready(port: int) -> str:
    """What `/readyz` says is missing; "" when nothing is."""
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        body = answer.read()
        if answer.status == 200:
            return ""
        checks = json.loads(body)["checks"]
        return ", ".join(f"{name}: {said}" for name, said in checks.items() if said != "ok")
    except (OSError, HTTPException):
        return "the web process does not answer"
    except (ValueError, KeyError):
        return f"the web process answers {answer.status}"
    finally:
        connection.close()


def trap_signals(supervisor: Supervisor) -> None:
    """Ctrl-C, SIGTERM and a closed terminal stop everything."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, supervisor.on_signal)


def fail(text: str) -> int:
    """Say why nothing was started."""
    complain(text)
    return 1
