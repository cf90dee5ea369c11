"""What people type on the agent's pages."""

from __future__ import annotations

from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator

from agent.models import AgentConfig
from campaigns.models.campaign import WEEKDAYS


class DraftForm(forms.Form):
    """The text of a draft, and the version that was seen."""

    version = forms.IntegerField(min_value=1, widget=forms.HiddenInput)
    subject = forms.CharField(max_length=300)
    body = forms.CharField(widget=forms.Textarea(attrs={"rows": 16, "autofocus": True}), strip=False)


class DecisionForm(forms.Form):
    """The version a person decides about."""

    version = forms.IntegerField(min_value=1)
    reason = forms.CharField(required=False, max_length=1000)


APPROVALS = [
    ("send_message", "Sending a message"),
    ("respond_to_reply", "Answering a reply"),
    ("book_meeting", "Booking a meeting"),
    ("enroll_lead", "Enrolling a lead"),
]


RANGES = {"minimum_confidence": (0, 1), "temperature": (0, 2), "score_threshold": (0, 100)}


class ConfigForm(forms.ModelForm[AgentConfig]):
    """The control center: every field of seed 002, section 12.3, that a person sets."""

    schedule_days = forms.MultipleChoiceField(
        choices=[(day, day.title()) for day in WEEKDAYS], widget=forms.CheckboxSelectMultiple, label="Days"
    )
    require_approval_for = forms.MultipleChoiceField(
        choices=APPROVALS, widget=forms.CheckboxSelectMultiple, required=False, label="Ask me before"
    )
    schedule_timezone = forms.ChoiceField(
        choices=lambda: [(z, z) for z in sorted(available_timezones())], label="Time zone"
    )
    notify_slack_webhook = forms.URLField(
        required=False,
        assume_scheme="https",
        label="Slack webhook",
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="Kept encrypted and not shown again.",
    )
    forget_slack_webhook = forms.BooleanField(required=False, label="Remove the Slack webhook that is kept")

    class Meta:
        model = AgentConfig
        fields = [
            "name",
            "llm_provider",
            "llm_model",
            "temperature",
            "schedule_enabled",
            "schedule_timezone",
            "schedule_days",
            "schedule_start_time",
            "schedule_end_time",
            "max_leads_per_day",
            "max_messages_per_day",
            "max_actions_per_hour",
            "auto_respond_to_positive",
            "auto_respond_to_questions",
            "auto_book_meetings",
            "require_approval_for",
            "minimum_confidence",
            "score_threshold",
            "notify_on_positive_reply",
            "notify_on_meeting_booked",
            "notify_on_error",
            "notify_email",
        ]
        widgets = {
            "schedule_start_time": forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
            "schedule_end_time": forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        }
        labels = {
            "llm_provider": "Model provider",
            "llm_model": "Model",
            "schedule_enabled": "Work by schedule only",
            "schedule_start_time": "From",
            "schedule_end_time": "To",
            "max_leads_per_day": "Leads a day",
            "max_messages_per_day": "Messages a day",
            "max_actions_per_hour": "Actions an hour",
            "auto_respond_to_positive": "Answer positive replies",
            "auto_respond_to_questions": "Answer questions",
            "auto_book_meetings": "Book meetings",
            "minimum_confidence": "Ask when less sure than",
            "score_threshold": "Score a lead needs",
            "notify_on_positive_reply": "A positive reply",
            "notify_on_meeting_booked": "A meeting booked",
            "notify_on_error": "An error",
            "notify_email": "Also by mail to",
        }
        help_texts = {
            "temperature": "0 is dry and repeatable, 1 is lively.",
            "llm_model": "Leave empty for the one in LEADPILOT_MODEL. Without a key the template writer writes.",
            "score_threshold": "0 to 100; leads below it are skipped with the reason.",
            "minimum_confidence": "0 to 1.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, (low, high) in RANGES.items():
            self.fields[name].validators += [MinValueValidator(low), MaxValueValidator(high)]
        if self.instance.notify_slack_webhook:
            self.fields["notify_slack_webhook"].help_text = "One is kept. Leave this empty to keep it."
        else:
            del self.fields["forget_slack_webhook"]

    def clean(self) -> dict[str, Any]:
        """The day has to end after it begins."""
        cleaned = super().clean() or {}
        start, end = cleaned.get("schedule_start_time"), cleaned.get("schedule_end_time")
        if start and end and end <= start:
            self.add_error(
                "schedule_end_time", f"{end:%H:%M} is not after {start:%H:%M}; choose a later end."
            )
        return cleaned

    def values(self) -> dict[str, Any]:
        """What `update_config` takes: a webhook left empty stays as it is, unless it is to be forgotten."""
        values = dict(self.cleaned_data)
        forget = values.pop("forget_slack_webhook", False)
        if not values["notify_slack_webhook"] and not forget:
            del values["notify_slack_webhook"]
        return values
