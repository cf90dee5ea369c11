"""The agent's tasks: what waits, runs, failed or is done, with its reason; and what a person can do about each."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from agent.models import AgentTask, TaskType
from agent.queries_tasks import VIEWS, open_counts, task_list_of
from agent.services import tasks
from leadpilot.lib.errors import DomainError
from leadpilot.lib.htmx import render_page, wants_fragment
from leadpilot.orgs.access import get_or_404, member_required, role_required
from leadpilot.orgs.requests import OrgRequest

TEMPLATE = "agent/task_list.html"
PAGE = 40


@member_required
@require_GET
def task_list(request: OrgRequest) -> HttpResponse:
    """Tasks by status, with a filter by kind and lead."""
    return _page(request)


def _asked(request: OrgRequest) -> dict[str, str]:
    status, kind = request.GET.get("status", ""), request.GET.get("type", "")
    return {
        "status": status if status in VIEWS else "open",
        "kind": kind if kind in TaskType.values else "",
        "q": request.GET.get("q", "").strip(),
    }


def _page(request: OrgRequest, *, error: str = "", status: int = 200) -> HttpResponse:
    asked, counts = _asked(request), open_counts(request.org)
    found = task_list_of(request.org, **asked)
    query = {"status": asked["status"], "type": asked["kind"], "q": asked["q"]}
    query = {name: value for name, value in query.items() if value and (name, value) != ("status", "open")}
    page = Paginator(found, PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "asked": asked,
        "query": urlencode({**query, "page": page.number} if page.number > 1 else query),
        "views": [(value, view.label, counts.get(value)) for value, view in VIEWS.items()],
        "kinds": TaskType.choices,
        "error": error,
        "may_act": request.membership.may("member"),
    }
    return render_page(request, TEMPLATE, context, fragment="tasks", status=status)


def _task(request: OrgRequest, pk: UUID) -> AgentTask:
    return get_or_404(AgentTask.objects.for_org(request.org).select_related("org", "lead", "campaign"), pk)


@role_required("member")
@require_POST
def task_approve(request: OrgRequest, pk: UUID) -> HttpResponse:
    """Let a task that waits for a person go on."""
    task = _task(request, pk)
    return _act(request, lambda: tasks.approve_task(task=task, by=request.user), "Approved. It goes on now.")


@role_required("member")
@require_POST
def task_reject(request: OrgRequest, pk: UUID) -> HttpResponse:
    """Refuse a task that waits for a person, with a reason."""
    task, reason = _task(request, pk), request.POST.get("reason", "")[:1000]
    return _act(
        request,
        lambda: tasks.reject_task(task=task, by=request.user, reason=reason),
        "Refused. It will not be done.",
    )


@role_required("member")
@require_POST
def task_cancel(request: OrgRequest, pk: UUID) -> HttpResponse:
    """Take a task that has not begun out of the queue."""
    task = _task(request, pk)
    return _act(request, lambda: tasks.cancel_task(task=task, by=request.user), "Cancelled.")


@role_required("member")
@require_POST
def task_retry(request: OrgRequest, pk: UUID) -> HttpResponse:
    """Try a failed task anew."""
    task = _task(request, pk)
    return _act(request, lambda: tasks.retry_task(task=task, by=request.user), "It is tried again now.")


def _act(request: OrgRequest, act: Callable[[], Any], said: str) -> HttpResponse:
    try:
        act()
    except DomainError as error:
        return _page(request, error=str(error), status=422)
    return _done(request, said)


@role_required("member")
@require_POST
def task_bulk(request: OrgRequest) -> HttpResponse:
    """Approve the ticked tasks; each on its own."""
    wanted = {pk for text in request.POST.getlist("ids") if (pk := _uuid(text))}
    rows = AgentTask.objects.for_org(request.org).select_related("org", "lead", "campaign")
    chosen = list(rows.filter(pk__in=wanted))
    if not chosen or len(chosen) < len(request.POST.getlist("ids")):
        return _page(request, error="Nothing was approved: tick the tasks and try again.", status=422)
    failed = []
    for task in chosen:
        try:
            tasks.approve_task(task=task, by=request.user)
        except DomainError as error:
            failed.append(f"{task.lead.name if task.lead else task.get_task_type_display()}: {error}")
    if failed:
        said = f"{len(chosen) - len(failed)} of {len(chosen)} approved. {' '.join(failed[:5])}"
        return _done(request, said, tone="warning")
    return _done(request, f"{len(chosen)} approved.")


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _done(request: OrgRequest, said: str, tone: str = "success") -> HttpResponse:
    if not wants_fragment(request):
        getattr(messages, tone)(request, said)
        query = request.GET.urlencode()
        return redirect(f"{reverse('agent:task_list')}{'?' if query else ''}{query}")
    response = _page(request)
    response["HX-Trigger"] = json.dumps({"toast": {"message": said, "tone": tone}})
    return response
