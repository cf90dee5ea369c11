"""Leads in campaigns: take in, pause, go on, remove; and the fragment for a lead's page."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from campaigns import listings
from campaigns.models import Campaign, Enrollment, StopReason
from campaigns.services import enrollment as services
from leadpilot.lib.errors import DomainError
from leadpilot.orgs.access import get_or_404, member_required, role_required
from leadpilot.orgs.requests import OrgRequest
from leads.models import Lead


@role_required("member")
@require_POST
def enroll(request: OrgRequest, pk: UUID) -> HttpResponse:
    """Take a lead (`lead`) into this campaign."""
    campaign = get_or_404(Campaign.objects.for_org(request.org), pk)
    chosen = listings.uuid_or_empty(request.POST.get("lead", ""))
    lead = Lead.objects.for_org(request.org).filter(pk=chosen).first() if chosen else None
    if lead is None:
        messages.error(request, "lead: choose one from the list.")
        return _back(pk)
    try:
        services.enroll(campaign=campaign, lead=lead, by=request.user)
        messages.success(request, f"{lead.name} is in. The agent writes the mails.")
    except DomainError as error:
        messages.error(request, str(error))
    return _back(pk)


@role_required("member")
@require_POST
def enrollment_state(request: OrgRequest, pk: UUID, action: str) -> HttpResponse:
    """Pause, resume or remove one lead's sequence."""
    rows = Enrollment.objects.for_org(request.org).select_related("lead", "campaign", "org")
    enrollment = get_or_404(rows, pk)
    who = request.user.display_name
    try:
        if action == "pause":
            done = services.pause(enrollment=enrollment, reason=f"{who} paused it.")
        elif action == "resume":
            done = services.resume(enrollment=enrollment, reason=f"{who} let it go on.")
        else:
            done = services.stop(
                enrollment=enrollment, reason=StopReason.REMOVED, note=f"{who} removed the lead."
            )
    except DomainError as error:
        messages.error(request, str(error))
        return _back(enrollment.campaign_id)
    enrollment.refresh_from_db()
    said = f"{enrollment.lead.name}: {enrollment.get_status_display().lower()}."
    (messages.success if done else messages.info)(request, said if done else f"Nothing to do. {said}")
    return _back(enrollment.campaign_id)


def _back(campaign_id: UUID) -> HttpResponse:
    return redirect(f"{reverse('campaigns:campaign_detail', args=[campaign_id])}?tab=leads")


@member_required
@require_GET
def lead_sequence(request: OrgRequest, pk: UUID) -> HttpResponse:
    """A fragment for the lead's page: its enrolment and where each step is."""
    lead = get_or_404(Lead.objects.for_org(request.org), pk)
    enrollment, steps = listings.lead_steps(lead)
    context = {"lead": lead, "enrollment": enrollment, "steps": steps}
    return render(request, "campaigns/_lead_sequence.html", context)
