"""Research of one lead, asked for on the lead's page."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from agent.orchestrator import works_now
from agent.services.control import config_for
from agent.services.research import research_again as ask_again
from leadpilot.lib.errors import DomainError
from leadpilot.orgs.access import get_or_404, role_required
from leadpilot.orgs.requests import OrgRequest
from leads.models import Lead


@role_required("member")
@require_POST
def research_again(request: OrgRequest, pk: UUID) -> HttpResponse:
    """Put the lead into the queue for research, and go back to its page."""
    lead = get_or_404(Lead.objects.for_org(request.org), pk)
    try:
        ask_again(lead=lead, by=request.user)
    except DomainError as error:
        messages.warning(request, str(error))
    else:
        at_once = works_now(request.org, config_for(request.org))
        when = "now" if at_once else "as soon as the agent runs"
        messages.success(request, f"{lead.name} is researched again {when}.")
    return redirect("leads:lead_detail", lead.pk)
