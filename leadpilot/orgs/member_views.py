"""The people of an organization, on its settings page."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from leadpilot.lib.errors import DomainError
from leadpilot.orgs import members
from leadpilot.orgs.access import get_or_404, role_required
from leadpilot.orgs.forms import MemberForm
from leadpilot.orgs.models import Membership, User
from leadpilot.orgs.requests import OrgRequest
from leadpilot.orgs.views import Invitation, settings_page


def _membership(request: OrgRequest, pk: UUID) -> Membership:
    return get_or_404(Membership.objects.filter(org=request.org).select_related("user", "org"), pk)


@never_cache
@role_required("admin")
@require_POST
def member_add(request: OrgRequest) -> HttpResponse:
    """Add a person; the link that signs them in is in this answer and nowhere else."""
    form = MemberForm(request.POST)
    if not form.is_valid():
        return settings_page(request, member_form=form, status=422)
    try:
        added = members.add_member(org=request.org, by=request.user, **form.cleaned_data)
    except DomainError as error:
        form.add_error(error.field if error.field in form.fields else None, str(error))
        return settings_page(request, member_form=form, status=422)
    if added.token is None:
        name = added.membership.user.display_name
        messages.success(request, f"{name} was added. They sign in as they always do.")
        return redirect("orgs:settings")
    return settings_page(request, invitation=_invitation(request, added.membership.user, added.token))


def _invitation(request: OrgRequest, user: User, token: str) -> Invitation:
    return Invitation(user, request.build_absolute_uri(reverse("enter", args=[token])))


@never_cache
@role_required("admin")
@require_POST
def member_link(request: OrgRequest, pk: UUID) -> HttpResponse:
    """A new sign-in link for somebody who never came."""
    membership = _membership(request, pk)
    try:
        token = members.renew_link(membership=membership, by=request.user)
    except DomainError as error:
        messages.error(request, str(error))
        return redirect("orgs:settings")
    return settings_page(request, invitation=_invitation(request, membership.user, token))


@role_required("owner")
@require_POST
def member_remove(request: OrgRequest, pk: UUID) -> HttpResponse:
    """Take a person out of the organization."""
    membership = _membership(request, pk)
    try:
        members.remove_member(membership=membership, by=request.user)
    except DomainError as error:
        messages.error(request, str(error))
        return redirect("orgs:settings")
    if membership.user_id == request.user.pk:
        return redirect("orgs:landing")
    messages.success(request, f"{membership.user.display_name} was removed. What they did stays.")
    return redirect("orgs:settings")
