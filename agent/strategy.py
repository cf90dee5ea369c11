"""What to look up for a lead: the seed's decision tree, and the plan that is made of it (seed 000, section 5.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from leads import domains
from leads.models import Lead
from leads.research.links import host_of, is_closed_network, same_site
from leads.research.plan import PAGES_AT_DEPTH, ResearchStep

_TERMS = "{host} does not allow its pages to be read by machines; add what you know by hand."
_NO_SEARCH = "No web search is connected."
_SECOND_SITE_PAGES = 3


def determine_strategy(lead_data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Seed 000, 5.1, as it stands there: LinkedIn, a search for news, the site of the address; the first three."""
    strategies: list[dict[str, Any]] = []
    if lead_data.get("linkedin_url"):
        strategies.append({"tool": "browseruse", "priority": 1, "target": lead_data["linkedin_url"]})
    if lead_data.get("company"):
        query = f"{lead_data['company']} {lead_data.get('name', '')} news"
        strategies.append({"tool": "google_search", "priority": 2, "query": query})
    if lead_data.get("email"):
        domain = lead_data["email"].split("@")[1]
        strategies.append({"tool": "browseruse", "priority": 3, "target": f"https://{domain}"})
    return sorted(strategies, key=lambda strategy: strategy["priority"])[:3]


def plan_research(lead: Lead, depth: str = "standard") -> list[ResearchStep]:
    """The steps for a lead at depth quick, standard or deep: its own web site first, then the seed's tree.

    What cannot or must not be looked up stays in the plan with the reason. Raises KeyError for an unknown depth.
    """
    pages = PAGES_AT_DEPTH[depth]
    steps: list[ResearchStep] = []
    if lead.website_url:
        steps.append(_page_step(0, lead.website_url, pages))
    for strategy in determine_strategy(
        {"name": lead.name, "company": lead.company, "email": lead.email, "linkedin_url": lead.linkedin_url}
    ):
        if strategy["tool"] == "google_search":
            steps.append(ResearchStep("google_search", 2, query=strategy["query"], skip=_NO_SEARCH))
        else:
            steps.append(_page_step(strategy["priority"], strategy["target"], pages))
    return _each_site_once(steps, pages)


def _page_step(priority: int, target: str, pages: int) -> ResearchStep:
    host = host_of(target)
    skip = ""
    if is_closed_network(target) or priority == 1:
        skip = _TERMS.format(host=host or "LinkedIn")
    elif host in domains.FREE_MAIL:
        skip = f"{host} is a mail provider, not the person's company."
    return ResearchStep("browseruse", priority, target=target, pages=0 if skip else pages, skip=skip)


def _each_site_once(steps: list[ResearchStep], pages: int) -> list[ResearchStep]:
    """Leave out a site that an earlier step reads; a second site gets fewer pages."""
    kept: list[ResearchStep] = []
    for step in steps:
        read = [other for other in kept if other.pages]
        if step.pages and any(same_site(host_of(step.target), host_of(other.target)) for other in read):
            continue
        if step.pages and read:
            step = ResearchStep(
                step.tool, step.priority, target=step.target, pages=min(pages, _SECOND_SITE_PAGES)
            )
        kept.append(step)
    return kept
