"""Waking the workers. A wake-up carries ids alone; losing or repeating one changes nothing but the delay
(DESIGN 1).
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from functools import cache
from typing import Any, cast
from uuid import UUID

from django.db import connections, router
from django_q.models import OrmQ

from leadpilot.lib import doorbell, logs
from leadpilot.lib.q_settings import Q_CLUSTER

_JOB = re.compile(r"((?:leads|campaigns|agent|leadpilot(?:\.\w+)*)\.(?:tasks|schedules))\.([a-z]\w*)")


class UnknownJob(LookupError):
    """The name is not a function of one of our `tasks` modules."""


def wake(job: str, *args: UUID | str | int, using: str | None = None) -> None:
    """Have a worker call `job("<app>.tasks.<function>")` with these ids soon after the transaction commits.

    UUIDs arrive as strings. The same wake-up waiting already serves for both. Raises UnknownJob for a wrong
    name and TypeError for anything that is not an id.
    """
    resolve(job)
    ids = tuple(_plain(arg) for arg in args)
    with connections[using or router.db_for_write(OrmQ)].cursor() as cursor:
        doorbell.ring(cursor, job, ids)


@cache
def resolve(job: str) -> Callable[..., Any]:
    """The function behind a name. Only one defined in our own `tasks` (or `schedules`) modules will do."""
    match = _JOB.fullmatch(job)
    if not match:
        raise UnknownJob(f"{job!r} does not look like <app>.tasks.<function>.")
    try:
        found = getattr(importlib.import_module(match[1]), match[2], None)
    except ModuleNotFoundError as error:
        if error.name and not match[1].startswith(error.name):
            raise
        found = None
    if not callable(found) or found.__module__ != match[1]:
        raise UnknownJob(f"There is no function {match[2]} in {match[1]}.")
    return cast("Callable[..., Any]", found)


def run_pending(limit: int = 100, using: str | None = None) -> int:
    """Answer waiting wake-ups in this process until none is left or `limit` ran; returns how many. For tests
    and shells.
    """
    connection = connections[using or router.db_for_write(OrmQ)]
    for done in range(limit):
        with connection.cursor() as cursor:
            taken = doorbell.claim(cursor, float(Q_CLUSTER["retry"]))  # type: ignore[arg-type]
            if taken is None:
                return done
            doorbell.finish(cursor, taken.id)
        resolve(taken.job)(*taken.args)
    return limit


def keep_no_secrets(task: dict[str, Any], **kwargs: Any) -> None:
    """Receiver of `post_execute_in_worker`: django-q2 keeps a failed job's traceback in a table of its own."""
    if not task.get("success"):
        task["result"] = logs.clean(str(task.get("result", "")))


def _plain(arg: Any) -> str | int:
    if isinstance(arg, UUID):
        return str(arg)
    if isinstance(arg, str | int) and not isinstance(arg, bool):
        return arg
    raise TypeError(f"A wake-up carries ids, not {type(arg).__name__}.")
