"""The loop that works an organization's tasks until none is due or its time is up."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import close_old_connections, connection

from agent.engine import claims
from agent.engine.errors import LeaseLost, TaskFailed, TaskLater, TaskNeedsApproval, TaskRetry
from agent.engine.feed import Feed
from agent.engine.keeper import Keeper
from agent.engine.outcome import ask, give_up, report_lost, report_parked
from agent.engine.queue import DRAIN_JOB
from agent.engine.registry import HANDLERS, ClaimedTask
from agent.models import TaskStatus
from leadpilot.lib import clock, jobs
from leadpilot.lib.errors import Conflict, DomainError

log = logging.getLogger(__name__)
DRAIN_SECONDS = 20.0
BATCH = 50
QUICK_SECONDS = 0.25  # a batch that took no longer may be twice as large next time
INSTANT_SECONDS = (
    0.001  # what took less cannot have written anything, so finishing it may wait for its neighbours
)
PATIENCE_SECONDS = 1.0  # after this much of a batch, the rest goes back so that others can help


def drain(org_id: UUID | str, *, seconds: float | None = None) -> int:
    """Work until no task is due or the time is up, then wake another worker for the rest; returns how many were run.

    Batches start at one and grow while they are quick, so that slow tasks spread over the workers.
    """
    org_id, owner, ends = UUID(str(org_id)), claims.new_owner(), time.monotonic() + (seconds or DRAIN_SECONDS)
    report_parked(org_id, claims.reap(org_id).parked)
    ran, size, has_help = 0, 1, False
    feed = Feed(org_id, owner)
    with Keeper(org_id, owner) as keeper:
        while batch := feed.next(size):
            if len(batch) == size and not has_help:
                jobs.wake(DRAIN_JOB, org_id)
                has_help = True
            began = time.monotonic()
            ran += _work(batch, keeper, ends)
            size = min(BATCH, size * 2) if time.monotonic() - began < QUICK_SECONDS else 1
            if time.monotonic() >= ends:
                jobs.wake(DRAIN_JOB, org_id)
                break
    return ran


def _work(batch: Sequence[ClaimedTask], keeper: Keeper, ends: float) -> int:
    """Run a batch; what was done in an instant is finished together, anything longer at once."""
    patience = time.monotonic() + PATIENCE_SECONDS
    done: list[tuple[ClaimedTask, dict[str, Any] | None]] = []
    keeper.hold(batch)
    try:
        for index, task in enumerate(batch):
            began = time.monotonic()
            if index and began > min(patience, ends):
                claims.release(batch[index:])
                return index
            with suppress(_Settled):
                done.append((task, _run(task)))
            if time.monotonic() - began > INSTANT_SECONDS:
                _complete(done)
        return len(batch)
    finally:
        _complete(done)
        keeper.drop(batch)


def _complete(done: list[tuple[ClaimedTask, dict[str, Any] | None]]) -> None:
    if done:
        for lost in claims.complete(done):
            report_lost(lost)
        done.clear()


class _Settled(Exception):
    """The task ended otherwise than by being done, and that is written down."""


def _run(task: ClaimedTask) -> dict[str, Any]:
    """Run one claimed task; returns its output. What its handler raises instead is settled here (then: _Settled)."""
    mine = False
    try:
        registered = HANDLERS.get(task.task_type)
        if registered is None:
            raise TaskFailed(f"Nobody here knows how to do “{task.task_type}”.")
        return registered.run(task)
    except LeaseLost:
        pass
    except TaskLater as later:
        mine = claims.settle(
            task, TaskStatus.PENDING, error=str(later), scheduled_for=later.until, counted=False
        )
    except TaskNeedsApproval as question:
        mine = ask(task, str(question))
    except TaskRetry as again:
        mine = _failed(task, str(again), again)
    except Conflict as error:
        mine = _failed(task, str(error), TaskRetry(str(error)))
    except (TaskFailed, DomainError) as error:
        mine = give_up(task, str(error))
    except Exception as error:
        log.exception("Task %s (%s) failed", task.id, task.task_type)
        if not connection.in_atomic_block:
            close_old_connections()
        mine = _failed(task, f"{type(error).__name__}: {error}"[:500], TaskRetry(""))
    if not mine:
        report_lost(task)
    raise _Settled


def _failed(task: ClaimedTask, message: str, again: TaskRetry) -> bool:
    failures = task.failures + 1
    if failures >= task.max_failures:
        return give_up(task, f"{message} (given up after {failures} attempts)")
    due = clock.now() + timedelta(seconds=again.wait(failures))
    return claims.settle(task, TaskStatus.PENDING, error=message, scheduled_for=due, failed=True)
