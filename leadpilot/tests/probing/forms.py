"""Forms that are complete but for the ids in them, so that a request gets as far as the code that uses those."""

from __future__ import annotations

from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile

from agent.forms import ConfigForm
from agent.models import AgentConfig

_CAMPAIGN = {
    "name": "Spring",
    "window_days": ["monday"],
    "window_start": "09:00",
    "window_end": "17:00",
    "daily_cap": "50",
    "approval_mode": "every",
}
_MAILBOX = {
    "email": "new@okapi.example",
    "from_name": "New",
    "smtp_host": "127.0.0.1",
    "smtp_port": "2525",
    "smtp_security": "none",
    "inbound_kind": "none",
    "imap_port": "993",
    "imap_security": "tls",
    "daily_cap": "10",
    "min_spacing_seconds": "60",
    "ramp_start": "1",
    "ramp_step": "1",
    "save_paused": "1",
}
_STEP = {
    "type": "introduction",
    "tone": "friendly",
    "personalization_depth": "high",
    "length": "short",
    "delay_days": "2",
    "instructions": "Be kind.",
}
_COLUMNS = {"column-0": "name", "column-1": "email", "column-2": "custom", "update_existing": "1"}
_LEAD = {"name": "Cy Young", "email": "cy@okapi.example"}
_DECISION = {"version": "1", "reason": "No."}
_SETTINGS = {"name": "Okapi", "time_zone": "UTC", "postal_address": "1 Road", "max_emails_per_day": "5"}

FORMS: dict[str, dict[str, Any]] = {
    "agent:answer_approve": _DECISION,
    "agent:answer_edit": {"version": "1", "subject": "Hello", "body": "Hello there."},
    "agent:answer_reject": _DECISION,
    "agent:answer_write": {"body": "Hello there."},
    "agent:approval_approve": _DECISION,
    "agent:approval_reject": _DECISION,
    "agent:approval_edit": {"version": "1", "subject": "Hello", "body": "Hello there."},
    "agent:approval_rewrite": _DECISION,
    "agent:score_weights": {"defaults": "1"},
    "agent:task_reject": {"reason": "No."},
    "campaigns:campaign_create": _CAMPAIGN,
    "campaigns:campaign_edit": _CAMPAIGN,
    "campaigns:inbound_classify": {"classification": "question"},
    "campaigns:mailbox_create": _MAILBOX,
    "campaigns:mailbox_edit": _MAILBOX,
    "campaigns:message_settle": {"outcome": "sent"},
    "campaigns:step_edit": _STEP,
    "campaigns:thread_snooze": {"days": "3"},
    "leads:import_preview": _COLUMNS,
    "leads:import_reading": {"encoding": "utf-8", "delimiter": ","},
    "leads:import_start": _COLUMNS,
    "leads:lead_create": _LEAD,
    "leads:lead_edit": _LEAD,
    "leads:note_create": {"text": "Called."},
    "leads:suppression_add": {"value": "stop@okapi.example", "reason": "manual"},
    "leads:suppression_lift": {"reason": "They asked."},
    "orgs:member_add": {"name": "New", "email": "new@okapi.example", "role": "member"},
    "orgs:member_role": {"role": "owner"},
    "orgs:settings": _SETTINGS,
    "orgs:welcome": {"name": "Second"},
}
# What a careless view might read: every id under every name that a model or a habit gives it.
HABITS = {
    **dict.fromkeys(("org", "org_id", "organization", "tenant"), "org"),
    **dict.fromkeys(("pk", "id", "lead_id", "leads", "to"), "lead"),
    **{f"{name}_id": name for name in ("campaign", "mailbox", "thread", "message", "enrollment", "draft")},
    **{name: name for name in ("thread", "message", "enrollment", "draft", "step", "fact", "task", "agent")},
    **{"company_profile": "company", "in_reply_to": "inbound", "inbox_message": "inbound"},
    **{"owner": "user", "user": "user", "user_id": "user", "created_by": "user", "membership": "membership"},
}


def form_for(name: str) -> dict[str, Any]:
    """A fresh copy of a route's form; uploads are read once."""
    form = dict(FORMS.get(name, {}))
    if name == "agent:control_center":
        shown = ConfigForm(instance=AgentConfig()).initial
        form = {key: value for key, value in shown.items() if value not in (None, False, "")}
    if name == "leads:import_create":
        form["file"] = SimpleUploadedFile("new.csv", b"name,email\nDee,dee@okapi.example\n", "text/csv")
    return form
