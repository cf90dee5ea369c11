"""The queue: ringing in a transaction, claiming once, hearing at commit; and the recurring jobs that use it."""

from __future__ import annotations

import logging
import statistics
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.core.checks import run_checks
from django.db import connection, transaction
from django.db.models.functions import Now
from django_q.models import OrmQ
from django_q.signing import SignedPackage
from django_q.tasks import async_task

from leadpilot import schedules
from leadpilot.lib import broker, doorbell, jobs
from leadpilot.lib.q_settings import Q_CLUSTER
from leadpilot.orgs.models import RecurringJob
from leadpilot.run import ticker
from leadpilot.schedules import Schedule
from leadpilot.tests import tasks

JOB = "leadpilot.tests.tasks.remember"


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    tasks.REMEMBERED.clear()
    yield
    tasks.REMEMBERED.clear()


@pytest.fixture
def committed(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The test database without a transaction around the test; only the queue's own tables are used and emptied."""
    with django_db_blocker.unblock():
        yield
        OrmQ.objects.all().delete()
        RecurringJob.objects.all().delete()
        connection.close()


@pytest.fixture
def line(committed: None) -> Iterator[psycopg.Connection]:
    """A second connection to the test database, as another process has one."""
    asked = connection.get_connection_params()
    known = {name: asked[name] for name in ("dbname", "user", "password", "host", "port") if asked.get(name)}
    with psycopg.connect(**known, autocommit=True) as other:
        yield other


@pytest.fixture
def queue(committed: None) -> Iterator[broker.PostgresBroker]:
    made = broker.PostgresBroker()
    yield made
    made._hang_up()


def waiting() -> int:
    return OrmQ.objects.filter(lock__lte=Now()).count()


# Waking


@pytest.mark.django_db
def test_a_wake_up_calls_the_job_with_its_ids() -> None:
    who = uuid.uuid4()
    jobs.wake(JOB, who, 7)
    assert jobs.run_pending() == 1
    assert [(str(who), 7)] == tasks.REMEMBERED
    assert OrmQ.objects.count() == 0


@pytest.mark.django_db
def test_a_storm_of_equal_wake_ups_makes_one_row() -> None:
    for _ in range(50):
        jobs.wake(JOB, "a")
    jobs.wake(JOB, "b")
    assert OrmQ.objects.count() == 2


@pytest.mark.django_db
def test_jobs_come_in_the_order_they_were_woken() -> None:
    for n in (3, 1, 2):
        jobs.wake(JOB, n)
    jobs.run_pending()
    assert tasks.REMEMBERED == [(3,), (1,), (2,)]


@pytest.mark.django_db
def test_a_wake_up_is_rolled_back_with_its_work() -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        jobs.wake(JOB, "gone")
        raise ZeroDivisionError
    assert OrmQ.objects.count() == 0


def test_nobody_sees_a_wake_up_before_its_work_is_committed(line: psycopg.Connection) -> None:
    with transaction.atomic():
        jobs.wake(JOB, "a")
        assert doorbell.claim(line.cursor(), 60) is None
    assert doorbell.claim(line.cursor(), 60).args == ("a",)


def test_a_waiting_wake_up_that_serves_for_two_is_not_taken_before_the_second_commits(
    line: psycopg.Connection,
) -> None:
    """Else the worker would run before the second one's work is there, and nobody would ring again."""
    jobs.wake(JOB, "a")
    with transaction.atomic():
        jobs.wake(JOB, "a")
        assert doorbell.claim(line.cursor(), 60) is None
    assert doorbell.claim(line.cursor(), 60) is not None
    assert doorbell.claim(line.cursor(), 60) is None


def test_two_that_wake_the_same_job_do_not_wait_for_each_other(line: psycopg.Connection) -> None:
    jobs.wake(JOB, "a")
    with transaction.atomic():
        jobs.wake(JOB, "a")
        line.execute("set statement_timeout = '2s'")
        doorbell.ring(line.cursor(), JOB, ("a",))
    assert waiting() == 2
    assert doorbell.claim(line.cursor(), 60) is not None
    assert OrmQ.objects.count() == 1  # the twin was served by the same claim


def test_a_wake_up_while_the_job_runs_is_kept(line: psycopg.Connection) -> None:
    jobs.wake(JOB, "a")
    doorbell.claim(line.cursor(), 60)
    jobs.wake(JOB, "a")
    assert waiting() == 1


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "leadpilot.lib.jobs.wake",
        "leadpilot.tests.tasks",
        "leadpilot.tests.tasks.missing",
        "leadpilot.tests.tasks.datetime",
        "leadpilot.tests.tasks.remember.__call__",
        "leadpilot.nowhere.tasks.run",
        "leadpilot.tests.tasks._hidden",
        "agent.services.tasks.claim",
        "",
    ],
)
def test_only_functions_of_our_own_tasks_can_be_woken(name: str) -> None:
    with pytest.raises(jobs.UnknownJob):
        jobs.wake(name)


@pytest.mark.parametrize("argument", [None, 1.5, True, {"id": 1}, ["x"], b"x"])
def test_only_ids_travel(argument: object) -> None:
    with pytest.raises(TypeError, match="carries ids"):
        jobs.wake(JOB, argument)


# Claiming


def test_two_workers_never_get_the_same_wake_up(line: psycopg.Connection) -> None:
    for n in range(20):
        jobs.wake(JOB, n)
    with connection.cursor() as mine:
        taken = [doorbell.claim(cursor, 60).args[0] for _ in range(10) for cursor in (mine, line.cursor())]
    assert sorted(taken) == list(range(20))


def test_a_wake_up_that_is_never_finished_comes_back_and_is_parked_at_last(line: psycopg.Connection) -> None:
    jobs.wake(JOB, "kills its worker")
    jobs.wake(JOB, "harmless")
    attempts = []
    for _ in range(doorbell.MAX_ATTEMPTS):
        taken = doorbell.claim(line.cursor(), 0)
        attempts.append((taken.args[0], taken.attempt))
    assert attempts == [("kills its worker", n) for n in (1, 2, 3)]
    assert doorbell.claim(line.cursor(), 60).args == ("harmless",)
    assert doorbell.claim(line.cursor(), 60) is None
    assert OrmQ.objects.count() == 2  # the parked one stays as evidence


def test_what_a_dead_cluster_had_taken_is_free_at_once(line: psycopg.Connection) -> None:
    for n in range(3):
        jobs.wake(JOB, n)
    taken = [doorbell.claim(line.cursor(), 600, doorbell.cluster_name("run", group)) for group in (7, 77, 8)]
    assert [ring.args[0] for ring in taken] == [0, 1, 2]
    assert doorbell.release(line.cursor(), doorbell.cluster_name("run", 7)) == 1
    again = doorbell.claim(line.cursor(), 600, doorbell.cluster_name("run", 9))
    assert (again.args, again.attempt) == ((0,), 2)
    assert doorbell.release(line.cursor(), doorbell.cluster_name("other")) == 0
    assert doorbell.release(line.cursor(), doorbell.cluster_name("run")) == 3


def test_parked_and_waiting_wake_ups_are_not_released(line: psycopg.Connection) -> None:
    jobs.wake(JOB, "bad")
    for _ in range(doorbell.MAX_ATTEMPTS + 1):
        doorbell.claim(line.cursor(), 0, "run:1:")
    jobs.wake(JOB, "waits")
    assert doorbell.release(line.cursor(), "run:") == 0


def test_a_finished_wake_up_is_gone(line: psycopg.Connection) -> None:
    jobs.wake(JOB, 1)
    doorbell.finish(line.cursor(), doorbell.claim(line.cursor(), 60).id)
    assert OrmQ.objects.count() == 0


# The broker


def test_the_broker_hands_django_q_a_signed_package(queue: broker.PostgresBroker) -> None:
    jobs.wake(JOB, 5)
    [(row, package)] = queue.dequeue()
    task = SignedPackage.loads(package)
    assert (task["func"], task["args"], task["ack_failure"]) == (JOB, (5,), True)
    assert (queue.queue_size(), queue.lock_size()) == (0, 1)
    queue.acknowledge(row)
    assert OrmQ.objects.count() == 0


def test_the_broker_hears_a_wake_up_within_milliseconds(queue: broker.PostgresBroker) -> None:
    queue._listening()
    heard: dict[int, float] = {}

    def listen() -> None:
        while len(heard) < 20:
            for _, package in queue.dequeue() or []:
                heard[SignedPackage.loads(package)["args"][0]] = time.monotonic()

    listener = threading.Thread(target=listen)
    listener.start()
    rung = {}
    for n in range(20):
        time.sleep(0.02)
        jobs.wake(JOB, n)
        rung[n] = time.monotonic()
    listener.join(timeout=30)
    assert (
        statistics.median(heard[n] - rung[n] for n in rung) < 0.05
    )  # 2 ms on a quiet machine; polling takes 500


def test_an_empty_queue_is_waited_for_without_spinning(queue: broker.PostgresBroker) -> None:
    began = time.monotonic()
    assert queue.dequeue() is None
    assert 0.8 < time.monotonic() - began < 5


def test_a_name_that_is_no_job_is_dropped_and_said(
    queue: broker.PostgresBroker, caplog: pytest.LogCaptureFixture
) -> None:
    with connection.cursor() as cursor:
        doorbell.ring(cursor, "os.system", ("true",))
    with caplog.at_level(logging.ERROR, logger=broker.__name__):
        assert queue.dequeue() is None
    assert OrmQ.objects.count() == 0


def test_pickled_tasks_are_not_taken(queue: broker.PostgresBroker) -> None:
    with pytest.raises(NotImplementedError):
        async_task("os.getcwd", broker=queue)


def test_a_cut_connection_is_opened_again(queue: broker.PostgresBroker, line: psycopg.Connection) -> None:
    jobs.wake(JOB, 1)
    pid = queue._listening().info.backend_pid
    line.execute("select pg_terminate_backend(%s)", [pid])
    time.sleep(0.2)
    assert queue.dequeue() is None
    assert queue.dequeue() is not None


def test_a_finished_job_is_removed_over_a_new_connection_when_the_old_was_cut(
    queue: broker.PostgresBroker, line: psycopg.Connection
) -> None:
    jobs.wake(JOB, 1)
    [(row, _)] = queue.dequeue()
    line.execute("select pg_terminate_backend(%s)", [queue._listening().info.backend_pid])
    time.sleep(0.2)
    queue.acknowledge(row)
    assert OrmQ.objects.count() == 0


def test_a_connection_of_another_process_is_not_used(queue: broker.PostgresBroker) -> None:
    before = queue._listening()
    queue._pid = 1
    assert queue._listening() is not before
    before.close()


def test_purging_empties_the_queue(queue: broker.PostgresBroker) -> None:
    for n in range(3):
        jobs.wake(JOB, n)
    assert queue.purge_queue() == 3
    assert OrmQ.objects.count() == 0


def test_the_limits_of_django_q_hold_together() -> None:
    assert Q_CLUSTER["retry"] > 2 * Q_CLUSTER["timeout"]
    assert Q_CLUSTER["queue_limit"] == Q_CLUSTER["workers"]
    assert (Q_CLUSTER["save_limit"], Q_CLUSTER["catch_up"], Q_CLUSTER["bulk"]) == (-1, False, 1)


# Recurring jobs


@pytest.mark.django_db
def test_a_recurring_job_is_started_once_an_interval() -> None:
    plan = (Schedule(JOB, 60),)
    assert schedules.start_due(plan) == [JOB]
    assert schedules.start_due(plan) == []
    RecurringJob.objects.filter(name=JOB).update(last_started_at=Now() - timedelta(seconds=61))
    assert schedules.start_due(plan) == [JOB]


@pytest.mark.django_db
def test_a_day_of_missed_runs_is_made_up_for_by_one() -> None:
    plan = (Schedule(JOB, 60),)
    schedules.start_due(plan)
    RecurringJob.objects.filter(name=JOB).update(last_started_at=Now() - timedelta(days=1))
    schedules.start_due(plan)
    assert schedules.start_due(plan) == []
    assert jobs.run_pending() == 1


@pytest.mark.django_db
def test_the_dispatcher_leaves_a_sign_of_life() -> None:
    schedules.dispatch()
    assert RecurringJob.objects.get(name=schedules.DISPATCHER).last_started_at is not None


def test_every_listed_job_exists() -> None:
    assert [problem for problem in run_checks() if problem.id == "leadpilot.E001"] == []


def test_a_listed_job_that_does_not_exist_fails_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedules, "SCHEDULES", (Schedule("leads.tasks.no_such_job", 5),))
    assert [problem.id for problem in schedules.check_schedules()] == ["leadpilot.E001"]


def test_the_ticker_rings_the_dispatcher(line: psycopg.Connection) -> None:
    assert ticker.DISPATCHER == schedules.DISPATCHER
    info = line.info
    url = f"postgresql://{info.user}:{info.password}@/{info.dbname}?host={info.host}&port={info.port}"
    bell = ticker.Ticker(url, every=0.05)
    bell.start()
    deadline = time.monotonic() + 10
    while not OrmQ.objects.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    bell.stopped.set()
    bell.join(timeout=5)
    assert OrmQ.objects.count() == 1  # however often it rang
    assert jobs.run_pending() >= 1
    assert RecurringJob.objects.filter(name=schedules.DISPATCHER).exists()


def test_the_ticker_waits_for_a_database_that_is_away(capsys: pytest.CaptureFixture[str]) -> None:
    bell = ticker.Ticker("postgresql://nobody@/nothing?host=/nonexistent")
    assert bell.tick() is False
    assert bell.tick() is False
    assert capsys.readouterr().out.count("cannot ring the workers") == 1
