"""The why of a lead: what was sent and on what grounds, and the one thing in the way of the next mail."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from agent.services.why import why
from leadpilot.orgs.access import get_or_404, member_required
from leadpilot.orgs.requests import OrgRequest
from leads.models import Lead


@member_required
@require_GET
def lead_why(request: OrgRequest, pk: UUID) -> HttpResponse:
    """A fragment for the lead's page."""
    lead = get_or_404(Lead.objects.for_org(request.org), pk)
    return render(request, "agent/_lead_why.html", {"lead": lead, "why": why(lead)})
