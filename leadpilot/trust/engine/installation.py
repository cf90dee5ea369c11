"""One machine's installation, seen more closely: who is who in it, what it leaves behind."""

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
from leadpilot.run import state
from leadpilot.trust import databases
from leadpilot.trust.cluster import Cluster
from leadpilot.trust.control import ROOT
from leadpilot.trust.engine import observed

STARTING = 90.0  # seconds that a start may take on a busy machine
STOPPING = 60.0


class Trouble(RuntimeError):
    """An installation that did not start, stop or do its work."""


def eventually(true: Callable[[], object], seconds: float, pause: float = 0.02) -> bool:
    """Wait until something is so; False when it is not after these seconds."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True


class Installation(Cluster):
    """`with Installation(folder, urls, workers=8, environment={…}) as one: one.wait_until_ready()`. Ends with its maker."""

    def __init__(self, folder: Path, urls: Urls, *, workers: int, environment: Mapping[str, str]) -> None:
        known = {name: value for name, value in os.environ.items() if name != "TEST_DATABASE_NAME"}
        ours = {
            **databases.environment(urls),
            "LEADPILOT_WORKERS": str(workers),
            "LEADPILOT_SANDBOX": "false",
        }
        super().__init__(folder, {**known, **ours, **environment})
        self.workers = workers

    def start(self) -> None:
        """Start the supervisor; the kernel ends it when this process ends, however that comes about."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if (settings.VAR / "secrets").exists():  # what one process encrypts, the other has to read
            shutil.copytree(settings.VAR / "secrets", self.folder / "secrets", dirs_exist_ok=True)
        child = [sys.executable, "-m", "leadpilot.run.child", str(os.getpid())]
        with (self.folder / "supervisor.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*child, sys.executable, "-m", "leadpilot.run", "worker"],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait_until_ready(self, seconds: float = STARTING) -> None:
        """Return when every process of the cluster is there and a job's result was collected. Raises Trouble."""
        if not eventually(self.is_whole, seconds, 0.1):
            raise Trouble(f"No whole cluster within {seconds:.0f} s: {self.family()}\n{self.said()[-2000:]}")

    def is_whole(self) -> bool:
        """Whether it has all its workers, one collector and one reader of the queue, and has worked."""
        found = self.family()
        sizes = {role: len(found[role]) for role in ("worker", "monitor", "pusher")}
        return sizes == {"worker": self.workers, "monitor": 1, "pusher": 1} and self.collected_since(0)

    def collected_since(self, moment: float) -> bool:
        """Whether a result was collected after a moment (monotonic seconds)."""
        return any(mark.who == canary.MONITOR and mark.at > moment for mark in self.marks())

    def family(self) -> dict[str, list[int]]:
        """The processes that run now by role: main, sentinel, worker, monitor, pusher, watchdog, stray.

        `stray` carry the run's id, yet belong neither to this cluster nor to its supervisor.
        """
        main, boss = self.main(), self.process.pid if self.process else 0
        living = [process for pid in self.carriers() if (process := Process.find(pid))]
        sentinels = {process.pid for process in living if process.parent == main}
        roles = ("main", "sentinel", "worker", "monitor", "pusher", "watchdog", "stray")
        found: dict[str, list[int]] = {role: [] for role in roles}
        for process in living:
            found[self._role(process, main, boss, sentinels)].append(process.pid)
        return found

    def _role(self, process: Process, main: int, boss: int, sentinels: set[int]) -> str:
        if process.pid == main:
            return "main"
        if process.pid in sentinels:
            return "sentinel"
        if process.parent in sentinels:
            return observed.role_of(Path(self.environment[observed.FOLDER]), process.pid) or "pusher"
        return "watchdog" if process.parent == boss else "stray"

    def carriers(self) -> list[int]:
        """Every process that this installation started, found by the run's id in its environment."""
        known = state.read_state(self.folder / "run")
        return state.carriers(known.run_id) if known else []

    def said(self) -> str:
        """What the supervisor and its processes printed so far."""
        log = self.folder / "supervisor.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def stop_counting(self) -> int:
        """Stop in good order; returns how many processes were left (and are killed now). Raises Trouble."""
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOPPING)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Trouble(f"It did not stop within {STOPPING:.0f} s.\n{self.said()[-2000:]}") from None
        left = [pid for pid in self.carriers() if Process.find(pid)]
        self.kill()
        return len(left)

    def kill(self) -> None:
        """SIGKILL everything of this installation."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        if known := state.read_state(self.folder / "run"):
            state.kill_run(known.run_id)
        self.process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
