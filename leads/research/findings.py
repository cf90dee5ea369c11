"""What one round of research brought, before it is stored."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from leadpilot.lib.ids import new_id
from leads.models import Page
from leads.research.drafts import FactDraft, PageView
from leads.research.facts import company_facts, lead_facts, short_name
from leads.research.links import host_of, same_site
from leads.research.people import Person
from leads.research.plan import ResearchStep
from leads.research.visit import ReadPage


@dataclass(frozen=True)
class Subject:
    """The lead as it was when the research began."""

    lead_id: UUID
    org_id: UUID
    name: str
    company: str
    company_id: UUID | None
    domain: str


@dataclass
class Lookup:
    """One thing that was looked up or left out, in order; `outcome` is read, cached, skipped or failed."""

    tool: str
    target: str
    outcome: str
    reason: str = ""
    elapsed_ms: int = 0


@dataclass
class Gathered:
    """What `gather` found. `id` becomes the LeadResearch row's, so that storing twice is storing once."""

    subject: Subject
    plan: list[ResearchStep]
    id: UUID = field(default_factory=new_id)
    lookups: list[Lookup] = field(default_factory=list)
    pages: list[ReadPage] = field(default_factory=list)
    cached: list[Page] = field(default_factory=list)
    company_name: str = ""
    facts: list[FactDraft] = field(default_factory=list)
    elapsed_ms: int = 0
    cut_short: bool = False

    @property
    def organization(self) -> dict[str, Any]:
        """What the site says of the company in structured form."""
        return next((p.content.organization for p in self.pages if p.ok and p.content.organization), {})


def view_of(page: ReadPage) -> PageView:
    """A fresh page as facts see it."""
    content = page.content
    return PageView(
        url=page.address,
        kind=page.kind,
        text=content.text,
        title=content.title,
        headline=content.headline,
        language=content.language,
        published=content.published,
        author=content.author,
        is_article=content.is_article,
        people=tuple(content.people),
        news=tuple((item.title, item.day) for item in content.news),
    )


def view_of_stored(page: Page) -> PageView:
    """A stored page as facts see it."""
    kept = page.extracted
    from_day = kept.get("published")
    return PageView(
        url=page.final_url or page.url,
        kind=kept.get("kind", ""),
        text=page.text,
        title=page.title,
        headline=kept.get("headline", ""),
        language=kept.get("language", ""),
        published=_day(from_day),
        author=kept.get("author", ""),
        is_article=bool(kept.get("is_article")),
        people=tuple(Person(**person) for person in kept.get("people", [])),
    )


def draw_conclusions(gathered: Gathered, today: date) -> None:
    """Take the facts out of the pages: the company's from fresh ones, the lead's own from stored ones as well."""
    fresh = [view_of(page) for page in gathered.pages if page.ok]
    stored = [view_of_stored(page) for page in gathered.cached]
    subject = gathered.subject
    full = (
        gathered.organization.get("name") or subject.company or _site_name(gathered.pages) or subject.domain
    )
    gathered.company_name = short_name(full, [view.text for view in (*fresh, *stored)])
    gathered.facts = [
        *lead_facts([*fresh, *stored], gathered.company_name, subject.name, today=today),
        *company_facts(fresh, gathered.company_name, today=today),
    ]


def is_companys(url: str, domain: str) -> bool:
    """Whether a page belongs to the company's own site rather than to the lead alone."""
    return bool(domain) and same_site(host_of(url), domain)


def _site_name(pages: list[ReadPage]) -> str:
    home = next((page.content for page in pages if page.ok), None)
    if home is None:
        return ""
    tail = re.split(r" [|–—·-] ", home.title)
    return home.site_name or (tail[-1] if len(tail[-1]) < len(tail[0]) else tail[0])[:80]


def _day(text: Any) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except (TypeError, ValueError):
        return None
