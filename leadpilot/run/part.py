"""One long-running process under the supervisor: in its own process group, started again when it ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from leadpilot.lib import pace
from leadpilot.run.output import Log, say

FIRST_PAUSE = pace.seconds("first_pause", 1)  # between two starts, doubled each time
LONGEST_PAUSE = pace.seconds("longest_pause", 30)
STEADY = 60.0  # seconds after which a process counts as having worked
ROOT = Path(__file__).resolve().parents[2]


class Part:
    """A command, its environment, and the process that runs it now, if any."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], logs: Path) -> None:
        self.name = name
        self.command = command
        self.environment = environment
        self.logs = logs
        self.process: subprocess.Popen[bytes] | None = None
        self.started = 0.0
        self.pause = FIRST_PAUSE
        self.not_before = 0.0

    def start(self) -> None:
        """Start the process."""
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "leadpilot.run.child", str(os.getpid()), *self.command],
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C in the terminal comes to the supervisor alone
        )
        log = Log(self.logs, self.name)
        threading.Thread(target=log.follow, args=(self.process.stdout,), daemon=True).start()

    def ended(self) -> bool:
        """Whether the process is gone. Whatever it left in its group is killed before its id can be used
        again.
        """
        if self.process is None or self.process.returncode is not None:
            return True
        if os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return False
        self._kill_group()
        self.process.wait()
        return True

    def tend(self) -> bool:
        """Start it if it is not running and its pause is over; True when it was started."""
        now = time.monotonic()
        if not self.ended() or now < self.not_before:
            return False
        if self.process is not None and self.not_before < self.started:
            lived = now - self.started
            self.pause = FIRST_PAUSE if lived > STEADY else min(LONGEST_PAUSE, self.pause * 2)
            self.not_before = now + self.pause
            code = self.process.returncode
            say(f"ended after {lived:.0f} s (code {code}); starting again in {self.pause:.0f} s", self.name)
            return False
        self.start()
        return True

    def ask_to_stop(self) -> None:
        """SIGTERM to the process itself: to the whole group it would wedge django-q2."""
        if not self.ended() and self.process:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to its whole group."""
        if not self.ended() and self.process:
            self._kill_group()
            self.process.wait()

    def _kill_group(self) -> None:
        if self.process:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
