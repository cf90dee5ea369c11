"""Support's view of organizations and people."""

from __future__ import annotations

from typing import Any

import allauth.mfa.admin  # noqa: F401  # registers what is registered anew below
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest

from leadpilot.lib.admin import RecordAdmin, RecordInline
from leadpilot.orgs import services
from leadpilot.orgs.models import (
    AuditEntry,
    Membership,
    Notification,
    Organization,
    RecurringJob,
    Role,
    SignInLink,
    User,
)
from leadpilot.orgs.support import ServiceAdmin, who


class MembershipInline(RecordInline):
    model = Membership
    exclude = ()  # the organization is what it is shown under

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """People join by invitation."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Roles are given in the list of memberships, by the service."""
        return False


@admin.register(Organization)
class OrganizationAdmin(ServiceAdmin):
    list_display = ["name", "slug", "time_zone", "is_sandbox", "halted_at", "created_at"]
    list_filter = ["is_sandbox", ("halted_at", admin.EmptyFieldListFilter)]
    search_fields = ["name", "slug"]
    readonly_fields = ["slug", "is_sandbox", "created_at", "updated_at", "halted_at", "halted_by"]
    inlines = [MembershipInline]
    actions = ["halt", "resume"]

    def write(self, request: HttpRequest, obj: Any, changes: dict[str, Any]) -> Any:
        """Changes, recorded."""
        return services.update_organization(org=obj, by=who(request), **changes)

    @admin.action(description="Stop everything of the chosen organizations")
    def halt(self, request: HttpRequest, chosen: QuerySet[Any]) -> None:
        """The kill switch."""
        self.each(
            request, chosen, lambda org, why: services.halt(org=org, by=who(request), reason=why), "Stopped"
        )

    @admin.action(description="Let the chosen organizations go on")
    def resume(self, request: HttpRequest, chosen: QuerySet[Any]) -> None:
        """Lift the kill switch."""
        self.each(request, chosen, lambda org, _: services.resume(org=org, by=who(request)), "Going on")


@admin.register(User)
class UserAdmin(DjangoUserAdmin[User]):
    ordering = ["email"]
    list_display = ["email", "name", "is_active", "is_superuser", "last_login"]
    list_filter = ["is_active", "is_superuser"]
    search_fields = ["email", "name"]
    readonly_fields = ["last_login", "created_at"]
    fieldsets = [
        (None, {"fields": ["email", "name", "password"]}),
        ("Access", {"fields": ["is_active", "is_staff", "is_superuser"]}),
        ("Times", {"fields": ["last_login", "created_at"]}),
    ]
    add_fieldsets = [(None, {"fields": ["email", "name", "password1", "password2"]})]


@admin.register(Membership)
class MembershipAdmin(ServiceAdmin):
    list_display = ["user", "org", "role", "created_at"]
    list_filter = ["role"]
    list_select_related = ["user", "org"]
    search_fields = ["user__email", "org__name"]
    actions = ["make_owner", "make_admin", "make_member", "make_viewer"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Roles are given by the actions of the list."""
        return False

    def _give(self, request: HttpRequest, chosen: QuerySet[Any], role: Role) -> None:
        self.each(
            request,
            chosen,
            lambda membership, _: services.set_role(membership=membership, role=role, by=who(request)),
            f"Now {role.label.lower()}",
        )

    @admin.action(description="Make owner")
    def make_owner(self, request: HttpRequest, chosen: QuerySet[Any]) -> None:
        """May do everything."""
        self._give(request, chosen, Role.OWNER)

    @admin.action(description="Make admin")
    def make_admin(self, request: HttpRequest, chosen: QuerySet[Any]) -> None:
        """May do everything but give roles."""
        self._give(request, chosen, Role.ADMIN)

    @admin.action(description="Make member")
    def make_member(self, request: HttpRequest, chosen: QuerySet[Any]) -> None:
        """Does the daily work."""
        self._give(request, chosen, Role.MEMBER)

    @admin.action(description="Make viewer")
    def make_viewer(self, request: HttpRequest, chosen: QuerySet[Any]) -> None:
        """May look."""
        self._give(request, chosen, Role.VIEWER)


@admin.register(AuditEntry)
class AuditEntryAdmin(RecordAdmin):
    list_display = ["created_at", "org", "actor", "action", "message"]
    list_filter = ["action"]
    search_fields = ["message", "subject_id", "org__name"]
    date_hierarchy = "created_at"


@admin.register(Notification)
class NotificationAdmin(RecordAdmin):
    list_display = ["created_at", "org", "type", "title", "priority", "read_at"]
    list_filter = ["type", "priority"]
    search_fields = ["title", "message"]


@admin.register(RecurringJob)
class RecurringJobAdmin(RecordAdmin):
    list_display = ["name", "last_started_at"]


@admin.register(SignInLink)
class SignInLinkAdmin(RecordAdmin):
    list_display = ["user", "created_at", "expires_at", "used_at"]
    search_fields = ["user__email"]
    exclude = ["token_hash"]


admin.site.unregister(Authenticator)


@admin.register(Authenticator)
class AuthenticatorAdmin(RecordAdmin):
    """Who has a second factor, and since when; never what makes its codes."""

    list_display = ["user", "type", "created_at", "last_used_at"]
    list_filter = ["type", "created_at"]
    list_select_related = ["user"]
    search_fields = ["user__email"]
    exclude = ["data"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who lost their second factor is helped by taking it away."""
        return True
