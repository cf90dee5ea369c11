"""What people may change about their organization."""

from __future__ import annotations

from zoneinfo import available_timezones

from django import forms

from leadpilot.orgs.models import Organization, Role


def time_zone_choices() -> list[tuple[str, str]]:
    """Every IANA zone, sorted."""
    return [(zone, zone.replace("_", " ")) for zone in sorted(available_timezones())]


class OrganizationForm(forms.ModelForm[Organization]):
    time_zone = forms.ChoiceField(choices=time_zone_choices)
    website = forms.URLField(
        required=False,
        assume_scheme="https",
        help_text="Your own site; a model that writes your mails is told it.",
    )

    class Meta:
        model = Organization
        fields = ["name", "website", "time_zone", "postal_address", "offer", "voice", "max_emails_per_day"]
        widgets = {
            "postal_address": forms.Textarea(attrs={"rows": 3}),
            "offer": forms.Textarea(attrs={"rows": 4}),
            "voice": forms.Textarea(attrs={"rows": 3}),
        }
        help_texts = {
            "max_emails_per_day": "Over all mailboxes and campaigns. Nothing leaves above it.",
            "voice": "A few words on how you write: plain, warm, no buzzwords…",
        }


class NewOrganizationForm(forms.Form):
    name = forms.CharField(max_length=100, label="Name of your company or team")


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=Role.choices)


class MemberForm(forms.Form):
    """A person to add. Owners are made by owners (`leadpilot.orgs.members`)."""

    name = forms.CharField(max_length=100, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    email = forms.EmailField(
        max_length=254, label="Address", widget=forms.EmailInput(attrs={"autocomplete": "off"})
    )
    role = forms.ChoiceField(
        choices=Role.choices,
        initial=Role.MEMBER,
        help_text="Viewers look. Members approve and write. Admins also change settings. Owners also manage people.",
    )
