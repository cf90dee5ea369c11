"""Named places where a test may have this process die, break or wait.

`LEADPILOT_FAILPOINTS="smtp.after_dot=kill@2;ledger.before_finish=sleep:3"` is read only when
`LEADPILOT_FAULT_TESTS=1` is set too. Actions: `kill` (SIGKILL), `exit`, `raise`, `sleep:SECONDS`; `@N` means the N-th
time it is passed (the first when missing; `@*` every time). Otherwise a place costs one look at an empty dictionary.

For processes that run already there is `LEADPILOT_FAILPOINTS_AT=FOLDER`, under the same condition: a file named like a
place holds an action, and whoever passes first takes it (renames it, so exactly one does) and acts.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path


class FailpointHit(RuntimeError):
    """What the action `raise` raises."""


@dataclass
class Fault:
    """One planned fault and how often its place was passed."""

    action: str
    at: int = 1
    passed: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def due(self) -> bool:
        """Count this passing; True when it is the one. `at` 0 means every one."""
        with self.lock:
            self.passed += 1
            return self.at in (0, self.passed)


def parse(text: str) -> dict[str, Fault]:
    """The plan as places and faults. Raises ValueError for an unknown action."""
    plan: dict[str, Fault] = {}
    for entry in filter(None, (part.strip() for part in text.split(";"))):
        name, _, what = entry.partition("=")
        action, _, at = what.partition("@")
        if action.partition(":")[0] not in ("kill", "exit", "raise", "sleep"):
            raise ValueError(f"The failpoint {name} has no such action: {action}")
        plan[name] = Fault(action, 0 if at == "*" else int(at or 1))
    return plan


def _from_environment() -> dict[str, Fault]:
    if os.environ.get("LEADPILOT_FAULT_TESTS") != "1":
        return {}
    return parse(os.environ.get("LEADPILOT_FAILPOINTS", ""))


def _folder_from_environment() -> Path | None:
    folder = os.environ.get("LEADPILOT_FAILPOINTS_AT", "")
    return Path(folder) if folder and os.environ.get("LEADPILOT_FAULT_TESTS") == "1" else None


_plan = _from_environment()
_folder = _folder_from_environment()


def hit(name: str) -> None:
    """Pass the place called `name`; nothing happens unless a test planned a fault there."""
    if not _plan and _folder is None:
        return
    fault = _plan.get(name)
    if fault is not None and fault.due():
        _act(name, fault.action)
    if _folder is not None:
        action = _take(_folder, name)
        if action:
            _act(name, action)


def arm(folder: Path, name: str, action: str) -> None:
    """Leave an action for the first process that passes `name`. Raises ValueError for an unknown action."""
    parse(f"{name}={action}")
    beside = folder / f".{name}"
    beside.write_text(action)
    beside.rename(folder / name)


def taken(folder: Path, name: str) -> int | None:
    """The process that took what was armed at `name`, and forget it; None while nobody passed."""
    for path in folder.glob(f"{name}.taken-*"):
        path.unlink()
        return int(path.name.rpartition("-")[2])
    return None


def _take(folder: Path, name: str) -> str:
    try:
        action = (folder / name).read_text()
        (folder / name).rename(folder / f"{name}.taken-{os.getpid()}")
    except OSError:
        return ""
    return action


def _act(name: str, action: str) -> None:
    verb, _, argument = action.partition(":")
    if verb == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif verb == "exit":
        os._exit(1)
    elif verb == "sleep":
        time.sleep(float(argument or 1))
    else:
        raise FailpointHit(name)


def plan(text: str) -> None:
    """Replace the plan, for tests in this process; an empty text removes it."""
    _plan.clear()
    _plan.update(parse(text))
