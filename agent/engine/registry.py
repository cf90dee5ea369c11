"""Which function does which kind of task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event
from typing import Any
from uuid import UUID

from agent.models import TaskType

# What goes on while the organization is stopped: reading what came in. It reaches nobody, and an opt-out must count.
QUIET_TYPES = (TaskType.CLASSIFY_REPLY, TaskType.CHECK_INBOX, TaskType.REPORT)


@dataclass(frozen=True)
class ClaimedTask:
    """What a handler gets. `attempt` counts claims, `failures` reported failures, both as they were at the claim.

    `stopping` is set within about a second of Stop, or when the lease is lost: long work looks at it on its way.
    """

    id: UUID
    org_id: UUID
    task_type: str
    lead_id: UUID | None
    campaign_id: UUID | None
    message_id: UUID | None
    inbox_message_id: UUID | None
    agent_id: UUID | None
    approved_by_id: UUID | None
    attempt: int
    failures: int
    max_failures: int
    owner: str
    input_data: dict[str, Any] = field(default_factory=dict)
    priority: int = 0
    scheduled_for: datetime | None = None
    stopping: Event = field(default_factory=Event, compare=False, repr=False)

    def still_wanted(self) -> bool:
        """False once what this task is doing should end."""
        return not self.stopping.is_set()

    @property
    def acts(self) -> bool:
        """Whether Stop stops it."""
        return self.task_type not in QUIET_TYPES


Handler = Callable[[ClaimedTask], dict[str, Any]]
GaveUp = Callable[[ClaimedTask, str], None]


@dataclass(frozen=True)
class Registered:
    """A handler, and what to do in the same transaction when its task is given up."""

    run: Handler
    gave_up: GaveUp | None


HANDLERS: dict[str, Registered] = {}


def handles(task_type: TaskType, *, gave_up: GaveUp | None = None) -> Callable[[Handler], Handler]:
    """Make a function the handler of a kind of task. It runs outside a transaction and returns the task's output."""

    def register(run: Handler) -> Handler:
        HANDLERS[task_type] = Registered(run, gave_up)
        return run

    return register
