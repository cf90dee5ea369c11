"""What a supervisor leaves on disk under var/run, so that a second one knows, and one after a crash can
clean up.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from leadpilot.lib.doorbell import RUN_ID


@dataclass(frozen=True)
class State:
    """One run: the supervisor's pid for people, the run's id for machines, and where it answers."""

    pid: int
    run_id: str
    address: str

    def write(self, folder: Path) -> None:
        """Keep it, whole or not at all."""
        beside = folder / "state.new"
        beside.write_text(json.dumps(asdict(self)))
        beside.replace(folder / "state.json")


def read_state(folder: Path) -> State | None:
    """The last run's state; None when there is none that can be read."""
    try:
        return State(**json.loads((folder / "state.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None


def take_lock(folder: Path) -> IO[str] | None:
    """The right to run here, held while the file is open; None when another supervisor has it. No pid is
    believed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = open(folder / "lock", "a")  # noqa: SIM115 - open means locked
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


def kill_run(run_id: str) -> int:
    """SIGKILL every process that carries this run's id, but for ourselves; returns how many. Linux alone
    knows them.
    """
    killed = 0
    for pid in carriers(run_id):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
            killed += 1
    return killed


def carriers(run_id: str) -> list[int]:
    """The ids of all processes with this run's id in their environment, but for our own."""
    mark = f"{RUN_ID}={run_id}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (entry / "environ").read_bytes().split(b"\0") and int(entry.name) != os.getpid():
                found.append(int(entry.name))
    return found
