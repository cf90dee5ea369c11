"""From commit to the start of a task, through a real cluster that has nothing else to do, beside bare LISTEN and claim."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import psycopg
from django.db import connection

from agent import engine
from agent.models import TaskType
from leadpilot.bench.figures import Figure
from leadpilot.bench.importing import organization
from leadpilot.orgs.models import Organization
from leadpilot.orgs.tenancy import org_context
from leadpilot.trust import databases
from leadpilot.trust.cluster import eventually
from leadpilot.trust.engine import observed
from leadpilot.trust.engine.figures import percentile
from leadpilot.trust.engine.installation import Installation

HELP = "from commit to the start of a task, beside bare LISTEN and claim"
OPTIONS = ("samples",)
TARGET = 50  # milliseconds at p95
WORKERS = 2


def add_arguments(parser: ArgumentParser) -> None:
    """How many."""
    parser.add_argument("--samples", type=int, default=300)


def measure(*, samples: int) -> Iterator[Figure]:
    """One task after the other, each submitted to an idle cluster; in turn with the floor's."""
    urls = databases.named(databases.configured(), connection.settings_dict["NAME"])
    with tempfile.TemporaryDirectory(prefix="lp-", dir="/tmp") as name, listener(urls.owner) as floor:
        folder, org = Path(name), organization()
        environment = {"DJANGO_SETTINGS_MODULE": "leadpilot.trust.engine.settings", observed.FOLDER: name}
        with Installation(folder / "var", urls, workers=WORKERS, environment=environment) as one:
            one.wait_until_whole()
            for _ in range(10):  # connections, caches, imports
                through_cluster(org, folder)
            pairs = []
            for _ in range(samples):
                pause()
                pairs.append((through_cluster(org, folder), floor()))
            one.stop()
    ours, least = ([1000 * pair[n] for pair in pairs] for n in (0, 1))
    yield Figure("latency_samples", samples, "tasks")
    yield Figure("latency_p50", percentile(ours, 0.5), "ms")
    yield Figure("latency_p95", percentile(ours, 0.95), "ms")
    yield Figure("latency_max", max(ours), "ms")
    yield Figure("latency_floor_p50", percentile(least, 0.5), "ms")
    yield Figure("latency_floor_p95", percentile(least, 0.95), "ms")
    yield Figure("latency_target_p95", TARGET, "ms")


def pause() -> None:
    """Until the cluster is idle again, and not in step with it."""
    time.sleep(random.uniform(0.03, 0.12))


def through_cluster(org: Organization, folder: Path) -> float:
    """Seconds from just before the commit to the first line of the task's handler."""
    with org_context(org.pk):
        task = engine.submit(org=org, task_type=TaskType.REPORT)
        committed = time.monotonic()
    if not eventually(lambda: started(folder, task.pk), 60, 0.005):
        raise RuntimeError("The cluster did not start a task within a minute.")
    return (started(folder, task.pk) or 0.0) - committed


def started(folder: Path, task_id: UUID) -> float | None:
    """When a task was started (monotonic seconds), by the run's own note."""
    return next((float(at) for one, _, _, at in observed.runs(folder)[-3:] if one == str(task_id)), None)


@contextmanager
def listener(url: str) -> Iterator[Callable[[], float]]:
    """A process that only listens and claims; call what comes back for one sample: seconds from commit to claimed."""
    with psycopg.connect(url) as line:
        line.execute(
            "create table bare_wake (id bigserial primary key, taken boolean not null default false)"
        )
        line.commit()
        process = subprocess.Popen(
            [sys.executable, "-m", "leadpilot.bench.listening"],
            env={**os.environ, "BENCH_DATABASE_URL": url},
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            answers = process.stdout
            assert answers.readline() == "listening\n"

            def sample() -> float:
                line.execute("insert into bare_wake default values")
                line.execute("select pg_notify('bare_wake', '')")
                committed = time.monotonic()
                line.commit()
                return float(answers.readline()) - committed

            yield sample
        finally:
            process.kill()
            process.wait()
            line.rollback()
            line.execute("drop table bare_wake")
            line.commit()
