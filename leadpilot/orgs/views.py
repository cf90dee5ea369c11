"""Signing in by link, the organization's settings, and the pages for errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth import login
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from leadpilot.lib.errors import DomainError
from leadpilot.lib.htmx import render_page, wants_fragment
from leadpilot.orgs import notes, services
from leadpilot.orgs.access import get_or_404, member_required, public, role_required, signed_in
from leadpilot.orgs.forms import MemberForm, NewOrganizationForm, OrganizationForm, RoleForm
from leadpilot.orgs.members import may_have_link
from leadpilot.orgs.middleware import SESSION_KEY
from leadpilot.orgs.models import AuditEntry, Membership, Notification, Role, User
from leadpilot.orgs.requests import OrgRequest
from leadpilot.orgs.tenancy import user_context

NOTES_SHOWN = 6
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


@public
@never_cache
@require_GET
def enter(request: HttpRequest, token: str) -> HttpResponse:
    """Sign in with the one-time link that `make run` prints."""
    user = services.use_sign_in_link(token=token)
    if user is None:
        if request.user.is_authenticated:
            return redirect("orgs:landing")
        messages.error(
            request, "This sign-in link was used already or is too old. Run “make run” for a new one."
        )
        return redirect("account_login")
    login(request, user, backend=BACKEND)
    return redirect("orgs:landing")


@signed_in
@require_GET
def landing(request: OrgRequest) -> HttpResponse:
    """Where signing in ends: Today, or the page that makes an organization."""
    return redirect("agent:today" if request.membership else "orgs:welcome")


@signed_in
@require_http_methods(["GET", "POST"])
def welcome(request: OrgRequest) -> HttpResponse:
    """Make an organization of one's own."""
    form = NewOrganizationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        org = services.create_organization(name=form.cleaned_data["name"], owner=request.user)
        request.session[SESSION_KEY] = str(org.pk)
        return redirect("agent:today")
    return render_page(request, "orgs/welcome.html", {"form": form}, status=422 if form.errors else 200)


@signed_in
@require_POST
def switch(request: OrgRequest, org_id: UUID) -> HttpResponse:
    """Work in another of one's organizations."""
    with user_context(request.user.pk):
        if not Membership.objects.filter(user=request.user, org_id=org_id).exists():
            raise Http404
    request.session[SESSION_KEY] = str(org_id)
    return redirect("agent:today")


@member_required
@require_http_methods(["GET", "POST"])
def organization_settings(request: OrgRequest) -> HttpResponse:
    """The organization: its details, members and audit log. Only admins may change them."""
    if request.method == "POST":
        return _save_settings(request)
    return settings_page(request)


@role_required("admin")
def _save_settings(request: OrgRequest) -> HttpResponse:
    form = OrganizationForm(request.POST, instance=type(request.org)(pk=request.org.pk))
    if not form.is_valid():
        return settings_page(request, form=form, status=422)
    services.update_organization(org=request.org, by=request.user, **form.cleaned_data)
    messages.success(request, "Settings saved.")
    return redirect("orgs:settings")


@dataclass(frozen=True)
class Invitation:
    """A link that signs a new member in, shown once."""

    user: User
    link: str


def settings_page(
    request: OrgRequest,
    *,
    form: OrganizationForm | None = None,
    member_form: MemberForm | None = None,
    invitation: Invitation | None = None,
    status: int = 200,
) -> HttpResponse:
    """The settings with these forms as they were typed, else as they are in force."""
    rows = Membership.objects.filter(org=request.org).select_related("user").order_by("created_at")
    audit = AuditEntry.objects.for_org(request.org).select_related("actor").order_by("-created_at")[:30]
    context = {
        "form": form or OrganizationForm(instance=request.org),
        "member_form": member_form or MemberForm(),
        "invitation": invitation,
        "members": [(row, may_have_link(org=request.org, user=row.user)) for row in rows],
        "may_add": request.membership.may("admin"),
        "audit": audit,
        "roles": Role.choices,
    }
    return render_page(request, "orgs/settings.html", context, status=status)


@role_required("owner")
@require_POST
def member_role(request: OrgRequest, pk: UUID) -> HttpResponse:
    """Give a member another role."""
    membership = get_or_404(Membership.objects.filter(org=request.org), pk)
    form = RoleForm(request.POST)
    if not form.is_valid():
        messages.error(request, f"role: {request.POST.get('role', '')!r} is not a role.")
        return redirect("orgs:settings")
    try:
        services.set_role(membership=membership, role=form.cleaned_data["role"], by=request.user)
    except DomainError as error:
        messages.error(request, str(error))
    return redirect("orgs:settings")


@role_required("member")
@require_POST
def note_read(request: OrgRequest, pk: UUID) -> HttpResponse:
    """Somebody has read one note."""
    theirs = Notification.objects.for_org(request.org).filter(Q(user=None) | Q(user=request.user))
    notes.mark_read(org=request.org, user=request.user, pk=get_or_404(theirs, pk).pk)
    return _notes_left(request)


@role_required("member")
@require_POST
def notes_read(request: OrgRequest) -> HttpResponse:
    """Somebody has read all that was for them."""
    notes.mark_read(org=request.org, user=request.user)
    return _notes_left(request)


def _notes_left(request: OrgRequest) -> HttpResponse:
    if not wants_fragment(request):
        return redirect("agent:today")
    return render(request, "orgs/_notes.html", notes_context(request))


def notes_context(request: OrgRequest) -> dict[str, Any]:
    """What `orgs/_notes.html` shows."""
    unread = notes.unread_for(request.org, request.user)
    shown = list(unread[: NOTES_SHOWN + 1])
    count = len(shown) if len(shown) <= NOTES_SHOWN else unread.count()
    return {
        "notes": shown[:NOTES_SHOWN],
        "notes_count": count,
        "may_read": request.membership.may("member"),
    }


@public
def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """The same bytes for a missing page and for another organization's."""
    return render(request, "404.html", status=404)


@public
def server_error(request: HttpRequest) -> HttpResponse:
    """Never shows details."""
    return render(request, "500.html", status=500)


@public
def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form from a tab that was left open too long, or from elsewhere."""
    return render(request, "403.html", {"stale_form": True}, status=403)
