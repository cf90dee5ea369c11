"""Research of one lead: reading without a transaction, storing in a short one (seed 000, sections 2.1 and 4.2)."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Q

from leadpilot.lib import clock
from leadpilot.lib.errors import DomainError
from leadpilot.orgs.tenancy import org_context
from leads import domains
from leads.models import Company, Fact, FactCategory, Lead, LeadResearch, Page, PageStatus, ResearchTool
from leads.research import keeping, recent
from leads.research.crawl import deadline_in, read_site
from leads.research.findings import Gathered, Lookup, Subject, draw_conclusions
from leads.research.links import host_of, same_site
from leads.research.plan import ResearchStep
from leads.research.visit import ReadPage, Visitor
from leads.services.companies import company_for

__all__ = ["Gathered", "ResearchStep", "gather", "store"]

TOOL_VERSION = "web 1"
_FAILURES_KEPT = timedelta(hours=1)
_CONTEXT_FACTS = 6
C = FactCategory
_QUALITY = {
    C.PERSON_ROLE: 20,
    C.RECENT_ACTIVITY: 25,
    C.RECENT_NEWS: 20,
    C.COMPANY_INFO: 15,
    C.PAIN_POINT: 10,
    C.PERSONAL_INTERESTS: 5,
    C.COMPANY_ACHIEVEMENT: 5,
}


def gather(
    *,
    org_id: UUID,
    lead_id: UUID,
    plan: list[ResearchStep],
    deadline: float = 100,
    cache_days: int | None = None,
    still_wanted: Callable[[], bool] | None = None,
) -> Gathered:
    """Read what the plan says, outside of any transaction, and take facts from it.

    `deadline` in seconds bounds everything. Pages of the lead's company that were read within `cache_days` (default
    RESEARCH_CACHE_DAYS, 7; 0 reads anew) are taken from the store. A page that cannot be read is part of the result;
    raises DomainError only when the lead does not exist. When `still_wanted` turns false, no further page is begun.
    """
    began = time.monotonic()
    until = deadline_in(deadline)
    days = settings.RESEARCH_CACHE_DAYS if cache_days is None else cache_days
    gathered = Gathered(subject=_subject(org_id, lead_id), plan=list(plan))
    for step in sorted(plan, key=lambda step: (bool(step.skip), step.priority)):
        if step.skip or step.tool != "browseruse":
            reason = step.skip or f"There is no tool {step.tool} here."
            gathered.lookups.append(Lookup(step.tool, step.target or step.query, "skipped", reason))
            continue
        _take_step(gathered, step, until, days, still_wanted)
    draw_conclusions(gathered, clock.now().date())
    gathered.elapsed_ms = round((time.monotonic() - began) * 1000)
    gathered.cut_short = time.monotonic() >= until
    return gathered


def _take_step(
    gathered: Gathered, step: ResearchStep, until: float, days: int, wanted: Callable[[], bool] | None
) -> None:
    began = time.monotonic()
    if any(same_site(host_of(page.address), host_of(step.target)) for page in gathered.pages):
        return
    with recent.one_at_a_time(gathered.subject.org_id, host_of(step.target), until):
        pages = recent.pages_of(gathered.subject.org_id, host_of(step.target), step.pages) if days > 0 else []
        stored = _stored_pages(gathered.subject, step, days) if not pages else []
        if stored:
            gathered.cached += [page for page in stored if page.status == PageStatus.OK]
            gathered.lookups.append(Lookup(step.tool, step.target, "cached", _why_stored(stored, days)))
            return
        if not pages:
            pages = _read_in_time(step, until, wanted)
            if wanted is None or wanted():
                recent.remember(gathered.subject.org_id, host_of(step.target), pages)
    gathered.pages += pages
    elapsed = round((time.monotonic() - began) * 1000)
    read = [page for page in pages if page.ok]
    reason = f"{len(read)} of {len(pages)} pages read." if read else pages[0].failure
    gathered.lookups.append(Lookup(step.tool, step.target, "read" if read else "failed", reason, elapsed))


def _read_in_time(step: ResearchStep, until: float, wanted: Callable[[], bool] | None) -> list[ReadPage]:
    """Read the site in a thread of its own, so that nothing a page does can hold up the deadline."""
    visitor = Visitor(until, wanted)
    pool = ThreadPoolExecutor(1, thread_name_prefix="research-site")
    job = pool.submit(read_site, step.target, visitor, pages=max(1, step.pages))
    wait([job], timeout=max(0.0, visitor.left + 1))
    pool.shutdown(wait=False, cancel_futures=True)
    if job.done():
        return [replace(page, asked=step.pages) for page in job.result()]
    return [
        ReadPage(step.target, "home", failure=f"{step.target} was not read: the time for this lead was over.")
    ]


def store(*, org_id: UUID, lead_id: UUID, gathered: Gathered) -> LeadResearch:
    """Keep pages, facts and a LeadResearch row, and fill empty fields, in one short transaction.

    Storing the same result again changes nothing. What a person typed is never replaced. Raises DomainError when the
    lead is gone.
    """
    with org_context(org_id):
        lead = Lead.objects.for_org(org_id).select_for_update(of=("self",)).filter(pk=lead_id).first()
        if lead is None:
            raise DomainError("This lead no longer exists; the research is dropped.")
        done: LeadResearch | None = LeadResearch.objects.for_org(org_id).filter(pk=gathered.id).first()
        if done:
            return done
        company = _company_of(lead)
        rows = keeping.keep_pages(lead, company, gathered)
        facts = keeping.keep_facts(lead, company, gathered, rows)
        if company:
            keeping.fill_company(company, gathered)
        filled = keeping.fill_lead(lead, company, gathered, rows)
        if company:
            facts += _known_facts(company, {fact.pk for fact in facts})
        Lead.objects.for_org(org_id).filter(pk=lead_id).update(researched_at=clock.now())
        return LeadResearch.objects.create(
            id=gathered.id,
            org_id=org_id,
            lead=lead,
            tool_used=ResearchTool.BROWSERUSE,
            tool_version=TOOL_VERSION,
            research_data=_data(gathered, facts, filled),
            personalization_context=_context(facts),
            data_quality_score=_quality(facts),
            processing_time_ms=gathered.elapsed_ms,
            cost_cents=0,
        )


def _subject(org_id: UUID, lead_id: UUID) -> Subject:
    with org_context(org_id):
        lead = Lead.objects.for_org(org_id).select_related("company_profile").filter(pk=lead_id).first()
        if lead is None:
            raise DomainError("This lead no longer exists.")
        profile = lead.company_profile
        return Subject(
            lead_id=lead.pk,
            org_id=lead.org_id,
            name=lead.name,
            company=lead.company or (profile.name if profile else ""),
            company_id=profile.pk if profile else None,
            domain=profile.domain if profile else domains.company_domain(lead.email, lead.website_url),
        )


def _stored_pages(subject: Subject, step: ResearchStep, days: int) -> list[Page]:
    """The company's pages of this site when they are fresh and as many as are wanted; else nothing.

    A site that did not answer is not asked again within the hour.
    """
    site = host_of(step.target)
    now = clock.now()
    if days <= 0:
        return []
    with org_context(subject.org_id):
        owner = Q(lead_id=subject.lead_id)
        if subject.company_id:
            owner |= Q(company_id=subject.company_id)
        rows = Page.objects.for_org(subject.org_id).filter(owner, fetched_at__gte=now - timedelta(days=days))
        newest: dict[str, Page] = {}
        for page in rows.order_by("fetched_at"):
            if same_site(host_of(page.url), site):
                newest[page.url] = page
    good = [page for page in newest.values() if page.status == PageStatus.OK]
    if not good:
        return [page for page in newest.values() if page.fetched_at >= now - _FAILURES_KEPT]
    asked = max(int(page.extracted.get("asked", 0)) for page in good)
    return list(newest.values()) if asked >= step.pages else []


def _why_stored(stored: list[Page], days: int) -> str:
    newest = max(page.fetched_at for page in stored)
    if any(page.status == PageStatus.OK for page in stored):
        return f"Read on {newest:%-d %B %Y at %H:%M} UTC; kept for {days} days."
    return f"{stored[0].failure} Tried at {newest:%H:%M} UTC, not asked again within the hour."


def _company_of(lead: Lead) -> Company | None:
    """The lead's company, found by domain if need be, and locked: its other leads may be stored at the same time."""
    if lead.company_profile_id is None:
        domain = domains.company_domain(lead.email, lead.website_url)
        company = company_for(org=lead.org, domain=domain, name=lead.company) if domain else None
        if company:
            Lead.objects.for_org(lead.org_id).filter(pk=lead.pk, company_profile=None).update(
                company_profile=company
            )
            lead.company_profile = company
    if lead.company_profile_id is None:
        return None
    locked: Company = (
        Company.objects.for_org(lead.org_id).select_for_update(of=("self",)).get(pk=lead.company_profile_id)
    )
    return locked


def _known_facts(company: Company, besides: set[UUID]) -> list[Fact]:
    return list(
        Fact.objects.for_org(company.org_id).filter(company=company, lead=None).exclude(pk__in=besides)[:40]
    )


def _data(gathered: Gathered, facts: list[Fact], filled: list[str]) -> dict[str, Any]:
    ok = [page for page in gathered.pages if page.ok]
    return {
        "plan": [asdict(step) for step in gathered.plan],
        "looked_up": [{"order": n, **asdict(lookup)} for n, lookup in enumerate(gathered.lookups, 1)],
        "pages": [
            {
                "url": page.url,
                "kind": page.kind,
                "status": str(page.status),
                "http_status": page.http_status,
                "failure": page.failure,
                "rendered": page.rendered,
                "elapsed_ms": page.elapsed_ms,
            }
            for page in gathered.pages
        ],
        "from_store": [page.url for page in gathered.cached],
        "company": gathered.organization,
        "emails": sorted({email for page in ok for email in page.content.emails})[:20],
        "phones": sorted({phone for page in ok for phone in page.content.phones})[:20],
        "technologies": sorted({name for page in ok for name in page.content.technologies}),
        "facts": len(facts),
        "filled": filled,
        "cut_short": gathered.cut_short,
    }


def _context(facts: list[Fact]) -> str:
    best = sorted(facts, key=lambda fact: (fact.lead_id is None, -fact.confidence))
    return "\n".join(f"{fact.statement}." for fact in best[:_CONTEXT_FACTS])


def _quality(facts: list[Fact]) -> int:
    """0 to 100: which kinds of facts there are, of those a personal mail lives on."""
    return min(100, sum(_QUALITY.get(C(category), 5) for category in {fact.category for fact in facts}))
