"""Briefs for tests of writers."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from agent.writers.types import Brief, FactBrief, StepBrief

NEWS_ID = UUID("01a1fe25-0000-7000-8000-000000000001")
ABOUT_ID = UUID("01a1fe25-0000-7000-8000-000000000002")
STRATEGY = (
    (1, "introduction", "professional_friendly", "high", "short"),
    (2, "value_proposition", "consultative", "medium", "medium"),
    (3, "case_study", "educational", "medium", "medium"),
    (4, "soft_reminder", "casual", "low", "very_short"),
    (5, "breakup", "understanding", "low", "short"),
)


def fact(
    statement: str,
    *,
    pk: UUID = NEWS_ID,
    category: str = "recent_news",
    quote: str = "",
    confidence: float = 0.9,
) -> FactBrief:
    return FactBrief(
        id=pk,
        category=category,
        statement=statement,
        quote=quote or statement,
        source_url="http://www.brightwave.example/news",
        confidence=confidence,
    )


FACTS = (
    fact("Brightwave opened a second depot in Malmö in September 2026"),
    fact("Brightwave plans deliveries for 140 grocery stores", pk=ABOUT_ID, category="company_info"),
)


def make_brief(**changes: Any) -> Brief:
    values: dict[str, Any] = {
        "lead": {
            "name": "Maya Lindqvist",
            "first_name": "Maya",
            "email": "maya@brightwave.example",
            "company": "Brightwave",
            "title": "Head of Operations",
            "location": "Malmö",
        },
        "company": {"name": "Brightwave", "domain": "brightwave.example", "industry": "", "description": ""},
        "facts": FACTS,
        "steps": tuple(StepBrief(*row) for row in STRATEGY),
        "sender": {
            "from_name": "Alex Berg",
            "email": "alex@northbeam.example",
            "company": "Northbeam",
            "offer": "Northbeam plans routes for small fleets. Dispatchers see every change at once.",
            "voice": "",
            "website": "",
        },
        "campaign": {
            "name": "Autumn",
            "goal": "",
            "offer": "",
            "tone": "",
            "audience": "",
            "call_to_action": "",
        },
    }
    return Brief(**{**values, **changes})
