"""The admin console's view of the agent: for support work, over all organizations. Read, never written."""

from __future__ import annotations

from django.contrib import admin

from agent.models import Agent, AgentConfig, AgentLog, AgentTask, Decision, Draft
from leadpilot.lib.admin import RecordAdmin


@admin.register(AgentConfig)
class AgentConfigAdmin(RecordAdmin):
    list_display = ("org", "name", "is_enabled", "status", "status_reason", "updated_at")
    list_filter = ("status", "is_enabled")
    list_select_related = ("org",)
    search_fields = ("org__name", "org__slug")


@admin.register(Agent)
class AgentAdmin(RecordAdmin):
    list_display = ("name", "org", "agent_type", "status", "last_active_at")
    list_filter = ("agent_type", "status")
    list_select_related = ("org",)
    search_fields = ("name", "org__name", "org__slug")


@admin.register(AgentTask)
class AgentTaskAdmin(RecordAdmin):
    list_display = (
        "task_type",
        "org",
        "status",
        "lead",
        "attempts",
        "retry_count",
        "scheduled_for",
        "error_message",
    )
    list_filter = ("status", "task_type")
    list_select_related = ("org", "lead")
    search_fields = ("=id", "dedupe_key", "org__slug")
    date_hierarchy = "created_at"


@admin.register(Draft)
class DraftAdmin(RecordAdmin):
    list_display = (
        "subject",
        "org",
        "lead",
        "step_number",
        "status",
        "version",
        "has_unsupported",
        "created_at",
    )
    list_filter = ("status", "has_unsupported")
    list_select_related = ("org", "lead")
    search_fields = ("subject", "lead__email")


@admin.register(AgentLog)
class AgentLogAdmin(RecordAdmin):
    list_display = ("created_at", "org", "log_type", "action_type", "message", "lead", "actor")
    list_filter = ("log_type", "action_type")
    search_fields = ("message", "reasoning", "action_type", "lead__email", "org__slug")
    list_select_related = ("org", "lead", "actor")
    date_hierarchy = "created_at"


@admin.register(Decision)
class DecisionAdmin(RecordAdmin):
    list_display = ("created_at", "org", "action", "outcome", "until", "lead", "actor")
    list_filter = ("action", "outcome")
    search_fields = ("=id", "action", "lead__email", "org__slug")
    list_select_related = ("org", "lead", "actor")
    date_hierarchy = "created_at"
