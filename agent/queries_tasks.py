"""What the page of tasks reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q, QuerySet

from agent.models import AgentTask, TaskStatus


@dataclass(frozen=True)
class TaskView:
    """A tab of the page: which tasks it has, in which order, and whether their number is shown."""

    label: str
    statuses: tuple[TaskStatus, ...]
    order: tuple[str, ...] = ("-pk",)  # ids are in the order of time
    counted: bool = False


VIEWS = {
    "open": TaskView(
        "Open",
        (TaskStatus.RUNNING, TaskStatus.PENDING),
        ("-status", "-priority", "scheduled_for", "pk"),
        True,
    ),
    "awaiting_approval": TaskView("Waiting for you", (TaskStatus.AWAITING_APPROVAL,), ("pk",), True),
    "failed": TaskView("Failed", (TaskStatus.FAILED,), counted=True),
    "completed": TaskView("Done", (TaskStatus.COMPLETED,)),
    "cancelled": TaskView("Cancelled", (TaskStatus.CANCELLED,)),
}


def task_list_of(org: Any, *, status: str = "open", kind: str = "", q: str = "") -> QuerySet[AgentTask]:
    """The tasks of a view: running ones first, then as they are taken; what is over, newest first."""
    view = VIEWS[status]
    rows = AgentTask.objects.for_org(org).filter(status__in=view.statuses)
    if kind:
        rows = rows.filter(task_type=kind)
    if q:
        rows = rows.filter(
            Q(lead__name__icontains=q) | Q(lead__email__icontains=q) | Q(lead__company__icontains=q)
        )
    related = ("lead", "campaign", "agent", "approved_by", "inbox_message")
    return rows.select_related(*related).order_by(*view.order)


def open_counts(org: Any) -> dict[str, int]:
    """How many tasks the counted views have."""
    counted = {name: view.statuses for name, view in VIEWS.items() if view.counted}
    wanted = [status for statuses in counted.values() for status in statuses]
    rows = AgentTask.objects.for_org(org).filter(status__in=wanted).order_by()
    by_status = dict(rows.values_list("status").annotate(Count("pk")))
    return {name: sum(by_status.get(status, 0) for status in statuses) for name, statuses in counted.items()}
