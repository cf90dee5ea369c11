"""The list of addresses and domains that are never written to (seed 000, section 9.2)."""

from __future__ import annotations

import json
from collections.abc import Collection
from uuid import UUID

from django.db import transaction
from django.db.models.expressions import RawSQL

from leadpilot.lib.errors import DomainError
from leadpilot.orgs import services as orgs
from leadpilot.orgs.models import Organization, User
from leads import domains
from leads.models import CLOSED_STATUSES, Lead, LeadStatus, Suppression, SuppressionReason
from leads.validation import email_fault, normal_email

# What a suppression with this reason makes of the lead with the address.
STATUS_AFTER = {
    SuppressionReason.UNSUBSCRIBED: LeadStatus.UNSUBSCRIBED,
    SuppressionReason.COMPLAINED: LeadStatus.UNSUBSCRIBED,
    SuppressionReason.BOUNCED: LeadStatus.BOUNCED,
}
_WEAK = (SuppressionReason.MANUAL, SuppressionReason.IMPORTED)


def find_suppression(*, org: Organization, email: str) -> Suppression | None:
    """The entry that forbids this address: its own, or that of its domain or a domain above it."""
    email = normal_email(email)
    values = [email, *domains.with_parents(domains.of_email(email))]
    found = list(Suppression.objects.for_org(org).filter(value__in=values))
    return min(found, key=lambda entry: values.index(entry.value), default=None)


def suppressed_among(*, org_id: UUID, emails: Collection[str]) -> dict[str, Suppression]:
    """Of many addresses (lower case) those that are forbidden, each with its entry."""
    if not Suppression.objects.for_org(org_id).exists():
        return {}
    values = set(emails)
    for domain in {domains.of_email(email) for email in emails}:
        values.update(domains.with_parents(domain))
    # One value is far quicker than thousands of placeholders, and JSON than an array.
    forbidden = RawSQL("SELECT json_array_elements_text(%s::json)", [json.dumps(list(values))])
    entries = Suppression.objects.for_org(org_id).filter(value__in=forbidden)
    found = {entry.value: entry for entry in entries}
    if not found:
        return {}
    result: dict[str, Suppression] = {}
    for email in emails:
        for value in (email, *domains.with_parents(domains.of_email(email))):
            if value in found:
                result[email] = found[value]
                break
    return result


@transaction.atomic
def suppress(
    *, org: Organization, value: str, reason: str, origin: str = "", by: User | None = None
) -> Suppression:
    """Forbid an address, or a domain with all below it (`acme.com` or `@acme.com`). Doing it again changes nothing.

    An unsubscription, complaint or bounce also closes the lead with that address, and is not overwritten by a weaker
    reason. `origin` says where it came from, in words. Raises DomainError (field `value`).
    """
    kind, value = _parsed(value)
    reason = SuppressionReason(reason)
    entry, made = Suppression.objects.get_or_create(
        org=org, kind=kind, value=value, defaults={"reason": reason, "origin": origin[:200], "created_by": by}
    )
    if not made and entry.reason in _WEAK and reason not in _WEAK:
        entry.reason, entry.origin = reason, origin[:200]
        entry.save(update_fields=["reason", "origin"])
    if kind == Suppression.Kind.EMAIL and reason in STATUS_AFTER:
        leads = Lead.objects.for_org(org).filter(email__iexact=value)
        leads.exclude(status__in=CLOSED_STATUSES).update(status=STATUS_AFTER[reason])
    if made:
        orgs.record(
            org=org,
            actor=by,
            action="suppression.added",
            message=f"{value} was put on the suppression list ({reason.label.lower()}).",
            subject=entry,
            origin=origin,
        )
    return entry


def _parsed(value: str) -> tuple[str, str]:
    text = normal_email(value)
    if "@" in text.lstrip("@"):
        if fault := email_fault(text):
            raise DomainError(fault, field="value")
        return Suppression.Kind.EMAIL, text
    domain = text.lstrip("@").removeprefix("www.")
    if not domain or email_fault(f"someone@{domain}"):
        raise DomainError(
            f"“{value}” is neither an address nor a domain: write ada@acme.com or acme.com.", field="value"
        )
    if domain in domains.FREE_MAIL:
        raise DomainError(
            f"{domain} is a public mail provider: suppress single addresses of it.", field="value"
        )
    return Suppression.Kind.DOMAIN, domain


@transaction.atomic
def lift(*, suppression: Suppression, reason: str, by: User | None = None) -> None:
    """Take an entry off the list; the audit log keeps what it was and why. The lead's status stays as it is."""
    if not reason.strip():
        raise DomainError("Say why this address may be written to again; the reason is kept.", field="reason")
    orgs.record(
        org=suppression.org,
        actor=by,
        action="suppression.lifted",
        message=f"{suppression.value} was taken off the suppression list: {reason.strip()}",
        subject=suppression,
        reason=suppression.reason,
        origin=suppression.origin,
    )
    suppression.delete()
