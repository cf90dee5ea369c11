"""The fixed schema of what a reader may say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Reading:
    """`extracted` may hold return_date (ISO), contact_name and contact_email; `by` is `rules` or the model's name."""

    classification: str
    sentiment: str
    confidence: float
    reason: str
    by: str = "rules"
    extracted: Mapping[str, str] = field(default_factory=dict)
