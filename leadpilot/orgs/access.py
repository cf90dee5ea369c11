"""Who may call a view, and the one way to fetch an object for it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, resolve_url

from leadpilot.orgs.models import Role
from leadpilot.orgs.requests import OrgRequest

View = Callable[..., HttpResponse]
M = TypeVar("M", bound=Model)


def role_required(minimum: str) -> Callable[[View], View]:
    """Only members with at least this role; strangers are sent to sign in, others get 403.

    Records the rule on the view (`view.required_role`), so that a test can demand one of each route.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def checked(request: OrgRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not request.user.is_authenticated:
                return _to_sign_in(request)
            if request.membership is None:
                return redirect("orgs:welcome")
            if not request.membership.may(Role(minimum)):
                raise PermissionDenied(f"This needs the role {minimum}; yours is {request.membership.role}.")
            return view(request, *args, **kwargs)

        checked.required_role = minimum  # type: ignore[attr-defined]
        return checked

    return decorate


member_required = role_required("viewer")


def public(view: View) -> View:
    """Declares that anyone may call this view."""
    view.required_role = "public"  # type: ignore[attr-defined]
    return view


def signed_in(view: View) -> View:
    """Any signed-in user, member of an organization or not."""

    @wraps(view)
    def checked(request: OrgRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            return _to_sign_in(request)
        return view(request, *args, **kwargs)

    checked.required_role = "signed_in"  # type: ignore[attr-defined]
    return checked


def get_or_404(queryset: QuerySet[M], pk: UUID | str) -> M:
    """The object with this id, or the 404 that a missing id gets; pass a queryset narrowed by `for_org`."""
    found = queryset.filter(pk=pk).first()
    if found is None:
        raise Http404
    return found


def _to_sign_in(request: OrgRequest) -> HttpResponse:
    if request.htmx:
        response = HttpResponse(status=401)
        response["HX-Trigger"] = "signed-out"
        return response
    back = request.get_full_path() if request.method == "GET" else "/"
    return redirect(f"{resolve_url(settings.LOGIN_URL)}?{urlencode({'next': back})}")
