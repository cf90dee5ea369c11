"""What a mail to a lead may rest on."""

from __future__ import annotations

from datetime import date

from django.db.models import Q

from leadpilot.lib import clock
from leads.models import Fact, FactCategory, Lead

C = FactCategory
# What makes a person read on: their own words and deeds first, then what is new, what hurts, what is known anyway.
_WEIGHT = {
    C.RECENT_ACTIVITY: 0.5,
    C.RECENT_NEWS: 0.35,
    C.COMPANY_ACHIEVEMENT: 0.35,
    C.PAIN_POINT: 0.3,
    C.LINKEDIN_POST: 0.3,
    C.TWITTER_ACTIVITY: 0.25,
    C.SHARED_CONNECTION: 0.25,
    C.INDUSTRY_TREND: 0.1,
    C.PERSONAL_INTERESTS: 0.1,
    C.COMPETITOR_MENTION: 0.1,
    C.COMPANY_INFO: 0.1,
    C.WEBSITE_VISITS: 0.05,
    C.PERSON_ROLE: 0.0,
}


def evidence_for(lead: Lead) -> list[Fact]:
    """The lead's own facts and its company's, best first, each quote once. Call inside `org_context`."""
    mine = Q(lead=lead)
    if lead.company_profile_id:
        mine |= Q(company_id=lead.company_profile_id, lead=None)
    facts = Fact.objects.for_org(lead.org_id).filter(mine).select_related("page")
    today = clock.now().date()
    ranked = sorted(facts, key=lambda fact: (-_value(fact, today), str(fact.pk)))
    seen: set[str] = set()
    kept = []
    for fact in ranked:
        words = " ".join(fact.quote.casefold().split())
        if not any(words in other or other in words for other in seen):
            seen.add(words)
            kept.append(fact)
    return kept


def _value(fact: Fact, today: date) -> float:
    days = (today - fact.dated).days if fact.dated else None
    fresh = 0.0 if days is None else 0.2 if days < 60 else 0.1 if days < 180 else -0.1 if days < 365 else -0.3
    return _WEIGHT[C(fact.category)] + fact.confidence + fresh + (0.1 if fact.lead_id else 0.0)
