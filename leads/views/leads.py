"""Lists, details and changes of leads."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.functional import SimpleLazyObject
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from leadpilot.lib.errors import DomainError
from leadpilot.lib.htmx import render_page, wants_fragment
from leadpilot.orgs.access import get_or_404, member_required, role_required
from leadpilot.orgs.requests import OrgRequest
from leads import queries
from leads.forms import EDITED, LABELS, LeadForm, NoteForm
from leads.models import Lead, LeadStatus
from leads.queries_evidence import evidence_for
from leads.services.leads import add_note, archive_lead, create_lead, update_lead
from leads.services.suppression import find_suppression

PAGE_SIZE = 50
FACTS = 40
FILTERS = ("q", "status", "tag", "score", "company", "lead_import", "researched", "sort")


@member_required
@require_GET
def lead_list(request: OrgRequest) -> HttpResponse:
    """All leads, searched, filtered and sorted; the table alone for HTMX."""
    filters = {name: request.GET.get(name, "").strip()[:200] for name in FILTERS}
    leads = queries.lead_list(request.org, **filters).only(
        "id", "name", "email", "company", "title", "status", "score", "tags", "created_at", "org_id"
    )
    counts = queries.status_counts(request.org)
    paginator = Paginator(leads, PAGE_SIZE)
    filtered = any(filters[name] for name in FILTERS if name != "sort")
    if not filtered:
        paginator.count = counts[""]  # known already; counting again costs as much as the rest of the page
    context = {
        "page": paginator.get_page(request.GET.get("page")),
        "filters": filters,
        "filtered": filtered,
        "views": [
            (s, label, counts.get(s, 0))
            for s, label in [("", "All"), *LeadStatus.choices]
            if counts.get(s) or s in ("", filters["status"])
        ],
        "tags": SimpleLazyObject(lambda: queries.tags_of(request.org)),  # the table alone does not show them
        "scores": [(key, label) for key, (label, _) in queries.SCORES.items()],
        "columns": _columns(filters["sort"]),
        "may_write": request.membership.role != "viewer",
    }
    return render_page(request, "leads/lead_list.html", context, fragment="table")


def _columns(sort: str) -> list[dict[str, str]]:
    """The sortable headers: the order a click gives, and the order now."""
    titles = {"name": "Lead", "company": "Company", "status": "Status", "score": "Score", "created": "Added"}
    columns = []
    for key, title in titles.items():
        now = "descending" if sort == f"-{key}" else "ascending" if sort == key else ""
        first = f"-{key}" if key in ("score", "created") else key
        other = key if first.startswith("-") else f"-{key}"
        columns.append({"key": key, "title": title, "now": now, "next": other if sort == first else first})
    return columns


@member_required
@require_GET
def lead_detail(request: OrgRequest, pk: UUID) -> HttpResponse:
    """Everything known about one lead, and why it is known."""
    return _detail(request, _lead(request, pk), NoteForm())


def _lead(request: OrgRequest, pk: UUID) -> Lead:
    lead: Lead = get_or_404(
        Lead.objects.for_org(request.org).select_related("company_profile", "owner", "org"), pk
    )
    return lead


def _detail(request: OrgRequest, lead: Lead, note_form: NoteForm, status: int = 200) -> HttpResponse:
    facts = evidence_for(lead)[:FACTS]
    context = {
        "lead": lead,
        "facts": facts,
        "score_parts": _score_parts(lead, {str(fact.pk): n for n, fact in enumerate(facts, start=1)}),
        "pages": queries.pages_of(lead).defer("text", "extracted")[:20],
        "timeline": queries.timeline(lead),
        "suppression": find_suppression(org=request.org, email=lead.email),
        "note_form": note_form,
        "may_write": request.membership.role != "viewer",
    }
    return render_page(request, "leads/lead_detail.html", context, fragment="timeline", status=status)


def _score_parts(lead: Lead, numbers: dict[str, int]) -> list[dict[str, Any]]:
    """The stored breakdown for the page: each part with its weight, its evidence and that evidence's number."""
    parts = lead.score_breakdown.get("parts", []) if isinstance(lead.score_breakdown, dict) else []
    return [
        {
            "label": LABELS.get(
                part.get("field", ""), str(part.get("field", "")).replace("_", " ").capitalize()
            ),
            "value": part.get("got") or 0,
            "max": part.get("weight") or 0,
            "reason": part.get("evidence") or "",
            "number": numbers.get(str(part.get("fact_id"))),
        }
        for part in parts
    ]


@role_required("member")
@require_http_methods(["GET", "POST"])
def lead_create(request: OrgRequest) -> HttpResponse:
    """Add one lead by hand."""
    form = LeadForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            fields = {name: form.cleaned_data[name] for name in EDITED}
            lead = create_lead(org=request.org, by=request.user, owner=request.user, **fields)
        except DomainError as error:
            form.errors_from(error)
        else:
            messages.success(request, f"{lead.name} was added.")
            return redirect("leads:lead_detail", lead.pk)
    return _form_page(request, form, None)


@role_required("member")
@require_http_methods(["GET", "POST"])
def lead_edit(request: OrgRequest, pk: UUID) -> HttpResponse:
    """Change one lead."""
    lead = _lead(request, pk)
    form = LeadForm(request.POST or None, lead=lead)
    if request.method == "POST" and form.is_valid():
        try:
            update_lead(lead=lead, by=request.user, **{name: form.cleaned_data[name] for name in EDITED})
        except DomainError as error:
            form.errors_from(error)
        else:
            messages.success(request, "Saved.")
            return redirect("leads:lead_detail", lead.pk)
    return _form_page(request, form, lead)


def _form_page(request: OrgRequest, form: LeadForm, lead: Lead | None) -> HttpResponse:
    context = {"form": form, "lead": lead}
    return render_page(request, "leads/lead_form.html", context, status=422 if form.errors else 200)


@role_required("member")
@require_POST
def lead_archive(request: OrgRequest, pk: UUID) -> HttpResponse:
    """Put one lead away."""
    lead = archive_lead(lead=_lead(request, pk), by=request.user)
    messages.success(request, f"{lead.name} was archived and is not written to any more.")
    return redirect("leads:lead_detail", lead.pk)


@role_required("member")
@require_POST
def note_create(request: OrgRequest, pk: UUID) -> HttpResponse:
    """Write a note; HTMX gets the timeline back."""
    lead = _lead(request, pk)
    form = NoteForm(request.POST)
    if form.is_valid():
        try:
            add_note(lead=lead, text=form.cleaned_data["text"], by=request.user)
        except DomainError as error:
            form.add_error("text", str(error))
    if form.errors:
        return _detail(request, lead, form, status=422)
    if wants_fragment(request):
        return _detail(request, lead, NoteForm())
    return redirect("leads:lead_detail", lead.pk)
