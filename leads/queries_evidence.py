"""What a mail to a lead may rest on."""

from __future__ import annotations

from django.db.models import Q

from leads.models import Fact, FactCategory, Lead

# The most telling first; a newer or surer fact before an older or less sure one of its kind.
ORDER = [
    FactCategory.RECENT_NEWS,
    FactCategory.COMPANY_ACHIEVEMENT,
    FactCategory.RECENT_ACTIVITY,
    FactCategory.PAIN_POINT,
    FactCategory.LINKEDIN_POST,
    FactCategory.TWITTER_ACTIVITY,
    FactCategory.INDUSTRY_TREND,
    FactCategory.COMPANY_INFO,
    FactCategory.PERSON_ROLE,
]


def evidence_for(lead: Lead) -> list[Fact]:
    """The lead's own facts and its company's, best first. Call inside `org_context`."""
    mine = Q(lead=lead)
    if lead.company_profile_id:
        mine |= Q(company_id=lead.company_profile_id, lead=None)
    facts = Fact.objects.for_org(lead.org_id).filter(mine).select_related("page")
    return sorted(facts, key=_rank)


def _rank(fact: Fact) -> tuple[int, float, int, str]:
    place = ORDER.index(FactCategory(fact.category)) if fact.category in ORDER else len(ORDER)
    return place, -fact.confidence, -(fact.dated.toordinal() if fact.dated else 0), str(fact.pk)
