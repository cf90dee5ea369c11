"""Signs of life of a worker cluster, in files that the watchdog reads.

Each worker process notes when it takes and ends a job; the process that collects results notes each one it
saw; the guard, which replaces dead workers, notes that it still looks after them. A job comes every five
seconds (the dispatcher), so silence means a wedged cluster, unless every silent worker has a job that it may
still be busy with. Times are `time.monotonic()`, one clock for all processes of a machine, untouched by clock
changes.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from leadpilot.lib import pace
from leadpilot.lib.q_settings import JOB_SECONDS, WORKERS

FOLDER = "LEADPILOT_CANARY"  # environment: where the supervisor wants the files of its clusters
SILENCE = pace.seconds("canary_silence", 30)  # six dispatches missed; it is a part of the 90 s
# Until the first job, for a first start; the watchdog waits longer for one that follows a start that came to nothing,
# since a machine too busy to start a cluster in this time would end it for ever.
STARTING = pace.seconds("canary_starting", 45)
MONITOR = "monitor"
GUARD = "guard"  # django-q2 calls it sentinel
GUARD_EVERY = SILENCE / 6  # it looks twice a second; so often it is written down

State = Literal["idle", "busy", "seen"]


@dataclass(frozen=True)
class Mark:
    """What one process noted last: a worker is `idle` or `busy`; the collector has `seen` a result, the guard workers."""

    who: str
    state: State
    at: float

    @property
    def alive(self) -> bool:
        """Whether the worker process still exists."""
        try:
            os.kill(int(self.who), 0)
        except (OSError, ValueError):
            return False
        return True


def note(folder: Path, who: str, state: State) -> None:
    """Write a mark, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / f".{who}.{os.getpid()}"
    beside.write_text(f"{state} {time.monotonic()}")
    beside.replace(folder / who)


def read(folder: Path) -> list[Mark]:
    """All marks of a cluster."""
    marks: list[Mark] = []
    for path in folder.glob("[!.]*"):
        try:
            state, at = path.read_text().split()
        except (FileNotFoundError, ValueError):
            continue
        marks.append(Mark(path.name, state, float(at)))  # type: ignore[arg-type]
    return marks


def workers_of(marks: list[Mark]) -> list[Mark]:
    """Those that take jobs."""
    return [mark for mark in marks if mark.who not in (MONITOR, GUARD)]


def trouble(marks: list[Mark], since: float, now: float, starting: float = STARTING) -> str:
    """Say why a cluster that started at `since` must be called wedged at `now`; "" while it may be well.

    `starting`: seconds that may pass until its first job.
    """
    workers = workers_of(marks)
    guarded = next((mark.at for mark in marks if mark.who == GUARD), now)
    if now - guarded > SILENCE:
        return f"nobody has looked after its workers for {now - guarded:.0f} s"
    ended = max((mark.at for mark in workers if mark.state == "idle"), default=since)
    first = since + starting - SILENCE  # what collects may still be starting, too
    collected = max((mark.at for mark in marks if mark.who == MONITOR), default=first)
    if ended > collected + SILENCE:
        return f"its results have not been collected for {ended - collected:.0f} s"
    last = max([since, *(mark.at for mark in workers)])
    at_work = sum(busy([mark], now) for mark in workers)
    if at_work < WORKERS and now - last > (SILENCE if workers else starting):
        return f"no job has started or ended for {now - last:.0f} s"
    return ""


def busy(marks: list[Mark], now: float) -> bool:
    """Whether some worker process has a job that it may rightly still be at."""
    return any(
        mark.state == "busy" and now - mark.at < JOB_SECONDS + SILENCE and mark.alive for mark in marks
    )


def busy_here() -> bool:
    """Whether a worker of any cluster on this machine is busy; False outside a supervisor."""
    root = os.environ.get(FOLDER)
    folders = Path(root).glob("*") if root else []
    return any(busy(read(folder), time.monotonic()) for folder in folders)


def cluster_folder() -> Path | None:
    """Where this process notes its life: by process group, which is the cluster's. None outside a
    supervisor.
    """
    root = os.environ.get(FOLDER)
    return Path(root) / str(os.getpgrp()) if root else None


def job_taken(**_: Any) -> None:
    """Signal receiver in a worker process."""
    _note(str(os.getpid()), "busy")


def job_ended(**_: Any) -> None:
    """Signal receiver in a worker process."""
    _note(str(os.getpid()), "idle")


def result_seen(**_: Any) -> None:
    """Signal receiver in the process that collects results."""
    _note(MONITOR, "seen")


def guard_looked() -> None:
    """Called in the process that replaces dead workers, at each of its rounds."""
    global _guarded
    if time.monotonic() - _guarded > GUARD_EVERY:
        _guarded = time.monotonic()
        _note(GUARD, "seen")


_guarded = 0.0


def _note(who: str, state: State) -> None:
    folder = cluster_folder()
    if folder:
        note(folder, who, state)
