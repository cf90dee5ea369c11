"""What processes of an observed cluster leave in a folder: one line a run and a delivery, one file a known role.

A line is one write to a file opened with O_APPEND: whole, however many processes write and whenever they are killed.
"""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent.engine import ClaimedTask

FOLDER = "LEADPILOT_TRUST_ENGINE"  # environment: where to write; without it nothing is observed
DONE, DELIVERED, ROLES = "done", "delivered", "roles"

_handles: dict[tuple[int, str], int] = {}


def do(task: ClaimedTask) -> dict[str, Any]:
    """The counted handler: note that this task ran; a `deadly` one kills its worker, `sleep` takes these seconds."""
    _append(DONE, f"{task.id} {task.attempt} {os.getpid()} {time.monotonic():.6f}")
    if task.input_data.get("deadly"):
        os.kill(os.getpid(), signal.SIGKILL)
    if "sleep" in task.input_data:
        time.sleep(float(task.input_data["sleep"]))
    return {}


def worker_spawned(**_: Any) -> None:
    """Signal receiver in a new worker process."""
    _note_role("worker")


def result_collected(**_: Any) -> None:
    """Signal receiver in the process that collects results."""
    _note_role("monitor")


def job_delivered(task: dict[str, Any], **_: Any) -> None:
    """Signal receiver in a worker process that begins a job."""
    _append(DELIVERED, f"{json.dumps([task['func'], *task['args']])} {os.getpid()} {time.monotonic():.6f}")


def runs(folder: Path) -> list[list[str]]:
    """Every run of the counted handler: task, attempt, process, time (monotonic seconds)."""
    return _lines(folder, DONE)


def deliveries(folder: Path, job: str) -> int:
    """How often a job was begun."""
    return sum(f'"{job}"' in line[0] for line in _lines(folder, DELIVERED))


def role_of(folder: Path, pid: int) -> str:
    """What a process was seen to be; "" when it was not."""
    try:
        return (folder / ROLES / str(pid)).read_text()
    except FileNotFoundError:
        return ""


def _lines(folder: Path, name: str) -> list[list[str]]:
    try:
        return [line.split() for line in (folder / name).read_text().splitlines()]
    except FileNotFoundError:
        return []


def _folder() -> Path:
    return Path(os.environ[FOLDER])


def _append(name: str, line: str) -> None:
    key = (os.getpid(), name)
    if key not in _handles:
        _handles[key] = os.open(_folder() / name, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o644)
    os.write(_handles[key], line.encode() + b"\n")


def _note_role(role: str) -> None:
    path = _folder() / ROLES / str(os.getpid())
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        path.write_text(role)
