"""What a task costs that does nothing: put into the queue, claimed, run and finished, beside a bare loop of SQL."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import connections

from agent.engine import HANDLERS, ClaimedTask, drain, submit_many
from agent.engine.registry import Registered
from agent.engine.worker import BATCH
from agent.models import AgentTask, TaskStatus, TaskType
from agent.services import control
from leadpilot.bench.figures import Figure, timed
from leadpilot.lib.ids import new_id
from leadpilot.orgs.models import Organization, User
from leadpilot.orgs.services import create_organization
from leadpilot.orgs.tenancy import org_context

HELP = "the cost of a task beside a bare claim of 50 rows"
OPTIONS = ("tasks",)
MOST_EACH = 0.6  # milliseconds a task, all in
KIND = TaskType.FIND_LEADS
_BARE = """
create temporary table bare_task (id uuid primary key, status text not null, priority int not null, due timestamptz not null,
    attempts int not null default 0, owner text not null default '', lease timestamptz);
create index on bare_task (priority desc, due) where status = 'pending'
"""
_FILL = """
insert into bare_task (id, status, priority, due)
select gen_random_uuid(), 'pending', 0, now() from generate_series(1, %s)
"""
_CLAIM = """
with due as (select id from bare_task where status = 'pending' and due <= now() order by priority desc, due
              limit %s for update skip locked)
update bare_task t set status = 'running', attempts = attempts + 1, owner = 'me', lease = now() + interval '30 s'
  from due where t.id = due.id returning t.id
"""
_FINISH = (
    "update bare_task set status = 'completed', owner = '', lease = null where id = any(%s) and owner = 'me'"
)


def add_arguments(parser: ArgumentParser) -> None:
    """How many."""
    parser.add_argument("--tasks", type=int, default=10_000)


def measure(*, tasks: int) -> Iterator[Figure]:
    """Submit, claim and finish so many tasks, then the least of it in SQL. Raises AssertionError unless each ran once."""
    org = _organization()
    ran: list[UUID] = []
    with _does_nothing(ran):
        submitted = timed(tasks, lambda: _submit(org, tasks))
        worked = timed(tasks, lambda: _work(org))
    with org_context(org.pk):
        done = (
            AgentTask.objects.for_org(org)
            .filter(task_type=KIND, status=TaskStatus.COMPLETED, attempts=1)
            .count()
        )
    assert done == tasks == len(set(ran)) == len(ran), f"{done} of {tasks} done, {len(ran)} runs"
    floor = _bare_loop(tasks)
    each = submitted.each + worked.each
    yield Figure("tasks", tasks, "done_once")
    yield Figure("task_submit", submitted.each, "ms")
    yield Figure("task_claim_run_finish", worked.each, "ms")
    yield Figure("task_cpu", submitted.cpu_each + worked.cpu_each, "ms")
    yield Figure("task_all_in", each, "ms")
    yield Figure("task_limit_bare_sql", floor, "ms")
    yield Figure("task_ratio_to_limit", floor / each, "ratio")
    yield Figure("task_target_share", each / MOST_EACH, f"of_{MOST_EACH}_ms")


def _organization() -> Organization:
    name = new_id().hex[-12:]
    owner = User.objects.create_user(f"{name}@bench.example", None, name="Bench")
    org = create_organization(name="Bench", slug=f"bench-{name}", owner=owner)
    with org_context(org.pk):
        control.start(org=org, by=owner)
    return org


@contextmanager
def _does_nothing(ran: list[UUID]) -> Iterator[None]:
    def nothing(task: ClaimedTask) -> dict[str, object]:
        ran.append(task.id)
        return {}

    before = HANDLERS.get(KIND)
    HANDLERS[KIND] = Registered(nothing, None)
    try:
        yield
    finally:
        HANDLERS.pop(KIND)
        if before is not None:
            HANDLERS[KIND] = before


def _submit(org: Organization, tasks: int) -> None:
    with org_context(org.pk):
        submit_many(org=org, tasks=[AgentTask(org=org, task_type=KIND) for _ in range(tasks)])


def _work(org: Organization) -> None:
    while drain(org.pk, seconds=60):
        pass


def _bare_loop(tasks: int) -> float:
    """Milliseconds a row of claiming by 50 and finishing, in one table without anything else."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(_BARE)
        cursor.execute(_FILL, [tasks])
        cursor.execute("set synchronous_commit = off")
        began = time.perf_counter()
        done = 0
        while True:
            cursor.execute(_CLAIM, [BATCH])
            ids = [row[0] for row in cursor.fetchall()]
            if not ids:
                break
            cursor.execute(_FINISH, [ids])
            done += len(ids)
        took = time.perf_counter() - began
        cursor.execute("reset synchronous_commit; drop table bare_task")
    assert done == tasks
    return 1000 * took / tasks
