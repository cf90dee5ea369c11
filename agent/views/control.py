"""The control center: start and stop, the settings, and what the agent did with its reasons."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from agent import llm, queries
from agent.forms import ConfigForm
from agent.models import LogType
from agent.queries_tasks import open_counts
from agent.score_form import WeightsForm
from agent.services import control
from agent.status import agent_status
from leadpilot.lib.errors import DomainError
from leadpilot.lib.htmx import render_page, wants_fragment
from leadpilot.orgs.access import member_required, role_required
from leadpilot.orgs.requests import OrgRequest

TEMPLATE = "agent/control_center.html"
LOGS = 40


@member_required
@require_http_methods(["GET", "POST"])
def control_center(request: OrgRequest) -> HttpResponse:
    """The settings of the agent, its crew and its recent activity."""
    if request.method == "POST":
        return _save(request)
    form = ConfigForm(instance=control.config_for(request.org))
    return page(request, form)


@role_required("admin")
def _save(request: OrgRequest) -> HttpResponse:
    config = control.config_for(request.org)
    blank = type(config)(pk=config.pk, org=request.org, notify_slack_webhook=config.notify_slack_webhook)
    form = ConfigForm(request.POST, instance=blank)
    if form.is_valid():
        try:
            control.update_config(org=request.org, by=request.user, **form.values())
        except DomainError as error:
            form.add_error(error.field if error.field in form.fields else None, str(error))
    if form.errors:
        return page(request, form, status=422)
    messages.success(request, "Settings saved. They hold from the next action on.")
    return redirect("agent:control_center")


def page(
    request: OrgRequest, form: ConfigForm, *, weights: WeightsForm | None = None, status: int = 200
) -> HttpResponse:
    """The control center with these forms, as they were typed or as they are in force."""
    org = request.org
    config = control.config_for(org)
    counts = open_counts(org)
    context = {
        "form": form,
        "config": config,
        "weights": weights or WeightsForm(config=config),
        "crew": control.crew_of(org),
        "writer": llm.model_name() if llm.is_configured() else "",
        "may_change": request.membership.may("admin"),
        "status": agent_status(request),
        "open_tasks": counts["open"],
        "waiting_tasks": counts["awaiting_approval"],
        "failed_tasks": counts["failed"],
        **_activity(request),
    }
    return render_page(request, TEMPLATE, context, status=status)


def _activity(request: OrgRequest) -> dict[str, Any]:
    kind = request.GET.get("type", "")
    q = request.GET.get("q", "").strip()
    logs = queries.log_list(request.org, kind=kind, q=q).select_related("lead", "agent", "actor")
    return {
        "logs": Paginator(logs, LOGS).get_page(request.GET.get("page")),
        "log_types": LogType.choices,
        "type": kind,
        "q": q,
        "may_export": request.membership.may("admin"),
    }


@member_required
@require_GET
def activity(request: OrgRequest) -> HttpResponse:
    """What the agent did, newest first, with its reasons."""
    context = _activity(request)
    return render_page(request, "agent/activity.html", context, fragment="log")


@never_cache
@member_required
@require_GET
def status_bar(request: OrgRequest) -> HttpResponse:
    """The line at the top of every page, with the counters."""
    return render(request, "components/agent_status.html", {**agent_status(request), "oob": True})


@role_required("member")
@require_POST
def start(request: OrgRequest) -> HttpResponse:
    """Let the agent work."""
    control.start(org=request.org, by=request.user)
    return _switched(request, "Started. The agent looks for work now.")


@role_required("member")
@require_POST
def stop(request: OrgRequest) -> HttpResponse:
    """Stop everything of this organization, at once."""
    control.stop(org=request.org, by=request.user)
    return _switched(request, "Stopped. Nothing leaves until you press Start.")


def _switched(request: OrgRequest, said: str) -> HttpResponse:
    if wants_fragment(request):
        response = render(request, "components/agent_status.html", {**agent_status(request), "oob": True})
        response["HX-Trigger"] = json.dumps(
            {"toast": {"message": said, "tone": "success"}, "agent-switched": True}
        )
        return response
    messages.success(request, said)
    back = request.headers.get("Referer", "")
    safe = url_has_allowed_host_and_scheme(
        back, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return redirect(back if safe else "agent:control_center")
