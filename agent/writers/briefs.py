"""Reading what a writer may know from the rows. Call inside `org_context`."""

from __future__ import annotations

from agent.models import AgentConfig
from agent.writers.types import Brief, FactBrief, StepBrief
from campaigns.models import Campaign, Enrollment, Mailbox, SequenceStep
from leadpilot.orgs.models import Organization
from leads.models import Fact, Lead
from leads.queries_evidence import evidence_for

MAX_FACTS = 20


def brief_for(enrollment: Enrollment, *, feedback: str = "") -> Brief:
    """The brief of a whole sequence for an enrolled lead."""
    steps = SequenceStep.objects.for_org(enrollment.org_id).filter(
        campaign=enrollment.campaign, channel="email"
    )
    config = AgentConfig.objects.for_org(enrollment.org_id).first() or AgentConfig()
    return Brief(
        lead=lead_values(enrollment.lead),
        company=company_values(enrollment.lead),
        facts=tuple(fact_brief(fact) for fact in evidence_for(enrollment.lead)[:MAX_FACTS]),
        steps=tuple(step_brief(step) for step in steps.order_by("number")),
        sender=sender_values(enrollment.org, enrollment.mailbox),
        campaign=campaign_values(enrollment.campaign),
        feedback=feedback,
        model=config.llm_model,
        temperature=config.temperature,
    )


def lead_values(lead: Lead) -> dict[str, str]:
    """What was typed or imported about the person."""
    return {
        "name": lead.name,
        "first_name": lead.first_name,
        "email": lead.email,
        "company": lead.company or (lead.company_profile.name if lead.company_profile else ""),
        "title": lead.title,
        "location": lead.location,
    }


def company_values(lead: Lead) -> dict[str, str]:
    """What is known of the lead's company."""
    company = lead.company_profile
    if company is None:
        return {}
    return {
        "name": company.name,
        "domain": company.domain,
        "industry": company.industry,
        "description": company.description,
    }


def sender_values(org: Organization, mailbox: Mailbox | None) -> dict[str, str]:
    """Who writes."""
    return {
        "from_name": mailbox.from_name if mailbox else "",
        "email": mailbox.email if mailbox else "",
        "company": org.name.removesuffix(" (demo)"),
        "offer": org.offer,
        "voice": org.voice,
        "website": org.website,
    }


def campaign_values(campaign: Campaign | None) -> dict[str, str]:
    """What the campaign is after."""
    if campaign is None:
        return {}
    names = ("name", "goal", "offer", "tone", "audience", "call_to_action")
    return {name: getattr(campaign, name) for name in names}


def fact_brief(fact: Fact) -> FactBrief:
    """A stored fact as a writer sees it."""
    return FactBrief(
        id=fact.pk,
        category=fact.category,
        statement=fact.statement,
        quote=fact.quote,
        source_url=fact.source_url,
        confidence=fact.confidence,
        dated=fact.dated.isoformat() if fact.dated else "",
    )


def step_brief(step: SequenceStep) -> StepBrief:
    """A step of the campaign as a writer sees it."""
    return StepBrief(
        number=step.number,
        type=step.type,
        tone=step.tone,
        personalization_depth=step.personalization_depth,
        length=step.length,
        instructions=step.instructions,
    )
