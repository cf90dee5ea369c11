"""Processes of an idle cluster killed, one after the other: how long until a fresh task is done (TRUST F2)."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from leadpilot.lib import canary
from leadpilot.lib.processes import Process
from leadpilot.trust.cluster import ClusterError, eventually
from leadpilot.trust.engine import bay, observed, work
from leadpilot.trust.engine.figures import Figures, percentile
from leadpilot.trust.engine.installation import Installation
from leadpilot.trust.engine.stage import Play, Stage

PROMISED = 90.0  # seconds
PATIENCE = 180.0  # then it is called dead
WEDGED = 20.0  # seconds after which only the watchdog can have helped
FRESH = 5  # tasks, one a second from the kill on: what dies a moment later is seen, too
QUIET = 0.3  # seconds without a job in which a cluster counts as idle
# Who is hit, and how; `all` is what a service manager does when it stops a unit.
VICTIMS = {
    "worker": ("worker", signal.SIGKILL),
    "parent": ("main", signal.SIGKILL),
    "monitor": ("monitor", signal.SIGKILL),
    "pusher": ("pusher", signal.SIGKILL),
    "sentinel": ("sentinel", signal.SIGKILL),
    "hung_sentinel": (
        "sentinel",
        signal.SIGSTOP,
    ),  # as when a worker dies with its timer's lock: nobody is replaced
    "group": ("group", signal.SIGKILL),
    "term_parent": ("main", signal.SIGTERM),
    "term_group": ("group", signal.SIGTERM),
    "term_all": ("all", signal.SIGTERM),
}


@dataclass
class Found:
    """What one installation went through: seconds until it worked again by victim, and what was left or lost."""

    recoveries: list[tuple[str, float]] = field(default_factory=list)
    stops: list[float] = field(default_factory=list)
    dead: int = 0
    orphans: int = 0
    tasks: int = 0
    lost: int = 0
    twice: int = 0

    def add(self, other: dict[str, Any]) -> None:
        """Take in what another process found."""
        for name, value in other.items():
            setattr(self, name, getattr(self, name) + value)


def sequence(kills: int, others: int, seed: int) -> list[str]:
    """`kills` idle workers and each other victim `others` times, shuffled."""
    rng = random.Random(seed)
    asked = ["worker"] * kills + [name for name in VICTIMS if name != "worker"] * others
    rng.shuffle(asked)
    return asked


def play_one(stage: Stage, *, name: str, victims: Sequence[str], seed: int, workers: int = 2) -> Found:
    """One installation, one victim after the other."""
    found, rng = Found(), random.Random(seed)
    with stage.play(name, clusters=1, workers=workers) as scene:
        scene.start()
        submitted = []
        for victim in victims:
            submitted += _trial(scene, victim, rng, found)
        work.wait(scene.org, PATIENCE)
        found.orphans += scene.stop()
        counted = work.count(scene.folder, submitted)
    found.tasks, found.lost, found.twice = counted.tasks, counted.never, counted.more
    return found


def _trial(scene: Play, victim: str, rng: random.Random, found: Found) -> list[Any]:
    one = scene.clusters[0]
    one.wait_until_whole(PATIENCE)
    eventually(lambda: _is_idle(one), 30)
    role, number = VICTIMS[victim]
    hung = one.main_pid() if number == signal.SIGSTOP else None
    began = time.monotonic()
    if role == "all":
        found.stops.append(_stop_as_service_managers_do(one, found))
        began = time.monotonic()
        one.start()
    else:
        _strike(one, role, number, rng)
    submitted = {}
    for _ in range(FRESH):
        submitted[work.submit(scene.org, 1)[0]] = time.monotonic()
        time.sleep(1)
    found.recoveries.append((victim, _recovered(scene, submitted, began, victim, found, hung)))
    one.wait_until_whole(PATIENCE)
    found.orphans += len(one.family()["stray"])
    return list(submitted)


def _recovered(
    scene: Play, submitted: dict[Any, float], began: float, victim: str, found: Found, hung: int | None
) -> float:
    """The longest that a fresh task waited to be done, a result to be collected, and a `hung` cluster to be replaced.

    Raises ClusterError.
    """
    one = scene.clusters[0]

    def works() -> bool:
        replaced = hung is None or one.main_pid() not in (None, hung)
        return replaced and not work.is_open(scene.org) and one.collected_since(began)

    if not eventually(works, PATIENCE, 0.05):
        found.dead += 1
        raise ClusterError(f"Dead after {victim}: {one.family()}\n{one.said()[-2000:]}")
    collected = min(mark.at for mark in one.marks() if mark.who == canary.MONITOR) - began
    ran: dict[str, float] = {}
    for task_id, _, _, at in observed.runs(scene.folder):
        ran.setdefault(task_id, float(at))
    waits = [ran[str(task_id)] - at for task_id, at in submitted.items()]
    return max(*waits, time.monotonic() - began if hung or collected > FRESH else 0.0)


def _is_idle(one: Installation) -> bool:
    marks = one.marks()
    quiet = time.monotonic() - max((mark.at for mark in marks), default=0) > QUIET
    return quiet and not any(mark.state == "busy" for mark in marks)


def _strike(one: Installation, role: str, number: int, rng: random.Random) -> None:
    family = one.family()
    with contextlib.suppress(ProcessLookupError):
        if role == "group":
            os.killpg(family["main"][0], number)
        else:
            os.kill(rng.choice(family[role]), number)


def _stop_as_service_managers_do(one: Installation, found: Found) -> float:
    """SIGTERM to the supervisor and all it started at once; returns the seconds until none of them lived."""
    assert one.boss is not None, "it was started"
    pids, began = [one.boss.pid, *one.carriers()], time.monotonic()
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    eventually(lambda: one.boss is None or one.boss.poll() is not None, 60)
    took = time.monotonic() - began
    found.orphans += sum(Process.find(pid) is not None for pid in pids)
    one.kill()
    return took


def tell(figures: Figures, found: Found) -> None:
    """The figures of all installations together."""
    seconds = [took for _, took in found.recoveries]
    for victim in VICTIMS:
        times = [took for name, took in found.recoveries if name == victim]
        if times:
            figures.say(f"kills_{victim}", len(times), "kills")
            figures.say(f"recovery_max_{victim}", max(times), "s")
    figures.say("wedged", sum(took > WEDGED for took in seconds), "kills")
    figures.say("recovery_p50", percentile(seconds, 0.5), "s")
    figures.at_most("recovery_p99", percentile(seconds, 0.99), "s", PROMISED)
    figures.at_most("recovery_max", max(seconds, default=0.0), "s", PROMISED)
    figures.exactly("recovery_never", found.dead, "kills", 0)
    if found.stops:
        figures.at_most("stop_max", max(found.stops), "s", PROMISED)
    figures.exactly("recovery_tasks_lost", found.lost, "tasks", 0)
    figures.say("recovery_tasks_run_again", found.twice, "tasks")  # begun by a process that was killed
    figures.exactly("recovery_orphans", found.orphans, "processes", 0)


def as_json(found: Found) -> dict[str, Any]:
    """What a bay hands back."""
    return asdict(found)


def play(stage: Stage, *, kills: int, others: int, seed: int, bays: int = 1) -> None:
    """All on one installation in this process, or shared by `bays` installations side by side."""
    victims = sequence(kills, others, seed)
    if bays == 1:
        tell(stage.figures, play_one(stage, name="kills", victims=victims, seed=seed))
        return
    asked = {"folder": str(stage.folder), "pace": dict(stage.pace)}
    processes = [
        bay.spawn(
            {**asked, "name": f"bay{n}", "victims": victims[n::bays], "seed": seed + n},
            stage.folder / f"bay{n}.log",
            stage.template,
        )
        for n in range(bays)
    ]
    found = Found()
    answers = bay.answers(processes)
    for answer in answers:
        found.add(answer)
    found.dead += bays - len(answers)
    tell(stage.figures, found)
