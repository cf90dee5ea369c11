"""What the admin console of each app is made of: rows that support may correct, and rows that only services write."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db import models
from django.http import HttpRequest


class RowAdmin(admin.ModelAdmin[Any]):
    """Rows that support may correct. Long lists are not counted; an address typed without a scheme is https."""

    list_per_page = 50
    show_full_result_count = False
    formfield_overrides = {models.URLField: {"assume_scheme": "https"}}


class RecordAdmin(RowAdmin):
    """Rows that only the services may write: to be looked at."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Rows come from the application only."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A record is not rewritten."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A record goes with its organization or by the retention rules, not from here."""
        return False


class RecordInline(admin.TabularInline[Any, Any]):
    """Records of the row that is shown."""

    exclude: ClassVar[tuple[str, ...]] = ("org",)
    extra = 0
    can_delete = False
