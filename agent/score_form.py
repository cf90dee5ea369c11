"""How much each known thing about a lead counts (seed 000, section 5.2), as an organization sets it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms

from agent.models import AgentConfig
from leads.qualification import FIELD_WEIGHTS

LABELS = {
    "name": "Name",
    "email": "Email address",
    "company": "Company",
    "title": "Job title",
    "linkedin_url": "LinkedIn address",
    "recent_activity": "Recent activity",
    "company_info": "Company information",
    "personal_interests": "Personal interests",
}
MOST = 100


class WeightField(forms.IntegerField):
    """A weight from 0 to 100. Its error names the field and the value."""

    def clean(self, value: Any) -> int:
        """The weight; raises ValidationError."""
        text = str(value if value is not None else "").strip()
        if not (text.isascii() and text.isdigit() and int(text) <= MOST):
            raise forms.ValidationError(
                f"{self.label}: “{text[:20]}” cannot be used; give a whole number from 0 to {MOST}."
            )
        return int(text)


class WeightsForm(forms.Form):
    """Eight numbers; what is in force is filled in, and the default stands under each."""

    def __init__(self, data: Mapping[str, Any] | None = None, *, config: AgentConfig) -> None:
        super().__init__(data, prefix="weight")
        self.threshold = config.score_threshold
        in_force = {**FIELD_WEIGHTS, **(config.score_weights or {})}
        for name, default in FIELD_WEIGHTS.items():
            self.fields[name] = WeightField(
                label=LABELS[name],
                initial=in_force[name],
                help_text=f"Default {default}",
                widget=forms.NumberInput(attrs={"min": 0, "max": MOST, "step": 1, "inputmode": "numeric"}),
            )

    def clean(self) -> dict[str, Any]:
        """Together they have to reach the score a lead needs."""
        cleaned = super().clean() or {}
        if not self.errors and (total := sum(cleaned.values())) < self.threshold:
            raise forms.ValidationError(
                f"Together they give {total}, and a lead needs {self.threshold}: every lead would be skipped. "
                "Raise a weight, or lower the score a lead needs."
            )
        return cleaned
