"""The one list of recurring jobs, and the job that starts them.

The supervisor rings the dispatcher every five seconds. Rows remember when each job was last started, over all
machines, so however often the dispatcher runs, a job runs once an interval; missed runs are not made up for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.core.checks import CheckMessage, Error
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django_q.models import Task

from leadpilot.lib import jobs, pace
from leadpilot.orgs.models import RecurringJob

DISPATCHER = "leadpilot.schedules.dispatch"
SLACK = pace.seconds("slack", 1)  # the dispatcher comes a little late or early
KEEP_FAILURES = timedelta(days=7)


@dataclass(frozen=True)
class Schedule:
    """A job without arguments and its interval in seconds."""

    job: str
    every: float


SCHEDULES: tuple[Schedule, ...] = (
    Schedule("agent.tasks.sweep", pace.seconds("task_sweep", 15)),
    Schedule("campaigns.tasks.sweep", pace.seconds("sweep", 15)),
    Schedule("campaigns.tasks.poll_inboxes", pace.seconds("poll", 20)),
    Schedule("campaigns.tasks.settle", pace.seconds("settle", 120)),
    Schedule("leads.tasks.sweep", 15),
    Schedule("leadpilot.ops.tasks.compare_sent", pace.seconds("compare", 60)),
    Schedule("leadpilot.schedules.prune", 3600),
)


def dispatch() -> None:
    """Wake every job whose interval is over. Run by a worker, so it is also the worker's sign of life."""
    start_due(SCHEDULES)


def start_due(schedules: tuple[Schedule, ...]) -> list[str]:
    """Wake the jobs of these schedules that are due, by the database's clock; returns their names."""
    started = []
    with transaction.atomic():
        names = [RecurringJob(name=name) for name in (DISPATCHER, *(s.job for s in schedules))]
        RecurringJob.objects.bulk_create(names, ignore_conflicts=True)
        RecurringJob.objects.filter(name=DISPATCHER).update(last_started_at=Now())
        for schedule in schedules:
            latest = Now() - timedelta(seconds=max(0.0, schedule.every - SLACK))
            due = Q(last_started_at=None) | Q(last_started_at__lte=latest)
            if RecurringJob.objects.filter(due, name=schedule.job).update(last_started_at=Now()):
                jobs.wake(schedule.job)
                started.append(schedule.job)
    return started


def prune() -> None:
    """Forget what the queue keeps of failed jobs after a week."""
    Task.objects.filter(stopped__lt=Now() - KEEP_FAILURES).delete()


def check_schedules(**_: Any) -> list[CheckMessage]:
    """System check: every listed job exists."""
    problems: list[CheckMessage] = []
    for schedule in SCHEDULES:
        try:
            jobs.resolve(schedule.job)
        except (jobs.UnknownJob, ImportError) as error:
            problems.append(Error(str(error), hint="See leadpilot/schedules.py.", id="leadpilot.E001"))
    return problems
