"""Companies, found by their domain."""

from __future__ import annotations

from typing import Any

from leadpilot.orgs.models import Organization
from leads import domains
from leads.models import Company


def company_for(*, org: Organization, domain: str, name: str = "") -> Company | None:
    """The organization's company with this domain, made on first use; None for free-mail domains and no domain."""
    domain = domain.strip().lower().removeprefix("www.").rstrip(".")
    if not domains.is_company_domain(domain):
        return None
    company, _ = Company.objects.get_or_create(org=org, domain=domain, defaults={"name": name[:200]})
    if name and not company.name:
        Company.objects.for_org(org).filter(pk=company.pk, name="").update(name=name[:200])
        company.name = name[:200]
    return company


def company_of(*, org: Organization, fields: dict[str, Any]) -> Company | None:
    """The company that a lead's address or web site points to."""
    domain = domains.company_domain(fields.get("email", ""), fields.get("website_url", ""))
    return company_for(org=org, domain=domain, name=fields.get("company", "")) if domain else None
