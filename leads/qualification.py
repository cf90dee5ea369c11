"""Is enough known about a lead to write honestly? The seed's two rules, and the same with the facts behind them.

Seed 000, sections 2.2 (`is_lead_qualified`), 5.2 (the weighted score) and 10.1 (their tests).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from leads.models import Fact, FactCategory, Lead
from leads.queries_evidence import evidence_for

REQUIRED_FIELDS = ["name", "email"]
MINIMUM_ENRICHMENT_FIELDS = 2  # at least 2 of: linkedin, website, company_info, social
FIELD_WEIGHTS = {
    "name": 10,
    "email": 10,
    "company": 15,
    "title": 10,
    "linkedin_url": 20,
    "recent_activity": 15,
    "company_info": 10,
    "personal_interests": 10,
}
# The fields of a lead that the verdict looks at: when one changes, a verdict given before is out of date.
JUDGED_FIELDS = (
    "name",
    "email",
    "company",
    "title",
    "linkedin_url",
    "website_url",
    "ig_url",
    "twitter_url",
)
MINIMUM_SCORE_THRESHOLD = 45  # Requires at least basic info + one enrichment

C = FactCategory
# Which facts a researched field rests on, the best kind first.
_RESTS_ON = {
    "recent_activity": (
        C.RECENT_ACTIVITY,
        C.LINKEDIN_POST,
        C.TWITTER_ACTIVITY,
        C.RECENT_NEWS,
        C.COMPANY_ACHIEVEMENT,
    ),
    "company_info": (C.COMPANY_INFO, C.COMPANY_ACHIEVEMENT, C.RECENT_NEWS, C.PAIN_POINT),
    "personal_interests": (C.PERSONAL_INTERESTS, C.SHARED_CONNECTION),
}
_LABELS = {
    "name": "name",
    "email": "email address",
    "company": "company",
    "title": "job title",
    "linkedin_url": "LinkedIn address",
    "recent_activity": "recent activity",
    "company_info": "company information",
    "personal_interests": "personal interests",
    "website_url": "web site",
    "social_profiles": "social profile",
}
_HOW = {
    "name": "add it to the lead",
    "email": "add it to the lead",
    "company": "add it to the lead",
    "title": "add it to the lead, or give a web site whose team page names the person",
    "linkedin_url": "add it to the lead; LinkedIn itself is not searched",
    "recent_activity": "give a web site with news, or research again later",
    "company_info": "give the company's web site, then research again",
    "personal_interests": "give a web site whose team page tells something about the person",
    "website_url": "add it to the lead",
    "social_profiles": "add an Instagram or Twitter address to the lead",
}


@dataclass(frozen=True)
class Part:
    """One field of the score: what it can give, what it gave, in words why, and the fact it rests on, if any."""

    field: str
    weight: int
    got: int
    evidence: str
    fact_id: UUID | None = None


@dataclass(frozen=True)
class Assessment:
    """The verdict on a lead. `missing` are sentences: what, and how to get it. `reason` is one sentence."""

    qualified: bool
    score: int
    threshold: int
    parts: list[Part] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    reason: str = ""


def is_lead_qualified(lead_data: Mapping[str, Any]) -> bool:
    """Seed 000, 2.2: name and email, and at least two of LinkedIn, web site, company information, social profiles."""
    has_required = all(lead_data.get(name) for name in REQUIRED_FIELDS)
    enrichment_count = sum(
        [
            bool(lead_data.get("linkedin_url")),
            bool(lead_data.get("website_url")),
            bool(lead_data.get("company_info")),
            bool(lead_data.get("social_profiles")),
        ]
    )
    return has_required and enrichment_count >= MINIMUM_ENRICHMENT_FIELDS


def calculate_lead_score(lead_data: Mapping[str, Any], weights: Mapping[str, int] = FIELD_WEIGHTS) -> int:
    """Seed 000, 5.2: the sum of the weights of the fields that are there, at most 100."""
    score = 0
    for name, weight in weights.items():
        if lead_data.get(name):
            score += weight
    return min(score, 100)


def assess(
    lead: Lead, *, threshold: int = MINIMUM_SCORE_THRESHOLD, weights: Mapping[str, int] | None = None
) -> Assessment:
    """Judge a lead by its fields and facts. `weights` replaces the seed's. Call inside `org_context`."""
    used = dict(weights or FIELD_WEIGHTS)
    facts = evidence_for(lead)
    resting = {name: _best(facts, kinds) for name, kinds in _RESTS_ON.items()}
    data = lead_data(lead, resting)
    score = max(0, calculate_lead_score(data, used))
    qualified = is_lead_qualified(data) and score >= threshold
    lacking = [name for name in used if not data.get(name)]
    return Assessment(
        qualified=qualified,
        score=score,
        threshold=threshold,
        parts=[_part(name, weight, data, resting.get(name)) for name, weight in used.items()],
        missing=[
            f"{_label(name)[:1].upper()}{_label(name)[1:]}: {_HOW.get(name, 'add it to the lead')}."
            for name in lacking
        ],
        reason=_reason(data, score, threshold, lacking),
    )


def lead_data(lead: Lead, resting: Mapping[str, Fact | None]) -> dict[str, Any]:
    """A lead in the seed's words; the researched fields are there when a fact is."""
    return {
        "name": lead.name,
        "email": lead.email,
        "company": lead.company or (lead.company_profile.name if lead.company_profile else ""),
        "title": lead.title,
        "linkedin_url": lead.linkedin_url,
        "website_url": lead.website_url,
        "social_profiles": lead.ig_url or lead.twitter_url,
        **{name: fact.statement if fact else "" for name, fact in resting.items()},
    }


def _best(facts: Iterable[Fact], kinds: tuple[FactCategory, ...]) -> Fact | None:
    """The best fact of the first kind that there is one of."""
    known = list(facts)
    return next((fact for kind in kinds for fact in known if fact.category == kind), None)


def _part(name: str, weight: int, data: Mapping[str, Any], fact: Fact | None) -> Part:
    value = data.get(name)
    if not value:
        return Part(name, weight, 0, f"No {_label(name)}.")
    return Part(name, weight, weight, str(value)[:300], fact.pk if fact else None)


def _label(name: str) -> str:
    return _LABELS.get(name, name.replace("_", " "))


def _reason(data: Mapping[str, Any], score: int, threshold: int, lacking: list[str]) -> str:
    if score < threshold:
        names = ", ".join(_label(name) for name in lacking) or "nothing"
        return f"Too little to write honestly: score {score} of {threshold} needed; missing {names}."
    if not is_lead_qualified(data):
        enrichments = ("linkedin_url", "website_url", "company_info", "social_profiles")
        there = [_label(name) for name in enrichments if data.get(name)]
        return (
            f"Too little to write honestly: of LinkedIn address, web site, company information and social profile "
            f"at least {MINIMUM_ENRICHMENT_FIELDS} are needed; there is {there[0] if there else 'none'}."
        )
    known = sum(bool(data.get(name)) for name in _RESTS_ON)
    return f"Enough to write: score {score} of {threshold} needed, {known} of {len(_RESTS_ON)} researched fields known."
