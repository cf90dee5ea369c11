"""What people type about leads. The rules are in `leads.validation`; a form only carries them to the field."""

from __future__ import annotations

from typing import Any

from django import forms

from leadpilot.lib.errors import DomainError
from leads.importing.columns import CUSTOM, FIELD_LABELS, IGNORE
from leads.importing.csvfile import DELIMITERS
from leads.importing.encodings import LABELS as ENCODINGS
from leads.models import Lead, SuppressionReason
from leads.services.import_files import MAX_UPLOAD
from leads.validation import LENGTHS, NAME_MAX, URL_FIELDS, clean, split_tags

EDITED = (
    "name",
    "email",
    "title",
    "company",
    "website_url",
    "linkedin_url",
    "twitter_url",
    "ig_url",
    "phone",
    "whatsapp",
    "location",
    "time_zone",
    "tags",
    "source",
    "lawful_basis",
    "consent_source",
)
LABELS = {
    **FIELD_LABELS,
    "title": "Job title",
    "website_url": "Company website",
    "linkedin_url": "LinkedIn profile",
}
HINTS = {
    "website_url": "Read first when this person is researched.",
    "tags": "Separated by commas.",
    "time_zone": "Such as Europe/Berlin. Mails arrive in this person's working hours.",
    "lawful_basis": "Why you may write to this person, such as legitimate interest.",
    "consent_source": "Where and when consent was given, if it was.",
}


class LeadForm(forms.Form):
    """Create and edit. `errors_from` shows a service's error at the field it names."""

    def __init__(self, *args: Any, lead: Lead | None = None, **kwargs: Any) -> None:
        if lead is not None:
            initial = {name: getattr(lead, name) for name in EDITED}
            kwargs["initial"] = {**initial, "tags": ", ".join(lead.tags)}
        super().__init__(*args, **kwargs)
        for name in EDITED:
            self.fields[name] = forms.CharField(
                label=LABELS[name],
                required=name in ("name", "email"),
                help_text=HINTS.get(name, ""),
                strip=True,
            )
            self.fields[name].widget.attrs.update(_attributes(name))

    def clean(self) -> dict[str, Any]:
        """The same rules as everywhere, each complaint at its field."""
        given = {name: self.cleaned_data.get(name, "") for name in EDITED if name not in self.errors}
        given["tags"] = split_tags(given.get("tags", ""))
        tidied, faults = clean(given, partial=True)
        for fault in faults:
            self.add_error(fault.field, fault.message)
        return {**self.cleaned_data, **tidied}

    def errors_from(self, error: DomainError) -> None:
        """Put a service's complaint where it belongs."""
        self.add_error(error.field if error.field in self.fields else None, str(error))


def _attributes(name: str) -> dict[str, Any]:
    kind = {"email": "email", "phone": "tel", "whatsapp": "tel", **dict.fromkeys(URL_FIELDS, "url")}
    complete = {"name": "off", "email": "off"}
    attributes: dict[str, Any] = {"autocomplete": complete.get(name, "off")}
    if name in kind:
        attributes["inputmode"] = kind[name]
    if most := {"name": NAME_MAX, **LENGTHS}.get(name):
        attributes["maxlength"] = most
    return attributes


class NoteForm(forms.Form):
    text = forms.CharField(
        label="Note",
        widget=forms.Textarea(attrs={"rows": 3, "placeholder": "What should the next one know?"}),
    )


class UploadForm(forms.Form):
    file = forms.FileField(
        label="CSV or XLSX file",
        help_text=f"Up to {MAX_UPLOAD >> 20} MB. The first row holds the column titles; one column holds addresses.",
        widget=forms.FileInput(attrs={"accept": ".csv,.tsv,.txt,.xlsx,text/csv"}),
        allow_empty_file=True,  # the importer says it better
    )


MAPPING_CHOICES = [
    (IGNORE, "Leave out"),
    (CUSTOM, "Keep as custom field"),
    *FIELD_LABELS.items(),
]
DELIMITER_NAMES = {",": "Comma", ";": "Semicolon", "\t": "Tab", "|": "Bar"}


class MappingForm(forms.Form):
    """One choice a column (`column-0`, `column-1`…), and what to do with leads that are here already."""

    update_existing = forms.TypedChoiceField(
        label="Leads that are here already",
        choices=[("1", "Bring them up to date"), ("0", "Leave them as they are")],
        coerce=lambda value: value == "1",
        widget=forms.RadioSelect,
    )

    def __init__(self, *args: Any, titles: list[str], mapping: dict[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.titles = titles
        for position, title in enumerate(titles):
            self.fields[f"column-{position}"] = forms.ChoiceField(
                choices=MAPPING_CHOICES, required=False, initial=mapping.get(title, IGNORE), label=title
            )
            self.fields[f"column-{position}"].widget.attrs["aria-label"] = f"What “{title}” means"

    @property
    def columns(self) -> list[forms.BoundField]:
        """The choices, in the order of the file's columns."""
        return [self[f"column-{position}"] for position in range(len(self.titles))]

    def chosen(self) -> dict[str, str]:
        """{title: field}, as typed or, before that, as guessed."""
        if not self.is_bound:
            return {
                title: str(bound.initial or IGNORE)
                for title, bound in zip(self.titles, self.columns, strict=True)
            }
        return {t: self.cleaned_data.get(f"column-{i}", IGNORE) for i, t in enumerate(self.titles)}


class ReadingForm(forms.Form):
    """How the file's bytes are read, where the detection went wrong."""

    encoding = forms.ChoiceField(choices=list(ENCODINGS.items()), label="Encoding")
    delimiter = forms.ChoiceField(choices=[(d, DELIMITER_NAMES[d]) for d in DELIMITERS], label="Separator")


class SuppressForm(forms.Form):
    value = forms.CharField(
        label="Address or domain", max_length=254, help_text="ada@acme.com, or acme.com for all of it."
    )
    reason = forms.ChoiceField(
        label="Reason",
        choices=[(r.value, r.label) for r in SuppressionReason if r is not SuppressionReason.ERASED],
        initial=SuppressionReason.MANUAL,
    )


class LiftForm(forms.Form):
    reason = forms.CharField(label="Why may this address be written to again?", max_length=500)
