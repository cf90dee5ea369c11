"""Restarts a worker cluster that is alive but does nothing: `python -m leadpilot.run.watchdog`. A process of
its own.

It only ends the cluster; the supervisor starts it again.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg

from leadpilot import postgres
from leadpilot.lib import canary, pace
from leadpilot.lib.processes import Process
from leadpilot.run.output import say

EVERY = pace.seconds("watch", 5)
GRACE = pace.seconds("watch_grace", 5)  # between asking and killing


@dataclass(frozen=True)
class Cluster:
    """A worker cluster: its main process, which leads the process group, and when it started (monotonic
    seconds).
    """

    process: Process
    since: float

    @classmethod
    def read(cls, file: Path) -> Cluster | None:
        """The cluster that the supervisor noted; None when that very process does not run any more."""
        try:
            noted = json.loads(file.read_text())
            process = Process.find(noted["pid"])
        except (OSError, ValueError, KeyError):
            return None
        return cls(process, noted["since"]) if process and process.started == noted["started"] else None


def note_cluster(file: Path, pid: int) -> None:
    """Tell the watchdog about a cluster that was just started."""
    process = Process.find(pid)
    if process:
        beside = file.with_suffix(".new")
        beside.write_text(json.dumps({"pid": pid, "started": process.started, "since": time.monotonic()}))
        beside.replace(file)


@dataclass
class Watchdog:
    """Looks at one cluster after the other; knows how many in a row were ended before they had done anything."""

    file: Path
    canaries: Path
    fruitless: int = 0

    def look(self, database: str) -> str:
        """Look once; ends the cluster if it is wedged, and says why. "" when nothing had to be done."""
        cluster = Cluster.read(self.file)
        if cluster is None:
            return ""
        marks = canary.read(self.canaries / str(cluster.process.pid))
        has_worked = bool(canary.workers_of(marks))
        why = canary.trouble(marks, cluster.since, time.monotonic(), self.starting())
        if why and not _answers(database):
            return ""  # without a database no worker can do anything, and a new one could not either
        if why:
            end(cluster.process)
        if why or has_worked:
            self.fruitless = 0 if has_worked else self.fruitless + 1
        return why

    def starting(self) -> float:
        """Seconds that a start may take now: twice as long after each that came to nothing, up to eight times."""
        return canary.STARTING * (1 << min(self.fruitless, 3))


def end(process: Process) -> None:
    """Ask the main process first (SIGTERM to all would wedge django-q2), kill the group after the grace."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    while process.alive() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.kill(group=True)


def _answers(database: str) -> bool:
    try:
        psycopg.connect(database, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def database_url() -> str:
    """The application's connection URL: from the environment, else of the private server."""
    named = os.environ.get("DATABASE_URL")
    if named:
        return named
    private = postgres.urls(postgres.default_home())
    return private.app if private else ""


def main(file: str, canaries: str) -> None:
    """Look every five seconds, for ever."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    watchdog = Watchdog(Path(file), Path(canaries))
    while True:
        why = watchdog.look(database_url())
        if why:
            say(f"restarted the worker: {why}")
        time.sleep(EVERY)


if __name__ == "__main__":
    main(*sys.argv[1:3])
