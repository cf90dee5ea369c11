"""A real installation without the web, watched from outside: supervisor, worker cluster, watchdog, ticker.

It is what `python -m leadpilot.run worker` starts, in a folder of its own, on a database of the campaign. Nothing in it
knows of the campaign but through its environment (settings module, pace, failpoints).
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from django.conf import settings

from leadpilot.lib import canary
from leadpilot.lib.processes import Process
from leadpilot.postgres import Urls
from leadpilot.run import state, watchdog
from leadpilot.trust import databases

ROOT = Path(__file__).resolve().parents[2]
STARTING = 90.0  # seconds that a start may take on a busy machine
STOPPING = 60.0


class ClusterError(RuntimeError):
    """An installation that did not start or stop."""


def eventually(true: Callable[[], object], seconds: float, pause: float = 0.02) -> bool:
    """Wait until something is so; False when it is not after these seconds."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True


class Cluster:
    """One supervisor and what it started. `with Cluster(folder, urls, workers=8) as one: one.wait_until_ready()`."""

    def __init__(
        self, folder: Path, urls: Urls, *, workers: int = 2, environment: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        self.screen = folder / "screen.log"
        self.environment = {
            **os.environ,
            **databases.environment(urls),
            "LEADPILOT_VAR": str(folder),
            "LEADPILOT_WORKERS": str(workers),
            "LEADPILOT_SANDBOX": "false",
            **(environment or {}),
        }
        self.environment.pop("TEST_DATABASE_NAME", None)
        self.boss: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the supervisor; it ends with this process, however that ends."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if (settings.VAR / "secrets").exists():  # what one process encrypts, the other has to read
            shutil.copytree(settings.VAR / "secrets", self.folder / "secrets", dirs_exist_ok=True)
        child = [sys.executable, "-m", "leadpilot.run.child", str(os.getpid())]
        with open(self.screen, "ab") as screen:
            self.boss = subprocess.Popen(
                [*child, sys.executable, "-m", "leadpilot.run", "worker"],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=screen,
                stderr=screen,
                start_new_session=True,
            )

    def wait_until_ready(self, seconds: float = STARTING) -> None:
        """Return when a worker has done its first job. Raises ClusterError when none does."""
        if not eventually(self.has_worked, seconds):
            raise ClusterError(f"No worker worked within {seconds:.0f} s.\n{self.said()[-2000:]}")

    def has_worked(self) -> bool:
        """Whether a worker of the cluster that runs now has ended a job and its result was collected."""
        return any(mark.who == canary.MONITOR for mark in self.marks())

    def marks(self) -> list[canary.Mark]:
        """The signs of life of the cluster that runs now."""
        return canary.read(self.folder / "run" / "canary" / str(self.main_pid()))

    def main_pid(self) -> int | None:
        """The main process of the worker cluster that runs now; its process group has the same number."""
        cluster = watchdog.Cluster.read(self.folder / "run" / "worker.json")
        return cluster.process.pid if cluster else None

    def carriers(self) -> list[int]:
        """Every living process that this installation started, found by the run's id in its environment."""
        known = state.read_state(self.folder / "run")
        return [pid for pid in state.carriers(known.run_id) if Process.find(pid)] if known else []

    def said(self) -> str:
        """What the supervisor and its processes printed so far."""
        return self.screen.read_text(errors="replace") if self.screen.exists() else ""

    def stop(self) -> list[int]:
        """Stop it as a service manager does; returns the orphans: processes that were left (and are killed now)."""
        if self.boss is None:
            return []
        self.boss.send_signal(signal.SIGTERM)
        try:
            self.boss.wait(STOPPING)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ClusterError(f"It did not stop within {STOPPING:.0f} s.\n{self.said()[-2000:]}") from None
        left = self.carriers()
        self.kill()
        return left

    def kill(self) -> None:
        """SIGKILL everything of this installation."""
        if self.boss is not None:
            self.boss.kill()
            self.boss.wait()
        if known := state.read_state(self.folder / "run"):
            state.kill_run(known.run_id)
        self.boss = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
