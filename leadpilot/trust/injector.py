"""Does to the world what the plan says, and knows of each fault whether it really came about."""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from leadpilot.lib import failpoints
from leadpilot.trust.control import Helper
from leadpilot.trust.ledgerbook import Ledgerbook
from leadpilot.trust.plan import Fault
from leadpilot.trust.workers import Workers

FROZEN = 2.5  # seconds a stopped process stays so
BAIT = 3.0  # seconds between two baits for one place


@dataclass
class Injector:
    """`inject` a fault, `look` from time to time whether waiting ones have struck, `missed` at the end."""

    clusters: list[Workers]
    oracle: Helper
    proxy: Helper
    places: Path
    restart_database: Any
    log: Ledgerbook
    struck: int = 0
    recoveries: list[float] = field(default_factory=list)
    baits: dict[str, Callable[[], object]] = field(
        default_factory=dict
    )  # what brings somebody to a rare place
    armed: dict[str, deque[Fault]] = field(default_factory=dict)
    beaten: dict[int, deque[Fault]] = field(default_factory=dict)
    rules: dict[int, Fault] = field(default_factory=dict)
    answers: dict[int, Fault] = field(default_factory=dict)
    _baited: dict[str, float] = field(default_factory=dict)
    _frozen: list[tuple[float, int]] = field(default_factory=list)
    _ill: list[tuple[float, Workers]] = field(default_factory=list)

    def inject(self, fault: Fault) -> None:
        """Make it happen, or lie in wait for it to happen."""
        getattr(self, f"_{fault.kind}")(fault)

    def waiting(self) -> int:
        """How many faults lie in wait."""
        queues = [*self.armed.values(), *self.beaten.values()]
        return sum(map(len, queues)) + len(self.rules) + len(self.answers)

    def in_ambush(self) -> int:
        """How many of them wait for a mail or a query, not for a cluster to get up."""
        return self.waiting() - sum(map(len, self.beaten.values()))

    def look(self) -> None:
        """See what has struck since the last look, and which clusters work again."""
        for place, faults in self.armed.items():
            pid = failpoints.taken(self.places, place) if faults else None
            if pid is not None:
                self._strike(faults.popleft(), pid=pid)
                if faults:
                    failpoints.arm(self.places, place, faults[0].how["action"])
        for lying, helper, name in ((self.rules, self.proxy, "fired"), (self.answers, self.oracle, "used")):
            if lying:
                for number in [n for n in helper.ask(do="state")[name] if n in lying]:
                    self._strike(lying.pop(number))
        self._bait()
        self._thaw()
        self._look_at_clusters()

    def give_up(self) -> int:
        """Take back what never struck; returns how many."""
        queues = [*self.armed.values(), *self.beaten.values()]
        missed = [*self.rules.values(), *self.answers.values(), *(fault for one in queues for fault in one)]
        for fault in missed:
            self.log.add(at=time.time(), missed=fault.number, kind=fault.kind, how=fault.how)
        for place in self.armed:
            with suppress(FileNotFoundError):
                (self.places / place).unlink()
        self.proxy.ask(do="clear")
        self.oracle.ask(do="clear")
        self.armed.clear()
        self.beaten.clear()
        self.rules.clear()
        self.answers.clear()
        self._thaw(everything=True)
        return len(missed)

    def _strike(self, fault: Fault, **more: Any) -> None:
        self.struck += 1
        self.log.add(at=time.time(), fault=fault.number, kind=fault.kind, how=fault.how, **more)

    def _failpoint(self, fault: Fault) -> None:
        place = fault.how["place"]
        faults = self.armed.setdefault(place, deque())
        faults.append(fault)
        if len(faults) == 1:
            failpoints.arm(self.places, place, fault.how["action"])

    def _bait(self) -> None:
        """Bring somebody to rare places, again and again, while a fault lies in wait there."""
        now = time.monotonic()
        for place, bait in self.baits.items():
            if self.armed.get(place) and now - self._baited.get(place, 0.0) > BAIT:
                self._baited[place] = now
                bait()

    def _worker(self, fault: Fault) -> None:
        """A cluster that has not got up again is not beaten further: the fault waits for it."""
        number = fault.how["cluster"] % len(self.clusters)
        self.beaten.setdefault(number, deque()).append(fault)
        self._look_at_clusters()

    _cluster = _worker

    def _beat(self, fault: Fault, cluster: Workers) -> bool:
        how, now = fault.how, time.monotonic()
        pid = cluster.hurt(how["role"], how["signal"], how["pick"])
        if not pid:
            return False
        if how["signal"] == "STOP":
            self._frozen.append((now + FROZEN, pid))
        else:
            self._ill.append((now, cluster))
        self._strike(fault, pid=pid)
        return True

    def _smtp(self, fault: Fault) -> None:
        self._rule(fault, "smtp")

    def _imap(self, fault: Fault) -> None:
        self._rule(fault, "imap")

    def _postgres(self, fault: Fault) -> None:
        if fault.how["action"] == "cut_all":
            self._strike(fault, **self.proxy.ask(do="cut", line="postgres"))
        else:
            self._rule(fault, "postgres")

    def _rule(self, fault: Fault, line: str) -> None:
        self.proxy.ask(do="rule", id=fault.number, line=line, **fault.how)
        self.rules[fault.number] = fault

    def _oracle(self, fault: Fault) -> None:
        self.oracle.ask(do="plan", id=fault.number, **fault.how)
        self.answers[fault.number] = fault

    def _restart(self, fault: Fault) -> None:
        now = time.monotonic()
        self.restart_database()
        self._ill += [(now, cluster) for cluster in self.clusters]
        self._strike(fault)

    def _thaw(self, *, everything: bool = False) -> None:
        due = [item for item in self._frozen if everything or item[0] <= time.monotonic()]
        self._frozen = [item for item in self._frozen if item not in due]
        for _, pid in due:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def _look_at_clusters(self) -> None:
        now = time.monotonic()
        for begun, cluster in list(self._ill):
            if cluster.works_since(begun):
                self._ill.remove((begun, cluster))
                self.recoveries.append(now - begun)
        ill = [cluster for _, cluster in self._ill]
        for number, faults in self.beaten.items():
            cluster = self.clusters[number]
            if faults and cluster not in ill and self._beat(faults[0], cluster):
                faults.popleft()

    def still_ill(self) -> int:
        """How many hurt clusters have not worked since."""
        return len(self._ill)
