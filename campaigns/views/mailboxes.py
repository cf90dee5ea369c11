"""Mailboxes: connect, test, pause, remove."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from campaigns import queries
from campaigns.forms import PRESET_NOTES, PRESETS, MailboxForm
from campaigns.models import Mailbox
from campaigns.services import mailboxes as services
from leadpilot.lib.errors import DomainError
from leadpilot.lib.htmx import render_page
from leadpilot.orgs.access import get_or_404, member_required, role_required
from leadpilot.orgs.requests import OrgRequest


@member_required
@require_GET
def mailbox_list(request: OrgRequest) -> HttpResponse:
    """The mailboxes with their health and what they have sent today."""
    rows = queries.mailbox_list(request.org)
    context = {"rows": rows, "may_act": request.membership.may("admin")}
    return render_page(request, "campaigns/mailbox_list.html", context)


@role_required("admin")
@require_http_methods(["GET", "POST"])
def mailbox_create(request: OrgRequest) -> HttpResponse:
    """Connect a mailbox; it is tested before it is saved."""
    if request.method == "GET":
        preset = PRESETS.get(request.GET.get("preset", ""), {})
        return _page(request, MailboxForm(initial=preset), None)
    return _save(request, None)


def _mailbox(request: OrgRequest, pk: UUID) -> Mailbox:
    return get_or_404(Mailbox.objects.for_org(request.org).select_related("org"), pk)


@role_required("admin")
@require_http_methods(["GET", "POST"])
def mailbox_edit(request: OrgRequest, pk: UUID) -> HttpResponse:
    """Change a mailbox; it is tested again before it is saved."""
    mailbox = _mailbox(request, pk)
    if request.method == "GET":
        return _page(request, MailboxForm(instance=mailbox, stored=mailbox), mailbox)
    return _save(request, mailbox)


def _save(request: OrgRequest, mailbox: Mailbox | None) -> HttpResponse:
    form = MailboxForm(request.POST, instance=Mailbox(org=request.org), stored=mailbox)
    if not form.is_valid():
        return _page(request, form, mailbox, status=422)
    untested = "save_paused" in request.POST
    try:
        saved = services.save_mailbox(
            org=request.org, by=request.user, mailbox=mailbox, test=not untested, **form.values()
        )
        if untested:
            services.pause_mailbox(
                mailbox=saved, by=request.user, reason="Saved without a working connection."
            )
    except services.MailboxTestFailed as error:
        for failed in (result for result in error.results if not result.ok):
            form.add_error(failed.field if failed.field in form.fields else None, failed.message)
        return _page(request, form, mailbox, results=error.results, status=422)
    except DomainError as error:
        form.add_error(error.field if error.field in form.fields else None, str(error))
        return _page(request, form, mailbox, status=422)
    messages.success(request, f"{saved.email} is {'saved, paused' if untested else 'connected'}.")
    return redirect("campaigns:mailbox_list")


def _page(
    request: OrgRequest,
    form: MailboxForm,
    mailbox: Mailbox | None,
    *,
    results: Any = (),
    status: int = 200,
) -> HttpResponse:
    preset = request.GET.get("preset", "")
    context = {
        "form": form,
        "mailbox": mailbox,
        "preset": preset,
        "preset_note": PRESET_NOTES.get(preset, ""),
        "results": results,
    }
    return render_page(request, "campaigns/mailbox_form.html", context, status=status)


@role_required("admin")
@require_POST
def mailbox_test(request: OrgRequest, pk: UUID) -> HttpResponse:
    """Log in to send and to read, and say how it went."""
    results = services.test_mailbox(mailbox=_mailbox(request, pk))
    for result in results:
        (messages.success if result.ok else messages.error)(request, result.message)
    return redirect("campaigns:mailbox_list")


@role_required("admin")
@require_POST
def mailbox_state(request: OrgRequest, pk: UUID, action: str) -> HttpResponse:
    """Pause a mailbox, or let it send again after a test."""
    mailbox = _mailbox(request, pk)
    try:
        if action == "pause":
            services.pause_mailbox(
                mailbox=mailbox, by=request.user, reason=f"{request.user.display_name} paused it."
            )
        else:
            services.resume_mailbox(mailbox=mailbox, by=request.user)
        messages.success(
            request, f"{mailbox.email} is {'paused' if action == 'pause' else 'connected again'}."
        )
    except DomainError as error:
        messages.error(request, str(error))
    return redirect("campaigns:mailbox_list")


@role_required("admin")
@require_POST
def mailbox_delete(request: OrgRequest, pk: UUID) -> HttpResponse:
    """Remove a mailbox that nothing was sent from."""
    mailbox = _mailbox(request, pk)
    try:
        services.delete_mailbox(mailbox=mailbox, by=request.user)
        messages.success(request, f"{mailbox.email} was removed.")
    except DomainError as error:
        messages.error(request, str(error))
    return redirect("campaigns:mailbox_list")
