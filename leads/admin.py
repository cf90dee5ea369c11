"""Support's view of leads, over all organizations. What is a record of the past can be read, not changed."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from leadpilot.lib.admin import RecordAdmin, RowAdmin
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


@admin.register(Lead)
class LeadAdmin(RowAdmin):
    list_select_related = ("org",)
    list_display = ("name", "email", "company", "status", "score", "org", "created_at")
    list_filter = ("status", "created_at")
    search_fields = ("name", "email", "company", "=id")
    raw_id_fields = ("org", "company_profile", "owner", "lead_import")
    readonly_fields = ("id", "created_at", "updated_at", "score_breakdown", "researched_at")
    date_hierarchy = "created_at"


@admin.register(Company)
class CompanyAdmin(RowAdmin):
    list_select_related = ("org",)
    list_display = ("domain", "name", "industry", "org", "researched_at")
    list_filter = ("created_at",)
    search_fields = ("domain", "name")
    raw_id_fields = ("org",)
    readonly_fields = ("id", "created_at", "updated_at")


@admin.register(Suppression)
class SuppressionAdmin(RowAdmin):
    list_select_related = ("org",)
    list_display = ("value", "kind", "reason", "origin", "org", "created_at")
    list_filter = ("reason", "kind", "created_at")
    search_fields = ("value", "origin")
    raw_id_fields = ("org", "created_by")
    readonly_fields = ("id", "created_at")


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
