"""The approval queue: see the mail beside its evidence, decide, go on to the next."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from agent import queries
from agent.forms import DecisionForm, DraftForm
from agent.models import Agent, Draft, DraftStatus
from agent.services import drafts, rewriting
from campaigns.models import Campaign
from leadpilot.lib.errors import DomainError
from leadpilot.lib.htmx import render_page, wants_fragment
from leadpilot.orgs.access import get_or_404, member_required, role_required
from leadpilot.orgs.models import Organization
from leadpilot.orgs.requests import OrgRequest
from leads.models import Lead

TEMPLATE = "agent/approval_list.html"
PAGE = 30
MOST_LEADS = 200  # in the filter; others are found by searching
LONGEST = 300  # drafts among which the next one is looked for


def draft_of(request: OrgRequest, pk: UUID) -> Draft:
    """The draft with what its page shows, or 404."""
    return get_or_404(Draft.objects.for_org(request.org).select_related(*queries.RELATED), pk)


@member_required
@require_GET
def approval_list(request: OrgRequest) -> HttpResponse:
    """The queue with its first draft open."""
    return page(request, None)


@member_required
@require_GET
def approval_detail(request: OrgRequest, pk: UUID) -> HttpResponse:
    """The queue with one draft open."""
    draft = draft_of(request, pk)
    editing = bool(request.GET.get("edit")) and draft.status in drafts.OPEN and _may_decide(request)
    return page(request, draft, form=DraftForm(initial=_initial(draft)) if editing else None)


def _address(draft: Draft | None) -> str:
    return reverse("agent:approval_detail", args=[draft.pk]) if draft else reverse("agent:approval_list")


def _may_decide(request: OrgRequest) -> bool:
    return request.membership.may("member")


def _initial(draft: Draft) -> dict[str, Any]:
    return {"version": draft.version, "subject": draft.subject, "body": draft.message_body}


def _filters(request: OrgRequest) -> dict[str, str]:
    asked = {key: request.GET.get(key, "").strip() for key in ("q", "campaign", "agent", "lead", "state")}
    for key in ("campaign", "agent", "lead"):
        try:
            UUID(asked[key])
        except ValueError:
            asked[key] = ""
    asked["state"] = asked["state"] if asked["state"] in queries.FILTERS else "pending"
    return asked


def page(
    request: OrgRequest,
    draft: Draft | None,
    *,
    form: DraftForm | None = None,
    error: str = "",
    reason: str = "",
    status: int = 200,
) -> HttpResponse:
    """The queue with one draft open: `form` to edit it, `error` above it, `reason` as it was typed."""
    asked = _filters(request)
    shown = Paginator(queries.draft_list(request.org, **asked), PAGE).get_page(request.GET.get("page"))
    shown.object_list = queries.with_previews(shown.object_list)
    chosen = draft or next(iter(shown.object_list), None)
    org = request.org
    query = {k: v for k, v in asked.items() if v and (k, v) != ("state", "pending")}
    paged = urlencode({**query, "page": shown.number} if shown.number > 1 else query)
    context = {
        "page": shown,
        "asked": asked,
        "query": urlencode(query),
        "poll_url": f"{_address(chosen)}?{paged}",  # not the request's own: that may be where a decision was posted
        "selected": queries.draft_page(chosen) if chosen else None,
        "opened": draft is not None,
        "form": form,
        "error": error,
        "reason": reason,
        "sequence": queries.with_previews(drafts.sequence_of(chosen)) if chosen else [],
        "may_decide": _may_decide(request),
        "campaigns": Campaign.objects.for_org(org).order_by("name"),
        **_choices(org, asked),
        "rewriting": rewriting.state_of(chosen) if chosen else None,
        "pending_count": queries.draft_list(org).count(),
    }
    polled = bool(request.htmx) and request.htmx.target == "approval-list"
    return render_page(request, TEMPLATE, context, fragment="list" if polled else "queue", status=status)


def _choices(org: Organization, asked: dict[str, str]) -> dict[str, Any]:
    """What the queue may be narrowed to: who wrote, and to whom, of the drafts in this state."""
    here = queries.draft_list(org, state=asked["state"]).order_by().values("pk")
    return {
        "agents": Agent.objects.for_org(org).filter(drafts__in=here).distinct().order_by("name"),
        "leads": Lead.objects.for_org(org)
        .filter(Q(drafts__in=here) | Q(pk=asked["lead"] or None))
        .distinct()
        .order_by("name")
        .only("id", "name")[:MOST_LEADS],
    }


@role_required("member")
@require_http_methods(["GET", "POST"])
def approval_edit(request: OrgRequest, pk: UUID) -> HttpResponse:
    """Change the text; the sentences that stay keep their evidence."""
    draft = draft_of(request, pk)
    if request.method == "GET":
        return redirect(f"{reverse('agent:approval_detail', args=[pk])}?edit=1")
    form = DraftForm(request.POST)
    if not form.is_valid():
        return page(request, draft, form=form, status=422)
    try:
        drafts.edit_draft(draft=draft, by=request.user, **form.cleaned_data)
    except DomainError as error:
        form.add_error(error.field or None, str(error))
        return page(request, draft, form=form, error=str(error), status=422)
    return done(request, draft, "Saved. Approve it when it reads well.", stay=True)


@role_required("member")
@require_POST
def approval_approve(request: OrgRequest, pk: UUID) -> HttpResponse:
    """Approve the version that was shown."""
    return _decide(request, draft_of(request, pk), _approve)


def _approve(request: OrgRequest, draft: Draft, form: DecisionForm) -> str:
    drafts.approve_draft(draft=draft, version=form.cleaned_data["version"], by=request.user)
    return f"Approved: {draft.subject}"


@role_required("member")
@require_POST
def approval_reject(request: OrgRequest, pk: UUID) -> HttpResponse:
    """Reject the version that was shown, with a reason."""
    return _decide(request, draft_of(request, pk), _reject)


def _reject(request: OrgRequest, draft: Draft, form: DecisionForm) -> str:
    data = form.cleaned_data
    drafts.reject_draft(draft=draft, version=data["version"], reason=data["reason"], by=request.user)
    return f"Rejected. The sequence to {draft.lead.name} stops here." if draft.enrollment_id else "Rejected."


def _decide(request: OrgRequest, draft: Draft, act: Any) -> HttpResponse:
    form = DecisionForm(request.POST)
    typed = request.POST.get("reason", "")
    if not form.is_valid():
        field, problems = next(iter(form.errors.items()))
        return page(request, draft, error=f"{field}: {problems[0]}", reason=typed, status=422)
    following = _following(request, draft)
    try:
        said = act(request, draft, form)
    except DomainError as error:
        return page(request, draft_of(request, draft.pk), error=str(error), reason=typed, status=422)
    return done(request, draft, said, following=following)


def _following(request: OrgRequest, draft: Draft) -> list[UUID]:
    """What comes after this draft in the queue as it is filtered, and after the end what comes before it."""
    ids = list(queries.draft_list(request.org, **_filters(request)).values_list("pk", flat=True)[:LONGEST])
    at = ids.index(draft.pk) if draft.pk in ids else -1
    return ids[at + 1 :] or ids[: max(at, 0)]


@role_required("member")
@require_POST
def approval_bulk(request: OrgRequest) -> HttpResponse:
    """Approve the ticked drafts; each is `id:version`, so that only what was shown is approved."""
    chosen, unknown = [], 0
    for item in request.POST.getlist("ids"):
        pk, _, version = item.partition(":")
        draft = _find(request, pk)
        if draft is None or not version.isdigit():
            unknown += 1
        else:
            chosen.append((draft, int(version)))
    if unknown or not chosen:
        return page(request, None, error="Nothing was approved: tick the drafts and try again.", status=422)
    failed = drafts.approve_many(drafts=chosen, by=request.user)
    return _report(request, None, len(chosen), failed)


def _find(request: OrgRequest, pk: str) -> Draft | None:
    try:
        return Draft.objects.for_org(request.org).select_related(*queries.RELATED).filter(pk=UUID(pk)).first()
    except ValueError:
        return None


def _report(
    request: OrgRequest, draft: Draft | None, tried: int, failed: list[tuple[Draft, str]]
) -> HttpResponse:
    if failed:
        reasons = "; ".join(f"{d.lead.name}: {reason}" for d, reason in failed[:5])
        text = f"{tried - len(failed)} of {tried} approved. {reasons}"
        return done(request, draft, text, tone="warning")
    return done(request, draft, f"{tried} approved.")


@role_required("member")
@require_POST
def approval_undo(request: OrgRequest, pk: UUID) -> HttpResponse:
    """Take an approval back while the mail is still here."""
    draft = draft_of(request, pk)
    here = reverse("agent:approval_detail", args=[pk])
    try:
        drafts.undo_approval(draft=draft, by=request.user)
        messages.success(request, "Taken back. Nothing was sent.")
    except DomainError as error:
        messages.error(request, str(error))
    if request.htmx:
        return HttpResponse(status=204, headers={"HX-Redirect": here})
    return redirect(here)


def done(
    request: OrgRequest,
    draft: Draft | None,
    text: str,
    *,
    stay: bool = False,
    tone: str = "success",
    following: Sequence[UUID] = (),
) -> HttpResponse:
    """Show the queue again: the same draft, or the next one; with an undo where there is something to undo."""
    shown = draft
    if not stay:
        shown = queries.draft_list(request.org, **_filters(request)).filter(pk__in=following).first()
    here = _address(shown)
    if not wants_fragment(request):
        getattr(messages, tone)(request, text)
        return redirect(here)
    response = page(request, draft_of(request, shown.pk) if shown else None)
    toast: dict[str, Any] = {"message": text, "tone": tone}
    if draft is not None and not stay:
        draft.refresh_from_db(fields=["status"])
        if draft.status == DraftStatus.APPROVED:
            toast["action"] = {"label": "Undo", "post": reverse("agent:approval_undo", args=[draft.pk])}
    response["HX-Trigger"] = json.dumps({"toast": toast})
    response["HX-Push-Url"] = f"{here}?{request.GET.urlencode()}" if request.GET else here
    return response
