"""Campaigns: the list, one with its steps, leads and checks, and the forms to make and change them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from campaigns import listings
from campaigns.forms import CampaignForm, StepForm
from campaigns.models import Campaign, CampaignStatus, EnrollmentStatus, Mailbox, SequenceStep, StopReason
from campaigns.services import campaigns as services
from campaigns.services.steps import MOST_STEPS
from leadpilot.lib.errors import DomainError
from leadpilot.lib.htmx import render_page
from leadpilot.orgs.access import get_or_404, member_required, role_required
from leadpilot.orgs.requests import OrgRequest
from leads.models import Lead

DETAIL = "campaigns/campaign_detail.html"
TABS = ("overview", "steps", "leads")


@member_required
@require_GET
def campaign_list(request: OrgRequest) -> HttpResponse:
    """Campaigns with what came of them."""
    status = request.GET.get("status", "")
    asked = {
        "q": request.GET.get("q", "").strip(),
        "status": status if status in CampaignStatus.values else "",
    }
    page = Paginator(listings.campaign_list(request.org, **asked), 30).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "asked": asked,
        "statuses": CampaignStatus.choices,
        "may_act": request.membership.may("member"),
    }
    return render_page(request, "campaigns/campaign_list.html", context, fragment="table")


def _campaign(request: OrgRequest, pk: UUID) -> Campaign:
    rows = listings.with_counts(Campaign.objects.for_org(request.org).select_related("org"))
    return get_or_404(rows, pk)


@member_required
@require_GET
def campaign_detail(request: OrgRequest, pk: UUID) -> HttpResponse:
    """One campaign; `tab` is overview, steps or leads. Its numbers alone are fetched again every few seconds."""
    campaign = _campaign(request, pk)
    if request.htmx and request.htmx.target == "campaign-counts":
        return render_page(request, DETAIL, {"campaign": campaign}, fragment="counts")
    return _detail(request, campaign)


def _detail(
    request: OrgRequest,
    campaign: Campaign,
    *,
    step_form: StepForm | None = None,
    step: Any = None,
    status: int = 200,
) -> HttpResponse:
    tab = "steps" if step_form else request.GET.get("tab", "overview")
    tab = tab if tab in TABS else "overview"
    context: dict[str, Any] = {
        "campaign": campaign,
        "tab": tab,
        "tabs": TABS,
        "may_act": request.membership.may("member"),
    }
    if tab == "overview":
        context["checks"] = [
            (check, "" if check.ok else _mend(campaign, check.name))
            for check in services.preflight(campaign=campaign)
        ]
        context["pool"] = campaign.pool.select_related("mailbox").order_by("mailbox__email")
    elif tab == "steps":
        steps = list(campaign.steps.all())
        context |= {"steps": steps, "step_form": step_form, "editing": step}
        context |= {"may_add": len(steps) < MOST_STEPS, "may_remove": len(steps) > 1}
    else:
        context |= _leads(request, campaign)
    return render_page(request, DETAIL, context, status=status)


def _mend(campaign: Campaign, check: str) -> str:
    """The page on which a failed check of the pre-flight list is put right."""
    has_mailbox = Mailbox.objects.for_org(campaign.org_id).exists()
    pages = {
        "mailbox": reverse("campaigns:campaign_edit", args=[campaign.pk]) + "#id_pool"
        if has_mailbox
        else reverse("campaigns:mailbox_create"),
        "answers": reverse("campaigns:mailbox_list"),
        "postal_address": reverse("orgs:settings") + "#id_postal_address",
        "steps": reverse("campaigns:campaign_detail", args=[campaign.pk]) + "?tab=steps",
        "offer": reverse("campaigns:campaign_edit", args=[campaign.pk]) + "#id_offer",
    }
    return pages.get(check, "")


def _leads(request: OrgRequest, campaign: Campaign) -> dict[str, Any]:
    status, reason = request.GET.get("status", ""), request.GET.get("reason", "")
    asked = {
        "q": request.GET.get("q", "").strip(),
        "status": status if status in EnrollmentStatus.values else "",
        "reason": reason if reason in StopReason.values else "",
    }
    page = Paginator(listings.enrollment_list(campaign, **asked), 40).get_page(request.GET.get("page"))
    return {
        "page": page,
        "rows": [listings.why_not_yet(row) for row in page.object_list],
        "reasons": StopReason.choices,
        "asked": asked,
        "statuses": EnrollmentStatus.choices,
        "candidates": Lead.objects.for_org(request.org)
        .filter(status__in=["new", "researched"])
        .exclude(enrollments__campaign=campaign)
        .exclude(enrollments__status__in=["active", "paused"])
        .order_by("-score", "name")[:50],
    }


@role_required("member")
@require_http_methods(["GET", "POST"])
def campaign_create(request: OrgRequest) -> HttpResponse:
    """Make a campaign with the five steps of the house."""
    form = CampaignForm(request.POST if request.method == "POST" else None, org=request.org)
    if request.method == "POST" and form.is_valid():
        values = dict(form.cleaned_data)
        pool = values.pop("pool")
        try:
            campaign = services.create_campaign(org=request.org, by=request.user, mailboxes=pool, **values)
            messages.success(request, "Made. Look at its steps, then activate it.")
            return redirect("campaigns:campaign_detail", pk=campaign.pk)
        except DomainError as error:
            form.add_error(error.field if error.field in form.fields else None, str(error))
    context = {"form": form, "campaign": None}
    return render_page(request, "campaigns/campaign_form.html", context, status=422 if form.errors else 200)


@role_required("member")
@require_http_methods(["GET", "POST"])
def campaign_edit(request: OrgRequest, pk: UUID) -> HttpResponse:
    """Change a campaign. What is approved already keeps its words."""
    campaign = _campaign(request, pk)
    pool = [row.mailbox_id for row in campaign.pool.all()]
    form = CampaignForm(
        request.POST if request.method == "POST" else None,
        org=request.org,
        instance=campaign if request.method == "GET" else Campaign(pk=campaign.pk, org=request.org),
        initial={"pool": pool} if request.method == "GET" else None,
    )
    if request.method == "POST" and form.is_valid():
        values = dict(form.cleaned_data)
        chosen = values.pop("pool")
        try:
            services.update_campaign(campaign=campaign, by=request.user, **values)
            services.set_mailboxes(campaign=campaign, mailboxes=chosen)
            messages.success(request, "Saved.")
            return redirect("campaigns:campaign_detail", pk=pk)
        except DomainError as error:
            form.add_error(error.field if error.field in form.fields else None, str(error))
    context = {"form": form, "campaign": campaign}
    return render_page(request, "campaigns/campaign_form.html", context, status=422 if form.errors else 200)


ACTIONS = {
    "activate": (services.activate, "Active. Qualified leads are taken in and written to."),
    "pause": (services.pause, "Paused. Nothing of it leaves."),
    "archive": (services.archive, "Archived. Its sequences have ended."),
}


@role_required("member")
@require_POST
def campaign_state(request: OrgRequest, pk: UUID, action: str) -> HttpResponse:
    """Activate, pause or archive."""
    campaign = _campaign(request, pk)
    act, said = ACTIONS[action]
    try:
        act(campaign=campaign, by=request.user)
        messages.success(request, said)
    except DomainError as error:
        messages.error(request, str(error))
    return redirect("campaigns:campaign_detail", pk=pk)


@role_required("member")
@require_POST
def step_add(request: OrgRequest, pk: UUID) -> HttpResponse:
    """One more mail at the end of the sequence; it opens for its settings."""
    campaign = _campaign(request, pk)
    try:
        step = services.add_step(campaign=campaign, by=request.user)
    except DomainError as error:
        messages.error(request, str(error))
        return _to_steps(campaign)
    messages.success(request, f"Step {step.number} added. Say what it should be.")
    return redirect(f"{reverse('campaigns:step_edit', args=[step.pk])}#step-{step.number}")


@role_required("member")
@require_POST
def step_remove(request: OrgRequest, pk: UUID) -> HttpResponse:
    """Take the last mail off, if nobody got it or is about to."""
    campaign = _campaign(request, pk)
    try:
        number = services.remove_last_step(campaign=campaign, by=request.user)
        messages.success(request, f"Step {number} removed.")
    except DomainError as error:
        messages.error(request, str(error))
    return _to_steps(campaign)


def _to_steps(campaign: Campaign) -> HttpResponse:
    return redirect(f"{reverse('campaigns:campaign_detail', args=[campaign.pk])}?tab=steps")


@role_required("member")
@require_http_methods(["GET", "POST"])
def step_edit(request: OrgRequest, pk: UUID) -> HttpResponse:
    """Change one step of a campaign; drafts written already stay as they are."""
    step = get_or_404(SequenceStep.objects.for_org(request.org).select_related("campaign"), pk)
    campaign = _campaign(request, step.campaign_id)
    if request.method == "GET":
        return _detail(request, campaign, step_form=StepForm(instance=step), step=step)
    form = StepForm(request.POST, instance=SequenceStep(org=request.org, number=step.number))
    if not form.is_valid():
        return _detail(request, campaign, step_form=form, step=step, status=422)
    services.update_step(step=step, by=request.user, **form.cleaned_data)
    messages.success(request, f"Step {step.number} saved.")
    return _to_steps(campaign)
