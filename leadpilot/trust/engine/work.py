"""Counted no-op tasks: put into the queue, waited for, counted from outside."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from agent import engine
from agent.models import AgentTask, TaskStatus, TaskType
from leadpilot.orgs.models import Organization
from leadpilot.orgs.tenancy import org_context
from leadpilot.trust.engine import observed

CHUNK = 5000
OPEN = (TaskStatus.PENDING, TaskStatus.RUNNING)


@dataclass(frozen=True)
class Counted:
    """How often each of the submitted tasks was run, by the file that the runs wrote."""

    tasks: int
    once: int
    more: int
    never: int


def submit(org: Organization, number: int, **input_data: Any) -> list[UUID]:
    """Queue so many counted tasks, by the service that everything uses."""
    made: list[UUID] = []
    for begin in range(0, number, CHUNK):
        size = min(CHUNK, number - begin)
        tasks = [AgentTask(org=org, task_type=TaskType.REPORT, input_data=input_data) for _ in range(size)]
        with org_context(org.pk):
            engine.submit_many(org=org, tasks=tasks)
        made += [task.pk for task in tasks]
    return made


def is_open(org: Organization) -> bool:
    """Whether any task is still to be done."""
    with org_context(org.pk):
        return AgentTask.objects.for_org(org).filter(status__in=OPEN).exists()


def rows(org: Organization) -> Counter[tuple[str, int]]:
    """How many tasks have each status and number of attempts."""
    with org_context(org.pk):
        return Counter(AgentTask.objects.for_org(org).values_list("status", "attempts"))


def wait(org: Organization, seconds: float) -> float:
    """Wait until no task is open or the time is up; returns the seconds it took."""
    began = time.monotonic()
    while is_open(org) and time.monotonic() - began < seconds:
        time.sleep(0.2)
    return time.monotonic() - began


def count(folder: Path, submitted: list[UUID]) -> Counted:
    """Compare what was submitted with what ran."""
    runs = Counter(line[0] for line in observed.runs(folder))
    times = [runs[str(task_id)] for task_id in submitted]
    more = sum(n > 1 for n in times)
    never = sum(n == 0 for n in times)
    return Counted(len(times), len(times) - more - never, more, never)
