"""The admin console passes the same doors as everybody: what it changes, it changes by the services.

The console reads as the system role, over all organizations. A change is made as the application's role, inside the
organization whose row it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import ActionForm
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from leadpilot.lib.admin import RowAdmin
from leadpilot.lib.errors import DomainError
from leadpilot.orgs.models import User
from leadpilot.orgs.routers import application_database
from leadpilot.orgs.tenancy import org_context


class ReasonForm(ActionForm):
    """The bar above a list: what to do with the chosen rows, and why."""

    reason = forms.CharField(required=False, max_length=500, label="Reason")


def who(request: HttpRequest) -> User:
    """The superuser at the console. Raises PermissionDenied for anybody who is not signed in."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


@contextmanager
def inside(org_id: UUID) -> Iterator[None]:
    """Work as the application does, in this organization's rows alone."""
    with application_database(), org_context(org_id):
        yield


class ServiceAdmin(RowAdmin):
    """Rows that support may correct, each change by its service. `write` makes it; nothing is deleted from here."""

    action_form = ReasonForm

    def write(self, request: HttpRequest, obj: Any, changes: dict[str, Any]) -> Any:
        """Make the changes (field → value) by a service, inside the row's organization. Raises DomainError."""
        raise NotImplementedError

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Rows come from the application."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A row goes with its organization or by the retention rules."""
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """By the service, with the row as it is and the values that were typed."""
        changes = {name: form.cleaned_data[name] for name in form.changed_data}
        with inside(org_of(obj)):
            row = type(obj).objects.get(pk=obj.pk) if change else obj
            obj.pk = self.write(request, row, changes).pk

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """What a service refuses is said on the page that was typed on."""
        try:
            return super().changeform_view(request, *args, **kwargs)
        except DomainError as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    def each(
        self, request: HttpRequest, chosen: QuerySet[Any], act: Callable[[Any, str], Any], done: str
    ) -> None:
        """Do `act(row, reason)` for every chosen row, each inside its organization; say how many, and why not."""
        reason, count = request.POST.get("reason", "").strip(), 0
        for found in chosen:
            try:
                with inside(org_of(found)):
                    act(type(found).objects.get(pk=found.pk), reason)
                count += 1
            except DomainError as error:
                self.message_user(request, f"{found}: {error}", messages.ERROR)
        if count:
            self.message_user(request, f"{done}: {count}.", messages.SUCCESS)


def org_of(row: Any) -> UUID:
    """The organization a row belongs to; an organization belongs to itself."""
    found: UUID = getattr(row, "org_id", None) or row.pk
    return found
