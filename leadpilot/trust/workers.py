"""How to hurt an installation's worker cluster: which processes it has, what each is, and a signal for one of them."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from leadpilot.lib.processes import Process
from leadpilot.trust.cluster import Cluster

ROLES = ("worker", "helper", "sentinel", "parent", "group")
_PROC = Path("/proc")


class Workers(Cluster):
    """An installation whose processes can be told apart."""

    def pids(self, role: str) -> list[int]:
        """The living processes of a role: `helper` is the queue's reader or the collector of results."""
        main = self.main_pid()
        if not main:
            return []
        if role in ("parent", "group"):
            return [main]
        sentinels = children(main)
        if role == "sentinel":
            return sentinels
        members = [pid for sentinel in sentinels for pid in children(sentinel)]
        known = {int(mark.who) for mark in self.marks() if mark.who.isdigit()}
        return sorted(pid for pid in members if (pid in known) == (role == "worker"))

    def hurt(self, role: str, how: str, pick: float) -> int:
        """Send SIG`how` to one process of a role (`pick`, 0 to 1, says which) or to the group; the pid, 0 for nobody."""
        found = self.pids(role)
        if not found:
            return 0
        pid = found[int(pick * len(found))]
        with contextlib.suppress(ProcessLookupError):
            number = signal.Signals[f"SIG{how}"]
            if role == "group":
                os.killpg(pid, number)
            else:
                os.kill(pid, number)
        return pid

    def works_since(self, moment: float) -> bool:
        """Whether a job has ended in this cluster after a moment (monotonic seconds)."""
        return any(mark.state == "idle" and mark.alive and mark.at > moment for mark in self.marks())


def children(pid: int) -> list[int]:
    """Living processes whose parent this one is."""
    found = []
    for entry in _PROC.glob("[0-9]*"):
        process = Process.find(int(entry.name))
        if process and process.parent == pid:
            found.append(process.pid)
    return sorted(found)
