"""Support's view of leads, over all organizations. What is a record of the past can be read, not changed."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from leadpilot.lib.admin import RecordAdmin
from leadpilot.orgs.support import ServiceAdmin, who
from leads.models import (
    ApiUsage,
    Company,
    Fact,
    ImportProblem,
    Lead,
    LeadImport,
    LeadResearch,
    Note,
    Page,
    Suppression,
)
from leads.services.leads import archive_lead, update_lead
from leads.services.suppression import lift, suppress
from leads.validation import normal_email


@admin.register(Lead)
class LeadAdmin(ServiceAdmin):
    list_select_related = ("org",)
    list_display = ("name", "email", "company", "status", "score", "org", "created_at")
    list_filter = ("status", "created_at")
    search_fields = ("name", "email", "company", "=id")
    raw_id_fields = ("owner",)
    readonly_fields = (
        *("id", "org", "status", "skip_reason", "score", "score_breakdown", "company_profile", "lead_import"),
        *("relationship_strength", "last_interaction_at", "researched_at", "created_at", "updated_at"),
    )
    date_hierarchy = "created_at"
    actions = ("archive",)

    def write(self, request: HttpRequest, obj: Any, changes: dict[str, Any]) -> Any:
        """Checked, linked to the company by domain, and recorded."""
        return update_lead(lead=obj, by=who(request), **changes)

    @admin.action(description="Archive the chosen leads")
    def archive(self, request: HttpRequest, chosen: QuerySet[Any]) -> None:
        """The machine writes to them no more."""
        self.each(request, chosen, lambda lead, _: archive_lead(lead=lead, by=who(request)), "Archived")


@admin.register(Company)
class CompanyAdmin(RecordAdmin):
    list_select_related = ("org",)
    list_display = ("domain", "name", "industry", "org", "researched_at")
    list_filter = ("created_at",)
    search_fields = ("domain", "name")


class SuppressionForm(forms.ModelForm[Suppression]):
    """The service looks at the value and finds its kind; here it is only tidied."""

    def clean_value(self) -> str:
        """As the service keeps it."""
        return normal_email(self.cleaned_data["value"])


@admin.register(Suppression)
class SuppressionAdmin(ServiceAdmin):
    list_select_related = ("org",)
    list_display = ("value", "kind", "reason", "origin", "org", "created_at")
    list_filter = ("reason", "kind", "created_at")
    search_fields = ("value", "origin")
    raw_id_fields = ("org",)
    fields = ("org", "value", "reason", "origin")
    form = SuppressionForm
    actions = ("take_off",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """An address somebody wrote to support about."""
        return True

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """An entry is taken off with a reason, not rewritten."""
        return False

    def write(self, request: HttpRequest, obj: Any, changes: dict[str, Any]) -> Any:
        """Put on the list; the lead with that address is closed where the reason asks for it."""
        return suppress(
            org=obj.org, value=obj.value, reason=obj.reason, origin=obj.origin or "support", by=who(request)
        )

    @admin.action(description="Take off the list (say why in “Reason”)")
    def take_off(self, request: HttpRequest, chosen: QuerySet[Any]) -> None:
        """Refused without a reason."""
        self.each(
            request,
            chosen,
            lambda entry, why: lift(suppression=entry, reason=why, by=who(request)),
            "Taken off",
        )


@admin.register(Note)
class NoteAdmin(RecordAdmin):
    list_display = ("lead", "author", "created_at")
    list_filter = ("created_at",)
    search_fields = ("text", "lead__email")
    list_select_related = ("lead", "author")


@admin.register(LeadImport)
class LeadImportAdmin(RecordAdmin):
    list_display = (
        "file_name",
        "status",
        "total",
        "created",
        "updated",
        "skipped",
        "rejected",
        "org",
        "created_at",
    )
    list_filter = ("status", "created_at")
    search_fields = ("file_name", "=id")
    exclude = ("content",)
    list_select_related = ("org",)

    def get_queryset(self, request: HttpRequest) -> Any:
        """Without the files."""
        return super().get_queryset(request).defer("content")


@admin.register(ImportProblem)
class ImportProblemAdmin(RecordAdmin):
    list_display = ("row", "outcome", "field", "message", "lead_import")
    list_filter = ("outcome", "field")
    search_fields = ("message", "value")
    list_select_related = ("lead_import",)


@admin.register(Page)
class PageAdmin(RecordAdmin):
    list_display = ("url", "status", "http_status", "company", "fetched_at")
    list_filter = ("status", "rendered", "fetched_at")
    search_fields = ("url", "final_url", "title")
    list_select_related = ("company",)


@admin.register(LeadResearch)
class LeadResearchAdmin(RecordAdmin):
    list_display = ("lead", "tool_used", "data_quality_score", "processing_time_ms", "created_at")
    list_filter = ("tool_used", "created_at")
    search_fields = ("lead__email", "research_notes")
    list_select_related = ("lead",)


@admin.register(Fact)
class FactAdmin(RecordAdmin):
    list_display = ("statement", "category", "confidence", "source_url", "retrieved_at")
    list_filter = ("category", "retrieved_at")
    search_fields = ("statement", "quote", "source_url")


@admin.register(ApiUsage)
class ApiUsageAdmin(RecordAdmin):
    list_display = ("service", "endpoint", "tokens_used", "cost_cents", "timestamp")
    list_filter = ("service", "timestamp")
    search_fields = ("endpoint", "error")
