"""What people type about campaigns, steps and mailboxes."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings

from campaigns.models import Campaign, Classification, InboundKind, Mailbox, SequenceStep
from campaigns.models.campaign import WEEKDAYS, working_days
from campaigns.windows import zone_of
from leadpilot.lib import clock


class ClassificationForm(forms.Form):
    classification = forms.ChoiceField(choices=Classification.choices)


class CampaignForm(forms.ModelForm[Campaign]):
    window_days = forms.MultipleChoiceField(
        choices=[(day, day.title()) for day in WEEKDAYS],
        widget=forms.CheckboxSelectMultiple,
        initial=working_days,
        label="Days",
    )
    pool = forms.ModelMultipleChoiceField(
        queryset=Mailbox.objects.none(),
        widget=forms.CheckboxSelectMultiple,
        required=False,
        label="Send from",
        help_text="A lead always hears from the same mailbox.",
    )

    class Meta:
        model = Campaign
        fields = [
            "name",
            "description",
            "goal",
            "offer",
            "tone",
            "audience",
            "call_to_action",
            "window_days",
            "window_start",
            "window_end",
            "daily_cap",
            "approval_mode",
            "enroll_automatically",
        ]
        widgets = {
            "description": forms.Textarea(attrs={"rows": 2}),
            "goal": forms.Textarea(attrs={"rows": 2}),
            "offer": forms.Textarea(attrs={"rows": 3}),
            "audience": forms.Textarea(attrs={"rows": 2}),
            "window_start": forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
            "window_end": forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        }
        labels = {
            "window_start": "From",
            "window_end": "To",
            "daily_cap": "Mails a day",
            "approval_mode": "Approval",
            "enroll_automatically": "Take in qualified leads by itself",
        }
        help_texts = {
            "goal": "What should happen at the end? A call, a trial, an answer.",
            "offer": "What you offer here. Left empty, the organization's offer is used.",
            "call_to_action": "The one thing you ask for, as a question.",
            "daily_cap": "Of this campaign, over all its mailboxes.",
        }

    def __init__(self, *args: Any, org: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        pool: Any = self.fields["pool"]
        pool.queryset = Mailbox.objects.for_org(org).order_by("email")

    def clean(self) -> dict[str, Any]:
        """The window has to end after it begins."""
        cleaned = super().clean() or {}
        start, end = cleaned.get("window_start"), cleaned.get("window_end")
        if start and end and end <= start:
            self.add_error("window_end", f"{end:%H:%M} is not after {start:%H:%M}; choose a later end.")
        return cleaned


class StepForm(forms.ModelForm[SequenceStep]):
    class Meta:
        model = SequenceStep
        fields = ["type", "tone", "personalization_depth", "length", "delay_days", "instructions"]
        widgets = {"instructions": forms.Textarea(attrs={"rows": 3})}
        labels = {
            "delay_days": "Working days after the step before",
            "personalization_depth": "Personal depth",
        }
        help_texts = {
            "instructions": (
                "The template writer puts these words into the mail (600 characters, as far as 150 words allow); "
                "a model takes them as a wish."
            )
        }


PRESETS: dict[str, dict[str, Any]] = {
    "gmail": {
        "smtp_host": "smtp.gmail.com",
        "smtp_port": 587,
        "smtp_security": "starttls",
        "imap_host": "imap.gmail.com",
        "imap_port": 993,
        "imap_security": "tls",
    },
    "outlook": {
        "smtp_host": "smtp.office365.com",
        "smtp_port": 587,
        "smtp_security": "starttls",
        "imap_host": "outlook.office365.com",
        "imap_port": 993,
        "imap_security": "tls",
    },
    "fastmail": {
        "smtp_host": "smtp.fastmail.com",
        "smtp_port": 465,
        "smtp_security": "tls",
        "imap_host": "imap.fastmail.com",
        "imap_port": 993,
        "imap_security": "tls",
    },
}
PRESET_NOTES = {
    "gmail": "Use an app password (Google account, Security, App passwords), not your own password.",
    "outlook": "Microsoft ends sign-in by password for SMTP in 2026; an app password may be refused.",
    "fastmail": "Make an app password with mail access (Settings, Privacy & Security).",
}


class MailboxForm(forms.ModelForm[Mailbox]):
    """Passwords are never shown again; left empty, the stored ones stay."""

    smtp_password = forms.CharField(
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        strip=False,
        label="Password",
    )
    imap_password = forms.CharField(
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        strip=False,
        label="Password",
        help_text="Left empty, the one for sending is used.",
    )
    ramp = forms.BooleanField(
        required=False,
        label="Warm it up",
        help_text="A new mailbox that sends much at once is taken for spam: start low, add some each day.",
    )

    class Meta:
        model = Mailbox
        fields = [
            "email",
            "from_name",
            "signature",
            "smtp_host",
            "smtp_port",
            "smtp_security",
            "smtp_username",
            "inbound_kind",
            "imap_host",
            "imap_port",
            "imap_security",
            "imap_username",
            "daily_cap",
            "min_spacing_seconds",
            "ramp_start",
            "ramp_step",
        ]
        widgets = {"signature": forms.Textarea(attrs={"rows": 4})}
        labels = {
            "email": "Address",
            "smtp_host": "SMTP server",
            "smtp_port": "Port",
            "smtp_security": "Security",
            "smtp_username": "User name",
            "inbound_kind": "Read answers by",
            "imap_host": "IMAP server",
            "imap_port": "Port",
            "imap_security": "Security",
            "imap_username": "User name",
            "daily_cap": "Mails a day, at most",
            "min_spacing_seconds": "Seconds between two mails, at least",
            "ramp_start": "Mails on the first day",
            "ramp_step": "More each day",
        }
        help_texts = {
            "smtp_username": "Left empty, the address is used with the password.",
            "imap_username": "Left empty, the user name for sending is used.",
        }

    def __init__(self, *args: Any, stored: Mailbox | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.stored = stored
        self.fields["ramp"].initial = stored is None or stored.ramp_started_at is not None
        if stored is not None:
            for name in ("smtp_password", "imap_password"):
                if getattr(stored, name):
                    self.fields[name].help_text = "Left empty, the stored one stays."
        if not settings.SANDBOX["enabled"]:
            kinds: Any = self.fields["inbound_kind"]
            kinds.choices = [pair for pair in kinds.choices if pair[0] != InboundKind.MAILDIR]

    def clean_smtp_port(self) -> int:
        """A port number."""
        return self._port("smtp_port")

    def clean_imap_port(self) -> int:
        """A port number."""
        return self._port("imap_port")

    def _port(self, name: str) -> int:
        port = int(self.cleaned_data[name])
        if not 1 <= port <= 65535:
            raise forms.ValidationError(f"{port} is not a port; 587 or 465 for SMTP, 993 for IMAP.")
        return port

    def clean(self) -> dict[str, Any]:
        """Reading by IMAP needs a server; what was left empty is taken from where its hint says."""
        cleaned = super().clean() or {}
        if cleaned.get("inbound_kind") == "imap" and not cleaned.get("imap_host"):
            self.add_error("imap_host", "Reading by IMAP needs a server; or choose “Not read”.")
        if cleaned.get("smtp_password") and not cleaned.get("smtp_username"):
            cleaned["smtp_username"] = cleaned.get("email", "")
        cleaned["imap_username"] = cleaned.get("imap_username") or cleaned.get("smtp_username", "")
        if not (cleaned.get("imap_password") or (self.stored and self.stored.imap_password)):
            cleaned["imap_password"] = cleaned.get("smtp_password", "")
        return cleaned

    def values(self) -> dict[str, Any]:
        """What `save_mailbox` takes: passwords left empty are None, warming up starts today unless it has started."""
        values = dict(self.cleaned_data)
        for name in ("smtp_password", "imap_password"):
            values[name] = values[name] or None
        started = self.stored.ramp_started_at if self.stored else None
        today = clock.now().astimezone(zone_of(self.instance.org.time_zone)).date()
        values["ramp_started_at"] = (started or today) if values.pop("ramp") else None
        return values
