"""The work engine on a real PostgreSQL."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, connections
from django.db.models.functions import Now
from django_q.models import OrmQ

from agent import engine
from agent.engine import claims, outcome, queue, worker
from agent.engine.registry import Registered
from agent.models import AgentLog, AgentTask, TaskStatus, TaskType
from agent.services import control
from agent.services.drafts import approve_draft
from agent.tasks import drain as drain_job
from agent.tasks import look_for_work, sweep
from agent.tests.world import make_draft, make_enrollment
from campaigns.models import Message
from leadpilot.lib import clock, jobs
from leadpilot.lib.errors import Conflict, DomainError
from leadpilot.orgs.models import Notification
from leadpilot.orgs.tenancy import org_context
from leads.models import Lead

pytestmark = pytest.mark.django_db(transaction=True)
Do = Callable[[engine.ClaimedTask], dict[str, Any]]


@pytest.fixture
def running_org(org: Any, alice: Any) -> Any:
    with org_context(org.pk):
        control.start(org=org, by=alice)
    OrmQ.objects.all().delete()
    return org


@pytest.fixture
def handler(monkeypatch: pytest.MonkeyPatch) -> Callable[[Do], None]:
    """`handler(function)` makes it the one that does `report` and `enrich_lead` tasks."""

    def use(do: Do, gave_up: Any = None) -> None:
        for kind in (TaskType.REPORT, TaskType.ENRICH_LEAD):
            monkeypatch.setitem(engine.HANDLERS, kind, Registered(do, gave_up))

    return use


@pytest.fixture
def short_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "LEASE_SECONDS", 0.3)


def submit(org: Any, **kwargs: Any) -> AgentTask:
    with org_context(org.pk):
        return engine.submit(org=org, **{"task_type": TaskType.REPORT, **kwargs})


def reread(task: AgentTask) -> AgentTask:
    with org_context(task.org_id):
        return AgentTask.objects.for_org(task.org_id).get(pk=task.pk)


def test_a_task_is_done_once_and_keeps_its_output(running_org: Any, handler: Any) -> None:
    seen: list[engine.ClaimedTask] = []
    handler(lambda task: seen.append(task) or {"answer": 42})
    task = submit(running_org, input_data={"question": "?"})

    assert engine.drain(running_org.pk) == 1
    assert engine.drain(str(running_org.pk)) == 0

    done = reread(task)
    assert (done.status, done.output_data, done.attempts) == (TaskStatus.COMPLETED, {"answer": 42}, 1)
    assert done.lease_until is None
    assert done.completed_at is not None
    assert [each.input_data for each in seen] == [{"question": "?"}]


def test_submitting_wakes_a_worker_in_the_same_transaction(running_org: Any) -> None:
    with pytest.raises(RuntimeError), org_context(running_org.pk):
        engine.submit(org=running_org, task_type=TaskType.REPORT)
        assert OrmQ.objects.count() == 1
        raise RuntimeError("rolled back")
    assert OrmQ.objects.count() == 0
    submit(running_org)
    assert OrmQ.objects.count() == 1


def test_the_same_work_is_one_open_task(running_org: Any, handler: Any) -> None:
    handler(lambda task: {})
    first = submit(running_org, dedupe_key="lead:1")
    again = submit(running_org, dedupe_key="lead:1")
    assert first.pk == again.pk
    engine.drain(running_org.pk)
    later = submit(running_org, dedupe_key="lead:1")
    assert later.pk != first.pk


def test_two_submitters_at_once_make_one_task(running_org: Any) -> None:
    found: list[Any] = []
    together = threading.Barrier(4)

    def go() -> None:
        together.wait()
        found.append(submit(running_org, dedupe_key="once").pk)
        connections.close_all()

    in_threads(4, go)
    assert len(found) == 4
    assert len(set(found)) == 1


def test_a_task_is_not_begun_before_its_time(running_org: Any, handler: Any) -> None:
    handler(lambda task: {})
    submit(running_org, scheduled_for=clock.now() + timedelta(hours=1))
    assert engine.drain(running_org.pk) == 0
    with clock.travel(timedelta(hours=2)):
        assert engine.drain(running_org.pk) == 1


def test_urgent_tasks_come_first(running_org: Any, handler: Any) -> None:
    order: list[str] = []
    handler(lambda task: order.append(task.input_data["name"]) or {})
    submit(running_org, input_data={"name": "later"})
    submit(running_org, input_data={"name": "now"}, priority=5)
    engine.drain(running_org.pk)
    assert order == ["now", "later"]


def test_an_urgent_task_is_found_within_a_second_of_a_long_queue(running_org: Any, handler: Any) -> None:
    order: list[str] = []

    def do(task: engine.ClaimedTask) -> dict[str, Any]:
        if not order:
            submit(running_org, input_data={"name": "urgent"}, priority=5)
        order.append(task.input_data.get("name", ""))
        time.sleep(0.02)
        return {}

    handler(do)
    with org_context(running_org.pk):
        long = [AgentTask(org=running_org, task_type=TaskType.REPORT) for _ in range(200)]
        engine.submit_many(org=running_org, tasks=long)
    engine.drain(running_org.pk, seconds=4)
    assert "urgent" in order
    assert order.index("urgent") < len(order) - 1


def test_a_drain_that_goes_on_from_its_place_leaves_nothing_behind(running_org: Any, handler: Any) -> None:
    """Tasks that come in earlier in the queue than the drain's place are found when it looks from the top."""
    names = iter(range(100))

    def do(task: engine.ClaimedTask) -> dict[str, Any]:
        if (number := next(names)) < 3:
            submit(running_org, scheduled_for=clock.now() - timedelta(days=number + 1))
        return {}

    handler(do)
    for _ in range(7):
        submit(running_org)
    engine.drain(running_org.pk)
    with org_context(running_org.pk):
        assert AgentTask.objects.for_org(running_org).filter(status=TaskStatus.COMPLETED).count() == 10


def test_many_threads_do_each_of_many_tasks_once(running_org: Any, handler: Any) -> None:
    counts: dict[Any, int] = {}
    guard = threading.Lock()

    def do(task: engine.ClaimedTask) -> dict[str, Any]:
        with guard:
            counts[task.id] = counts.get(task.id, 0) + 1
        return {}

    handler(do)
    with org_context(running_org.pk):
        engine.submit_many(
            org=running_org,
            tasks=[AgentTask(org=running_org, task_type=TaskType.REPORT) for _ in range(1000)],
        )
    ran: list[int] = []

    def work() -> None:
        ran.append(engine.drain(running_org.pk))
        connections.close_all()

    in_threads(6, work)
    assert sum(ran) == 1000
    assert sorted(counts.values()) == [1] * 1000
    with org_context(running_org.pk):
        assert (
            AgentTask.objects.for_org(running_org).filter(status=TaskStatus.COMPLETED, attempts=1).count()
            == 1000
        )


def test_a_long_task_keeps_its_lease(running_org: Any, handler: Any, short_lease: None) -> None:
    def slowly(task: engine.ClaimedTask) -> dict[str, Any]:
        time.sleep(1.0)
        assert claims.reap(task.org_id) == claims.Reaped([], [])
        return {"slept": True}

    handler(slowly)
    task = submit(running_org)
    engine.drain(running_org.pk)
    done = reread(task)
    assert (done.status, done.attempts) == (TaskStatus.COMPLETED, 1)


def test_a_late_result_is_dropped_and_noted(running_org: Any, handler: Any) -> None:
    """Its lease ran out, another worker finished it: what the first one found changes nothing."""

    def overtaken(task: engine.ClaimedTask) -> dict[str, Any]:
        with org_context(task.org_id):
            AgentTask.objects.for_org(task.org_id).update(lease_until=Now() - timedelta(seconds=1))
        claims.reap(task.org_id)
        other = claims.claim(task.org_id, "other", 1)[0]
        assert claims.complete([(other, {"by": "other"})]) == []
        return {"by": "first"}

    handler(overtaken)
    task = submit(running_org)
    engine.drain(running_org.pk)
    done = reread(task)
    assert (done.output_data, done.attempts) == ({"by": "other"}, 2)
    with org_context(running_org.pk):
        assert "was dropped" in AgentLog.objects.for_org(running_org).get(task=task).message


def test_writing_is_refused_once_the_lease_is_lost(running_org: Any, handler: Any) -> None:
    def overtaken(task: engine.ClaimedTask) -> dict[str, Any]:
        with org_context(task.org_id):
            AgentTask.objects.for_org(task.org_id).update(lease_owner="someone else")
        with engine.hold(task):
            raise AssertionError("held without a lease")

    handler(overtaken)
    task = submit(running_org)
    engine.drain(running_org.pk)
    assert reread(task).status == TaskStatus.RUNNING


def test_a_lease_that_ran_out_is_taken_up_again(running_org: Any, handler: Any) -> None:
    handler(lambda task: {"attempt": task.attempt})
    task = submit(running_org)
    claims.claim(running_org.pk, "dead", 1)
    assert engine.drain(running_org.pk) == 0
    expire(running_org)
    assert engine.drain(running_org.pk) == 1
    assert reread(task).output_data == {"attempt": 2}


def test_a_task_whose_worker_died_three_times_is_parked(running_org: Any, handler: Any) -> None:
    cleaned: list[str] = []
    handler(lambda task: {}, gave_up=lambda task, message: cleaned.append(message))
    task = submit(running_org)
    for _ in range(3):
        assert len(claims.claim(running_org.pk, "dead", 1)) == 1
        expire(running_org)
        outcome.report_parked(running_org.pk, claims.reap(running_org.pk).parked)
    parked = reread(task)
    assert (parked.status, parked.error_message) == (TaskStatus.FAILED, claims.PARKED)
    assert cleaned == [claims.PARKED]
    assert engine.drain(running_org.pk) == 0
    with org_context(running_org.pk):
        note = Notification.objects.for_org(running_org).get(type="task_failed")
        assert note.message == claims.PARKED
        assert AgentLog.objects.for_org(running_org).filter(task=task, log_type="error").exists()


def test_reported_failures_are_not_counted_as_deaths(running_org: Any, handler: Any) -> None:
    def fail(task: engine.ClaimedTask) -> dict[str, Any]:
        raise engine.TaskRetry("The model is busy.", 0)

    handler(fail)
    task = submit(running_org)
    for _ in range(2):
        engine_once(running_org)
    claims.claim(running_org.pk, "dead", 1)
    expire(running_org)
    assert claims.reap(running_org.pk).parked == []
    assert (reread(task).attempts, reread(task).retry_count) == (3, 2)


def test_what_was_claimed_before_is_claimed_alone(running_org: Any) -> None:
    """A killer in a batch must not make its neighbours look like killers."""
    for _ in range(5):
        submit(running_org)
    assert len(claims.claim(running_org.pk, "dead", 50)) == 5
    expire(running_org)
    claims.reap(running_org.pk)
    fresh = submit(running_org, priority=100)
    for _ in range(5):
        batch = claims.claim(running_org.pk, "next", 50)
        assert len(batch) == 1
        assert batch[0].attempt == 2
    assert [task.id for task in claims.claim(running_org.pk, "next", 50)] == [fresh.pk]


@pytest.mark.parametrize(("failures", "waits"), [(1, 60), (2, 120)])
def test_a_failure_waits_a_minute_longer_each_time(
    running_org: Any, handler: Any, failures: int, waits: int
) -> None:
    def fail(task: engine.ClaimedTask) -> dict[str, Any]:
        raise engine.TaskRetry("The site did not answer.")

    handler(fail)
    task = submit(running_org)
    travelled = timedelta()
    for _ in range(failures):
        with clock.travel(travelled):
            before = clock.now()
            engine.drain(running_org.pk)
        travelled += timedelta(minutes=10)
    waiting = reread(task)
    assert (waiting.status, waiting.retry_count) == (TaskStatus.PENDING, failures)
    assert waiting.error_message == "The site did not answer."
    assert timedelta(seconds=waits) <= waiting.scheduled_for - before < timedelta(seconds=waits + 5)


def test_rate_limits_back_off_twice_as_long_each_time() -> None:
    again = engine.TaskRetry("Too many requests", exponential=True)
    assert [again.wait(n) for n in (1, 2, 3)] == [60, 120, 240]


def test_three_failures_are_enough(running_org: Any, handler: Any) -> None:
    def fail(task: engine.ClaimedTask) -> dict[str, Any]:
        raise ValueError("Unexpected")

    handler(fail)
    task = submit(running_org)
    for hours in range(5):
        with clock.travel(timedelta(hours=hours)):
            engine.drain(running_org.pk)
    failed = reread(task)
    assert (failed.status, failed.retry_count, failed.attempts) == (TaskStatus.FAILED, 3, 3)
    assert failed.error_message == "ValueError: Unexpected (given up after 3 attempts)"


@pytest.mark.parametrize("error", [engine.TaskFailed("No website."), DomainError("No website.")])
def test_what_cannot_be_done_is_not_tried_again(running_org: Any, handler: Any, error: Exception) -> None:
    def fail(task: engine.ClaimedTask) -> dict[str, Any]:
        raise error

    handler(fail)
    task = submit(running_org)
    engine.drain(running_org.pk)
    assert (reread(task).status, reread(task).error_message) == (TaskStatus.FAILED, "No website.")


def test_a_conflict_is_tried_again(running_org: Any, handler: Any) -> None:
    def fail(task: engine.ClaimedTask) -> dict[str, Any]:
        raise Conflict("Someone was faster.")

    handler(fail)
    task = submit(running_org)
    engine.drain(running_org.pk)
    assert (reread(task).status, reread(task).retry_count) == (TaskStatus.PENDING, 1)


def test_an_unknown_kind_fails_with_a_sentence(running_org: Any) -> None:
    task = submit(running_org, task_type=TaskType.FIND_LEADS)
    engine.drain(running_org.pk)
    assert "Nobody here knows" in reread(task).error_message


def test_putting_off_costs_no_attempt(running_org: Any, handler: Any) -> None:
    until = clock.now() + timedelta(hours=3)

    def later(task: engine.ClaimedTask) -> dict[str, Any]:
        raise engine.TaskLater(until, "It is night.")

    handler(later)
    task = submit(running_org)
    engine.drain(running_org.pk)
    waiting = reread(task)
    assert (waiting.status, waiting.attempts, waiting.retry_count) == (TaskStatus.PENDING, 0, 0)
    assert (waiting.scheduled_for, waiting.error_message) == (until, "It is night.")


def test_a_question_waits_for_a_person(running_org: Any, handler: Any) -> None:
    def ask(task: engine.ClaimedTask) -> dict[str, Any]:
        raise engine.TaskNeedsApproval("May I?")

    handler(ask)
    task = submit(running_org)
    engine.drain(running_org.pk)
    assert reread(task).status == TaskStatus.AWAITING_APPROVAL
    assert engine.drain(running_org.pk) == 0


def test_nothing_that_acts_is_claimed_while_stopped(running_org: Any, alice: Any, handler: Any) -> None:
    handler(lambda task: {})
    acting = submit(running_org, task_type=TaskType.ENRICH_LEAD)
    quiet = submit(running_org, task_type=TaskType.REPORT)
    with org_context(running_org.pk):
        control.stop(org=running_org, by=alice)
    assert engine.drain(running_org.pk) == 1
    assert reread(acting).status == TaskStatus.PENDING
    assert reread(quiet).status == TaskStatus.COMPLETED
    with org_context(running_org.pk):
        control.start(org=running_org, by=alice)
    assert engine.drain(running_org.pk) == 1


def test_a_running_handler_is_stopped_before_its_next_step(
    running_org: Any, alice: Any, handler: Any
) -> None:
    steps: list[str] = []

    def do(task: engine.ClaimedTask) -> dict[str, Any]:
        with engine.hold(task):
            steps.append("first")
        with org_context(task.org_id):
            control.stop(org=running_org, by=alice)
        with engine.hold(task):
            steps.append("second")
        return {}

    handler(do)
    task = submit(running_org, task_type=TaskType.ENRICH_LEAD)
    engine.drain(running_org.pk)
    assert steps == ["first"]
    assert (reread(task).status, reread(task).attempts) == (TaskStatus.PENDING, 0)


def test_long_work_is_told_of_stop_within_seconds(running_org: Any, alice: Any, handler: Any) -> None:
    waited: list[float] = []

    def do(task: engine.ClaimedTask) -> dict[str, Any]:
        assert task.still_wanted()
        with org_context(task.org_id):
            control.stop(org=running_org, by=alice)
        began = time.monotonic()
        assert task.stopping.wait(10)
        waited.append(time.monotonic() - began)
        with engine.hold(task):
            raise AssertionError("went on after Stop")

    handler(do)
    task = submit(running_org, task_type=TaskType.ENRICH_LEAD)
    engine.drain(running_org.pk)
    assert waited[0] < 3
    assert reread(task).status == TaskStatus.PENDING


def test_long_work_is_told_of_a_lost_lease(running_org: Any, handler: Any, short_lease: None) -> None:
    def do(task: engine.ClaimedTask) -> dict[str, Any]:
        with org_context(task.org_id):
            AgentTask.objects.for_org(task.org_id).update(lease_owner="someone else")
        assert task.stopping.wait(5)
        return {}

    handler(do)
    task = submit(running_org)
    engine.drain(running_org.pk)
    assert reread(task).lease_owner == "someone else"


def test_a_keeper_that_loses_the_database_for_a_moment_goes_on(
    running_org: Any, handler: Any, short_lease: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    renew, failures = claims.renew, iter([True])

    def unsteady(*args: Any) -> Any:
        if next(failures, False):
            raise OperationalError("the connection is gone")
        return renew(*args)

    monkeypatch.setattr(claims, "renew", unsteady)
    handler(lambda task: time.sleep(0.8) or {})
    task = submit(running_org)
    engine.drain(running_org.pk)
    assert reread(task).status == TaskStatus.COMPLETED
    assert next(failures, None) is None


def test_work_that_ended_just_before_is_submitted_anew(
    running_org: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It did not see what we want done, so its key does not stand for our work."""
    first, put = submit(running_org, dedupe_key="x"), queue.submit_many

    def ends_meanwhile(**kwargs: Any) -> None:
        put(**kwargs)
        AgentTask.objects.for_org(running_org).filter(pk=first.pk).update(status=TaskStatus.COMPLETED)

    monkeypatch.setattr(queue, "submit_many", ends_meanwhile)
    assert submit(running_org, dedupe_key="x").pk != first.pk


def test_a_failure_that_comes_too_late_changes_nothing(running_org: Any, handler: Any) -> None:
    def overtaken(task: engine.ClaimedTask) -> dict[str, Any]:
        with org_context(task.org_id):
            AgentTask.objects.for_org(task.org_id).update(lease_owner="someone else")
        raise engine.TaskFailed("Too late.")

    handler(overtaken)
    task = submit(running_org)
    engine.drain(running_org.pk)
    assert (reread(task).status, reread(task).error_message) == (TaskStatus.RUNNING, "")


def test_people_who_want_no_word_of_errors_get_none(running_org: Any, alice: Any, handler: Any) -> None:
    def fail(task: engine.ClaimedTask) -> dict[str, Any]:
        raise engine.TaskFailed("No.")

    handler(fail, gave_up=lambda task, message: 1 / 0)
    with org_context(running_org.pk):
        control.update_config(org=running_org, by=alice, notify_on_error=False)
    task = submit(running_org)
    engine.drain(running_org.pk)
    assert reread(task).status == TaskStatus.FAILED
    with org_context(running_org.pk):
        assert not Notification.objects.for_org(running_org).exists()
        assert AgentLog.objects.for_org(running_org).filter(task=task, log_type="error").exists()


def test_an_unexpected_error_inside_a_transaction_is_settled_too(running_org: Any, handler: Any) -> None:
    def fail(task: engine.ClaimedTask) -> dict[str, Any]:
        raise ValueError("Unexpected")

    handler(fail)
    with org_context(running_org.pk):
        task = engine.submit(org=running_org, task_type=TaskType.REPORT)
        engine.drain(running_org.pk)
        assert reread(task).retry_count == 1


def test_the_rest_of_a_slow_batch_goes_back_for_others(
    running_org: Any, handler: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "PATIENCE_SECONDS", 0.05)
    handler(lambda task: time.sleep(0.1) or {})
    for _ in range(4):
        submit(running_org)
    batch = claims.claim(running_org.pk, "me", 4)
    with worker.Keeper(running_org.pk, "me") as keeper:
        assert worker._work(batch, keeper, time.monotonic() + 60) == 1
    with org_context(running_org.pk):
        states = AgentTask.objects.for_org(running_org).values_list("status", "attempts")
        assert sorted(states) == [("completed", 1), *[("pending", 0)] * 3]


def test_a_drain_that_runs_out_of_time_wakes_another(running_org: Any, handler: Any) -> None:
    handler(lambda task: time.sleep(0.05) or {})
    for _ in range(20):
        submit(running_org)
    OrmQ.objects.all().delete()
    ran = engine.drain(running_org.pk, seconds=0.2)
    assert 0 < ran < 20
    assert OrmQ.objects.filter(payload__contains="agent.tasks.drain").count() == 1


def test_a_flood_of_one_organization_does_not_keep_another_waiting(
    running_org: Any, other_org: Any, handler: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "DRAIN_SECONDS", 0.3)
    handler(lambda task: time.sleep(0.05) or {})
    with org_context(running_org.pk):
        flood = [AgentTask(org=running_org, task_type=TaskType.REPORT) for _ in range(200)]
        engine.submit_many(org=running_org, tasks=flood)
    theirs = submit(other_org)
    assert jobs.run_pending(limit=2) == 2
    assert reread(theirs).status == TaskStatus.COMPLETED
    with org_context(running_org.pk):
        assert AgentTask.objects.for_org(running_org).filter(status=TaskStatus.PENDING).count() > 150


def test_a_wake_up_that_comes_five_times_does_the_work_once(running_org: Any, handler: Any) -> None:
    done: list[Any] = []
    handler(lambda task: done.append(task.id) or {})
    task = submit(running_org)
    for _ in range(5):
        drain_job(str(running_org.pk))
    assert done == [task.pk]


def test_the_sweeper_finds_work_whose_wake_up_was_lost(
    running_org: Any, other_org: Any, handler: Any
) -> None:
    handler(lambda task: {})
    submit(running_org)
    submit(other_org, task_type=TaskType.ENRICH_LEAD)  # its agent was never started
    OrmQ.objects.all().delete()
    sweep()
    rung = " ".join(OrmQ.objects.values_list("payload", flat=True))
    assert f'agent.tasks.drain","args":["{running_org.pk}' in rung
    assert f'agent.tasks.look_for_work","args":["{running_org.pk}' in rung
    assert str(other_org.pk) not in rung


def test_the_sweeper_finds_leases_that_ran_out(running_org: Any) -> None:
    submit(running_org)
    claims.claim(running_org.pk, "dead", 1)
    OrmQ.objects.all().delete()
    expire(running_org)
    sweep()
    assert OrmQ.objects.filter(payload__contains="agent.tasks.drain").exists()


def test_the_sweeper_settles_what_people_sent_without_the_agent(org: Any, alice: Any) -> None:
    with org_context(org.pk):
        draft = make_draft(make_enrollment(org))
        approve_draft(draft=draft, version=1, by=alice)
        Message.objects.for_org(org).update(status="sent", sent_at=clock.now(), raw=b"x")
    OrmQ.objects.all().delete()
    sweep()
    look_for_work(org.pk)
    with org_context(org.pk):
        draft.refresh_from_db()
    assert draft.status == "sent"
    assert OrmQ.objects.filter(payload__contains="look_for_work").count() == 1
    OrmQ.objects.all().delete()
    sweep()
    assert not OrmQ.objects.filter(payload__contains="look_for_work").exists()


def test_another_organizations_tasks_are_out_of_reach(running_org: Any, other_org: Any, handler: Any) -> None:
    handler(lambda task: {})
    theirs = submit(other_org)
    assert engine.drain(running_org.pk) == 0
    assert claims.claim(running_org.pk, "me", 10) == []
    assert reread(theirs).status == TaskStatus.PENDING


def test_no_transaction_is_open_while_a_handler_runs(running_org: Any, handler: Any) -> None:
    handler(lambda task: {"open": connection.in_atomic_block})
    task = submit(running_org)
    engine.drain(running_org.pk)
    assert reread(task).output_data == {"open": False}


def test_holding_a_task_confines_to_its_organization(running_org: Any, other_org: Any, handler: Any) -> None:
    with org_context(other_org.pk):
        Lead.objects.create(org=other_org, name="Their Lead", email="lead@their.example")

    def count(task: engine.ClaimedTask) -> dict[str, Any]:
        with engine.hold(task):
            return {"leads": Lead.objects.count()}

    handler(count)
    task = submit(running_org)
    engine.drain(running_org.pk)
    assert reread(task).output_data == {"leads": 0}


def expire(org: Any) -> None:
    with org_context(org.pk):
        AgentTask.objects.for_org(org).filter(status="running").update(
            lease_until=Now() - timedelta(seconds=1)
        )


def engine_once(org: Any) -> None:
    worker._work(claims.claim(org.pk, "me", 1), worker.Keeper(org.pk, "me"), time.monotonic() + 5)


def in_threads(number: int, do: Callable[[], None]) -> None:
    threads = [threading.Thread(target=do) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)


def test_a_question_that_comes_too_late_is_not_asked(running_org: Any) -> None:
    with org_context(running_org.pk):
        engine.submit(org=running_org, task_type=TaskType.REPORT)
    [task] = claims.claim(running_org.pk, "me", 1)
    with org_context(running_org.pk):
        AgentTask.objects.for_org(running_org).filter(pk=task.id).update(lease_owner="another")
    assert not outcome.ask(task, "Really?")
    with org_context(running_org.pk):
        assert AgentTask.objects.get(pk=task.id).status == TaskStatus.RUNNING
        assert not Notification.objects.for_org(running_org).exists()
