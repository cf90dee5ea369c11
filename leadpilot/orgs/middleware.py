"""Names the organization of each request, for the ORM and for PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable

from django.db import transaction
from django.http import HttpRequest, HttpResponse

from leadpilot.orgs.models import Membership
from leadpilot.orgs.requests import OrgRequest
from leadpilot.orgs.routers import system_database
from leadpilot.orgs.tenancy import org_context, user_context

GetResponse = Callable[[HttpRequest], HttpResponse]
SESSION_KEY = "org_id"


class SystemDatabaseMiddleware:
    """The admin console works over organizations, as the system role."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith("/admin/"):
            return self.get_response(request)
        with system_database():
            response = self.get_response(request)
            if hasattr(response, "render") and not getattr(response, "is_rendered", True):
                response.render()
            return response


class OrgMiddleware:
    """Runs the view inside `org_context` of the signed-in user's organization.

    Sets `request.org` and `request.membership`, both None for strangers to every organization. What a view wrote before
    it raised is taken back: by then Django has made its exception a response, which alone would commit.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: OrgRequest) -> HttpResponse:
        request.org = request.membership = None  # type: ignore[assignment]
        if request.path.startswith("/admin/") or not request.user.is_authenticated:
            return self.get_response(request)
        membership = self._membership(request)
        if membership is None:
            return self.get_response(request)
        request.membership, request.org = membership, membership.org
        with org_context(membership.org_id):
            response = self.get_response(request)
            if getattr(request, "view_raised", False):
                transaction.set_rollback(True)
            return response

    def process_exception(self, request: OrgRequest, exception: Exception) -> None:
        """Remember it; the rollback waits until the page that says so is rendered."""
        request.view_raised = True  # type: ignore[attr-defined]

    @staticmethod
    def _membership(request: OrgRequest) -> Membership | None:
        with user_context(request.user.pk):
            mine = list(
                Membership.objects.filter(user=request.user).select_related("org").order_by("created_at")
            )
        chosen = request.session.get(SESSION_KEY)
        return next((m for m in mine if str(m.org_id) == chosen), mine[0] if mine else None)
