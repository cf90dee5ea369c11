"""An installation whose processes can be told apart, in full strength or not."""

from __future__ import annotations

from pathlib import Path

from leadpilot.lib import canary
from leadpilot.lib.processes import Process
from leadpilot.trust.cluster import STARTING, Cluster, ClusterError, eventually
from leadpilot.trust.engine import observed

ROLES = ("main", "sentinel", "worker", "monitor", "pusher", "watchdog", "stray")


class Installation(Cluster):
    """A cluster that notes its roles, because its environment asks it to (`observed`)."""

    def wait_until_whole(self, seconds: float = STARTING) -> None:
        """Return when every process of the cluster is there and a result was collected. Raises ClusterError."""
        if not eventually(self.is_whole, seconds, 0.1):
            said = self.said()[-2000:]
            raise ClusterError(f"No whole cluster within {seconds:.0f} s: {self.family()}\n{said}")

    def is_whole(self) -> bool:
        """Whether it has all its workers, one collector and one reader of the queue, and has worked."""
        found = self.family()
        wanted = {"worker": int(self.environment["LEADPILOT_WORKERS"]), "monitor": 1, "pusher": 1}
        return {role: len(found[role]) for role in wanted} == wanted and self.collected_since(0)

    def collected_since(self, moment: float) -> bool:
        """Whether a result was collected after a moment (monotonic seconds)."""
        return any(mark.who == canary.MONITOR and mark.at > moment for mark in self.marks())

    def family(self) -> dict[str, list[int]]:
        """The living processes by role (ROLES).

        `stray` carry the run's id, yet belong neither to the worker cluster that runs now nor to the supervisor.
        """
        main, boss = self.main_pid(), self.boss.pid if self.boss else 0
        living = [process for pid in self.carriers() if (process := Process.find(pid))]
        sentinels = {process.pid for process in living if process.parent == main}
        found: dict[str, list[int]] = {role: [] for role in ROLES}
        for process in living:
            found[self._role(process, main, boss, sentinels)].append(process.pid)
        return found

    def _role(self, process: Process, main: int | None, boss: int, sentinels: set[int]) -> str:
        if process.pid == main:
            return "main"
        if process.pid in sentinels:
            return "sentinel"
        if process.parent in sentinels:
            return observed.role_of(Path(self.environment[observed.FOLDER]), process.pid) or "pusher"
        return "watchdog" if process.parent == boss else "stray"
