"""The list of those who are not written to."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_POST

from leadpilot.lib.errors import DomainError
from leadpilot.lib.htmx import render_page
from leadpilot.orgs.access import get_or_404, member_required, role_required
from leadpilot.orgs.requests import OrgRequest
from leads import queries
from leads.forms import LiftForm, SuppressForm
from leads.models import Suppression, SuppressionReason
from leads.services.suppression import lift, suppress

PAGE_SIZE = 50


@member_required
@require_GET
def suppression_list(request: OrgRequest) -> HttpResponse:
    """Search the list."""
    return _list_page(request, SuppressForm())


def _list_page(
    request: OrgRequest,
    form: SuppressForm,
    *,
    lift_form: LiftForm | None = None,
    lifting: Suppression | None = None,
) -> HttpResponse:
    q, reason = request.GET.get("q", "").strip()[:254], request.GET.get("reason", "")
    entries = queries.suppression_list(
        request.org, q=q, reason=reason if reason in SuppressionReason.values else ""
    )
    context = {
        "page": Paginator(entries, PAGE_SIZE).get_page(request.GET.get("page")),
        "q": q,
        "reason": reason,
        "reasons": SuppressionReason.choices,
        "form": form,
        "lift_form": lift_form or LiftForm(),
        "lifting": lifting,
        "may_write": request.membership.role != "viewer",
        "may_lift": request.membership.role in ("owner", "admin"),
    }
    wrong = form.errors or (lift_form is not None and lift_form.errors)
    return render_page(
        request, "leads/suppression_list.html", context, fragment="table", status=422 if wrong else 200
    )


@role_required("member")
@require_POST
def suppression_add(request: OrgRequest) -> HttpResponse:
    """Put an address or a domain on the list."""
    form = SuppressForm(request.POST)
    if form.is_valid():
        try:
            entry = suppress(org=request.org, **form.cleaned_data, origin="Added by hand", by=request.user)
        except DomainError as error:
            form.add_error("value", str(error))
        else:
            messages.success(request, f"{entry.value} is not written to any more.")
            return redirect("leads:suppression_list")
    return _list_page(request, form)


@role_required("admin")
@require_POST
def suppression_lift(request: OrgRequest, pk: UUID) -> HttpResponse:
    """Take an entry off the list, for a reason that is kept."""
    entry = get_or_404(Suppression.objects.for_org(request.org).select_related("org"), pk)
    form = LiftForm(request.POST)
    if form.is_valid():
        try:
            lift(suppression=entry, reason=form.cleaned_data["reason"], by=request.user)
        except DomainError as error:
            form.add_error("reason", str(error))
        else:
            messages.success(request, f"{entry.value} was taken off the list.")
            return redirect("leads:suppression_list")
    return _list_page(request, SuppressForm(), lift_form=form, lifting=entry)
