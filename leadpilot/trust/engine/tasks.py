"""Many no-op tasks and two clusters: each is done once."""

from __future__ import annotations

import time

from agent.models import TaskStatus
from leadpilot.trust.engine import work
from leadpilot.trust.engine.stage import Stage

WORKERS = 8


def play(stage: Stage, *, number: int, workers: int = WORKERS) -> None:
    """`number` tasks by two clusters; says how often each ran, by the file that the runs wrote and by the rows."""
    figures = stage.figures
    with stage.play("tasks", clusters=2, workers=workers) as scene:
        scene.start()
        began = time.monotonic()
        submitted = work.submit(scene.org, number)
        work.wait(scene.org, 120 + number / 100)
        seconds = time.monotonic() - began
        rows = work.rows(scene.org)
        orphans = scene.stop()
        counted = work.count(scene.folder, submitted)
    figures.say("tasks", counted.tasks, "tasks")
    figures.exactly("tasks_done_once", counted.once, "tasks", number)
    figures.exactly("tasks_done_twice", counted.more, "tasks", 0)
    figures.exactly("tasks_undone", counted.never, "tasks", 0)
    figures.exactly("tasks_completed_at_first_claim", rows[TaskStatus.COMPLETED, 1], "rows", number)
    figures.say("tasks_seconds", seconds, "s")
    figures.exactly("tasks_orphans", orphans, "processes", 0)
