"""`manage.py trust engine`: the scenes, their sizes, and what they stand on."""

from __future__ import annotations

import shutil
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from leadpilot.postgres import layout
from leadpilot.trust import databases
from leadpilot.trust.engine import faults, kills, mail, tasks
from leadpilot.trust.engine.figures import Figures
from leadpilot.trust.engine.stage import QUICK, Stage

HELP = "Kill, flood and rob real worker clusters; prints `name value unit`, exits with 1 when a promise is broken."


@dataclass(frozen=True)
class Sizes:
    """How much of everything. The full form is TRUST's: 100,000 tasks, 10,000 messages, 100 idle workers."""

    tasks: int
    messages: int
    kills: int
    others: int
    bays: int
    seed: int


Scene = Callable[[Stage, databases.Server, Sizes], None]
SCENES: dict[str, Scene] = {
    "tasks": lambda stage, _, sizes: tasks.play(stage, number=sizes.tasks),
    "messages": lambda stage, _, sizes: mail.play(stage, number=sizes.messages),
    "caps": lambda stage, _, sizes: mail.caps(stage, number=max(200, sizes.messages // 10)),
    "faults": lambda stage, _, sizes: faults.play(stage),
    "restart": lambda stage, server, sizes: faults.restart(
        stage, server=server, number=max(200, sizes.messages // 10)
    ),
    "kills": lambda stage, _, sizes: kills.play(
        stage, kills=sizes.kills, others=sizes.others, seed=sizes.seed, bays=sizes.bays
    ),
}


def add_arguments(parser: ArgumentParser) -> None:
    """The sizes; without any it takes some minutes."""
    parser.add_argument("--tasks", type=int, default=5000)
    parser.add_argument("--messages", type=int, default=500)
    parser.add_argument("--kills", type=int, default=10, help="idle workers to be killed")
    parser.add_argument("--others", type=int, default=1, help="how often each other process is hit")
    parser.add_argument("--bays", type=int, default=2, help="installations side by side for the kills")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=list(SCENES), default=list(SCENES))
    parser.add_argument("--quick", action="store_true", help="short leases and waits instead of production's")


def run(out: TextIO, options: dict[str, Any]) -> int:
    """Play what is asked, one scene after the other; returns the exit code."""
    names = ("tasks", "messages", "kills", "others", "bays", "seed")
    sizes, figures = Sizes(*(options[name] for name in names)), Figures(out)
    began, pace = time.monotonic(), QUICK if options["quick"] else {}
    with ground() as (folder, server, template):
        for name in options["only"]:
            SCENES[name](Stage(folder, template, figures, pace), server, sizes)
    figures.say("seconds", time.monotonic() - began, "s")
    for sentence in figures.broken:
        figures.note(f"broken: {sentence}")
    return 1 if figures.broken else 0


@contextmanager
def ground() -> Iterator[tuple[Path, databases.Server, Any]]:
    """A folder, a PostgreSQL of its own, and a migrated database to copy; nothing of it stays."""
    folder = Path(tempfile.mkdtemp(prefix="lp-", dir="/tmp"))
    folder.chmod(0o755)  # the database's account has to come in
    server = databases.Server(folder)
    try:
        template = server.start()
        databases.migrate(template)
        yield folder, server, template
    finally:
        server.stop()
        shutil.rmtree(layout.locate(server.home).cluster.resolve(), ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
