"""The application's routes, and views that write and then fail."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.urls import path

from leadpilot.orgs.access import member_required
from leadpilot.orgs.models import Notification
from leadpilot.orgs.requests import OrgRequest
from leadpilot.tests.probing import failing_jobs
from leadpilot.urls import handler404, handler500, urlpatterns

ERRORS = {"broken": RuntimeError, "absent": Http404, "forbidden": PermissionDenied}


@member_required
def write(request: OrgRequest, error: str) -> HttpResponse:
    """Write a row; then fail as asked, or not."""
    Notification.objects.create(org=request.org, type="probe", title=f"half of {error}")
    if error in ERRORS:
        raise ERRORS[error]("it went wrong in the middle")
    return HttpResponse("done")


@member_required
def fail(request: OrgRequest, job: str) -> HttpResponse:
    """Fail as one of the failing jobs does."""
    getattr(failing_jobs, job)(str(request.org.pk))
    return HttpResponse("it did not fail")


urlpatterns = [path("probe/<str:error>/", write), path("fail/<str:job>/", fail), *urlpatterns]
__all__ = ["handler404", "handler500", "urlpatterns"]
