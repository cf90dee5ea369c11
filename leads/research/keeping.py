"""Writing what was found into rows: pages, facts, and the empty fields of company and lead. Inside `org_context`."""

from __future__ import annotations

import hashlib
import re
from dataclasses import asdict
from typing import Any

from django.db.models import Q

from leadpilot.lib import clock
from leads.models import Company, Fact, Lead, Page
from leads.research.drafts import FactDraft
from leads.research.findings import Gathered, is_companys
from leads.research.people import looks_like_role
from leads.research.person_facts import same_person
from leads.research.visit import ReadPage

_SIZES = (
    (10, "1-10"),
    (50, "11-50"),
    (200, "51-200"),
    (500, "201-500"),
    (1000, "501-1000"),
    (5000, "1001-5000"),
)
_NUMBER = r"(\d{1,3}(?:[,.]\d{3})*)"
_HEADCOUNT = re.compile(
    rf"\b(?:we are|employ(?:s|ing)?|team of|has) (?:about |some |over |more than )?{_NUMBER} "
    rf"(?:people|employees|colleagues|staff|architects)\b|\b{_NUMBER} (?:people work|employees|mitarbeite\w+)",
    re.IGNORECASE,
)


def keep_pages(lead: Lead, company: Company | None, gathered: Gathered) -> dict[str, Page]:
    """Store fresh pages; one that has not changed keeps its row. Returns address → row, stored ones included."""
    rows = {page.final_url or page.url: page for page in gathered.cached}
    for read in gathered.pages:
        if len(read.url) > 2000 or len(read.final_url) > 2000:
            continue
        owner: dict[str, Any] = {"company": None, "lead": lead}
        if company and is_companys(read.address, company.domain):
            owner = {"company": company, "lead": None}
        rows[read.address] = _keep_page(lead.org_id, owner, read)
    return rows


def _keep_page(org_id: Any, owner: dict[str, Any], read: ReadPage) -> Page:
    digest = hashlib.sha256(read.content.text.encode()).hexdigest() if read.content.text else ""
    values = {
        "final_url": read.final_url,
        "title": read.content.title[:300],
        "http_status": read.http_status,
        "failure": read.failure,
        "text": read.content.text,
        "extracted": extracted_of(read),
        "rendered": read.rendered,
        "elapsed_ms": read.elapsed_ms,
        "fetched_at": read.fetched_at,
    }
    same = Page.objects.for_org(org_id).filter(url=read.url, status=read.status, text_hash=digest, **owner)
    page: Page | None = same.order_by("-fetched_at").first()
    if page is None:
        page = Page(org_id=org_id, url=read.url, status=read.status, text_hash=digest, **owner, **values)
        page.save(force_insert=True)
        return page
    for name, value in values.items():
        setattr(page, name, value)
    page.save(update_fields=list(values))
    return page


def extracted_of(read: ReadPage) -> dict[str, Any]:
    """What is kept of a page besides its text, as JSON."""
    content = read.content
    return {
        "kind": read.kind,
        "asked": read.asked,
        "headline": content.headline,
        "language": content.language,
        "description": content.description,
        "published": content.published.isoformat() if content.published else None,
        "author": content.author,
        "is_article": content.is_article,
        "organization": content.organization,
        "people": [asdict(person) for person in content.people],
        "news": [
            {
                "title": n.title,
                "day": n.day.isoformat() if n.day else None,
                "url": n.url,
                "summary": n.summary,
            }
            for n in content.news
        ],
        "emails": content.emails,
        "phones": content.phones,
        "social": content.social,
        "profiles": content.profiles,
        "technologies": content.technologies,
        "hidden_removed": content.hidden_removed,
    }


def keep_facts(lead: Lead, company: Company | None, gathered: Gathered, rows: dict[str, Page]) -> list[Fact]:
    """Store facts whose quote stands in the stored page; one that is there already is confirmed, not doubled."""
    kept = []
    for draft in gathered.facts:
        page = rows.get(draft.source_url)
        if page is None or not draft.quote or draft.quote not in page.text:
            continue
        owner: dict[str, Any] = {"lead": lead, "company": None}
        if not draft.about_lead and page.company_id and company:
            owner = {"lead": None, "company": company}
        kept.append(_keep_fact(lead.org_id, owner, draft, page))
    return kept


def _keep_fact(org_id: Any, owner: dict[str, Any], draft: FactDraft, page: Page) -> Fact:
    said = {name: getattr(draft, name) for name in ("category", "statement", "quote", "source_url")}
    fact: Fact | None = Fact.objects.for_org(org_id).filter(**said, **owner).first()
    if fact is None:
        fact = Fact(org_id=org_id, **said, **owner)
    fact.page, fact.retrieved_at = page, page.fetched_at
    fact.confidence, fact.dated = draft.confidence, draft.dated
    fact.save()
    return fact


def fill_company(company: Company, gathered: Gathered) -> None:
    """Fill what is empty; technologies and profiles are added to. What stands there is never replaced."""
    own = [page for page in gathered.pages if page.ok and is_companys(page.address, company.domain)]
    if not own:
        return
    said = next((page.content.organization for page in own if page.content.organization), {})
    found = {
        "name": (said.get("name") or gathered.company_name)[:200],
        "description": (own[0].content.description or said.get("description", ""))[:1000],
        "industry": said.get("industry", "")[:120],
        "location": said.get("location", "")[:200],
        "size": size_of(said.get("employees", "") or _headcount(own)),
    }
    for name, value in found.items():
        if value and not getattr(company, name):
            setattr(company, name, value)
    technologies = {name for page in own for name in page.content.technologies if len(name) <= 80}
    company.technologies = sorted({*company.technologies, *technologies})[:40]
    social = {network: link for page in own for network, link in page.content.social.items()}
    company.social_links = {**social, **company.social_links}
    company.researched_at = clock.now()
    company.save()


def _headcount(pages: list[ReadPage]) -> str:
    match = next((m for page in pages if (m := _HEADCOUNT.search(page.content.text))), None)
    return (match[1] or match[2]) if match else ""


def size_of(count: str) -> str:
    """The size class of a number of employees ("86" → "51-200"); nothing for what is no number."""
    digits = re.sub(r"[,.\s]", "", str(count))
    if not digits.isdecimal() or not int(digits[:9]) > 0:
        return ""
    return next((name for most, name in _SIZES if int(digits[:9]) <= most), "5001+")


def fill_lead(lead: Lead, company: Company | None, gathered: Gathered, rows: dict[str, Page]) -> list[str]:
    """Fill empty fields that a page proves for this very person; each by a conditional update. Returns their names."""
    found = {**_profile_links(lead, rows.values()), "title": _role(lead, rows.values())}
    home = next((page for page in gathered.pages if page.ok and page.kind == "home"), None)
    if home and is_companys(home.address, lead.email_domain):
        found["website_url"] = home.address if len(home.address) <= 500 else ""
    if company and company.name and not lead.company:
        found["company"] = company.name
    filled = []
    for name, value in found.items():
        empty = Q(**{name: ""})
        if value and Lead.objects.for_org(lead.org_id).filter(empty, pk=lead.pk).update(**{name: value}):
            filled.append(name)
    return filled


def _profile_links(lead: Lead, pages: Any) -> dict[str, str]:
    """Profile addresses that stand beside the person's name, and beside nobody else's."""
    fields = {"linkedin": "linkedin_url", "twitter": "twitter_url", "instagram": "ig_url"}
    found: dict[str, str] = {}
    for page in pages:
        people = [person["name"] for person in page.extracted.get("people", [])]
        for link in page.extracted.get("profiles", []):
            field = fields.get(link.get("network", ""))
            near = link.get("near", "")
            others = [name for name in people if name in near and not same_person(name, lead.name)]
            if field and lead.name in near and not others and len(link["url"]) <= 500:
                found.setdefault(field, link["url"])
    return found


def _role(lead: Lead, pages: Any) -> str:
    for page in pages:
        for person in page.extracted.get("people", []):
            if same_person(person["name"], lead.name) and looks_like_role(person["role"]):
                return str(person["role"])[:200]
    return ""
