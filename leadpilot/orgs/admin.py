"""Support's view of organizations and people."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin

from leadpilot.lib.admin import RecordAdmin, RowAdmin
from leadpilot.orgs.models import (
    AuditEntry,
    Membership,
    Notification,
    Organization,
    RecurringJob,
    SignInLink,
    User,
)


class MembershipInline(admin.TabularInline[Any, Any]):
    model = Membership
    extra = 0
    autocomplete_fields = ["user"]


@admin.register(Organization)
class OrganizationAdmin(RowAdmin):
    list_display = ["name", "slug", "time_zone", "is_sandbox", "halted_at", "created_at"]
    list_filter = ["is_sandbox", ("halted_at", admin.EmptyFieldListFilter)]
    search_fields = ["name", "slug"]
    readonly_fields = ["created_at", "updated_at", "halted_at", "halted_by"]
    inlines = [MembershipInline]


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
class MembershipAdmin(RowAdmin):
    list_display = ["user", "org", "role", "created_at"]
    list_filter = ["role"]
    search_fields = ["user__email", "org__name"]
    autocomplete_fields = ["user", "org"]


@admin.register(AuditEntry)
class AuditEntryAdmin(RecordAdmin):
    list_display = ["created_at", "org", "actor", "action", "message"]
    list_filter = ["action"]
    search_fields = ["message", "subject_id", "org__name"]
    date_hierarchy = "created_at"


@admin.register(Notification)
class NotificationAdmin(RowAdmin):
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
