"""Changes to one lead. Screens, the agent, the command line and the import all come through here or through `imports`."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Case, F, Value, When

from leadpilot.lib.errors import Conflict, DomainError
from leadpilot.orgs import services as orgs
from leadpilot.orgs.models import Organization, User
from leads.models import CLOSED_STATUSES, Lead, LeadStatus, Note
from leads.qualification import JUDGED_FIELDS
from leads.services.companies import company_of
from leads.services.reconsidering import reconsider
from leads.services.suppression import find_suppression
from leads.validation import clean

NOTE_MAX = 10_000


@transaction.atomic
def create_lead(*, org: Organization, by: User | None = None, **fields: Any) -> Lead:
    """A new lead from tidied and checked fields, linked to its company by domain.

    Raises DomainError naming the field when a value cannot be taken or the address is suppressed, Conflict when the
    address is already here. `owner` and `status` may be given as they are.
    """
    plain = {name: fields.pop(name) for name in ("owner", "status", "lead_import") if name in fields}
    cleaned = _checked(fields, partial=False)
    if entry := find_suppression(org=org, email=cleaned["email"]):
        raise DomainError(
            f"{cleaned['email']} is on the suppression list ({entry.get_reason_display().lower()}): "
            "take it off there first if this person agreed to hear from you.",
            field="email",
        )
    _refuse_second(org, cleaned["email"])
    company = company_of(org=org, fields=cleaned)
    try:
        with transaction.atomic():
            lead = Lead.objects.create(org=org, company_profile=company, **cleaned, **plain)
    except IntegrityError as error:
        raise Conflict(
            f"There is already a lead with the address {cleaned['email']}.", field="email"
        ) from error
    orgs.record(org=org, actor=by, action="lead.created", message=f"{lead.name} was added.", subject=lead)
    return lead


@transaction.atomic
def update_lead(*, lead: Lead, by: User | None = None, **fields: Any) -> Lead:
    """Change the given fields after checking them; records which changed. Raises as `create_lead` does."""
    plain = {name: fields.pop(name) for name in ("owner",) if name in fields}
    cleaned = {**_checked(fields, partial=True), **plain}
    changed = {name: value for name, value in cleaned.items() if getattr(lead, name) != value}
    if not changed:
        return lead
    if "email" in changed:
        _refuse_second(lead.org, changed["email"], besides=lead)
    for name, value in changed.items():
        setattr(lead, name, value)
    if changed.keys() & {"email", "website_url"}:
        lead.company_profile = company_of(
            org=lead.org,
            fields={"email": lead.email, "website_url": lead.website_url, "company": lead.company},
        )
        changed["company_profile"] = lead.company_profile
    lead.save(update_fields=[*changed, "updated_at"])
    orgs.record(
        org=lead.org,
        actor=by,
        action="lead.changed",
        message=f"Changed: {', '.join(sorted(changed))}.",
        subject=lead,
    )
    if changed.keys() & set(JUDGED_FIELDS):
        reconsider(org=lead.org, lead_ids=[lead.pk], by=by)
        lead.refresh_from_db(fields=["status", "skip_reason"])
    return lead


def _checked(fields: dict[str, Any], *, partial: bool) -> dict[str, Any]:
    cleaned, faults = clean(fields, partial=partial)
    if unknown := fields.keys() - cleaned.keys():
        raise TypeError(f"A lead has no field {', '.join(sorted(unknown))}.")
    if faults:
        raise DomainError(faults[0].message, field=faults[0].field)
    return cleaned


def _refuse_second(org: Organization, email: str, besides: Lead | None = None) -> None:
    there = Lead.objects.for_org(org).filter(email__iexact=email)
    if besides is not None:
        there = there.exclude(pk=besides.pk)
    if other := there.first():
        raise Conflict(
            f"{other.name} already has the address {other.email}: open that lead instead.", field="email"
        )


@transaction.atomic
def set_status(*, lead: Lead, status: str, skip_reason: str = "") -> bool:
    """Move a lead to another status; True when it moved. A closed lead is never opened again by this."""
    status = LeadStatus(status)
    moved = (
        Lead.objects.for_org(lead.org_id)
        .filter(pk=lead.pk)
        .exclude(status__in=CLOSED_STATUSES)
        .update(status=status, skip_reason=skip_reason)
    )
    lead.refresh_from_db(fields=["status", "skip_reason"])
    return bool(moved)


BEFORE_MAILED = (LeadStatus.NEW, LeadStatus.RESEARCHING, LeadStatus.RESEARCHED, LeadStatus.SKIPPED)


def note_mailed(*, org_id: UUID, lead_id: UUID, at: datetime) -> None:
    """A mail has left: the lead is `emailed`, unless it has come further already. One statement, for every mail sent."""
    Lead.objects.for_org(org_id).filter(pk=lead_id).update(
        status=Case(When(status__in=BEFORE_MAILED, then=Value(LeadStatus.EMAILED)), default=F("status")),
        last_interaction_at=at,
    )


@transaction.atomic
def archive_lead(*, lead: Lead, by: User | None = None) -> Lead:
    """Put a lead away: the machine writes to them no more. Doing it again changes nothing."""
    moved = (
        Lead.objects.for_org(lead.org_id)
        .filter(pk=lead.pk)
        .exclude(status=LeadStatus.ARCHIVED)
        .update(status=LeadStatus.ARCHIVED)
    )
    lead.refresh_from_db(fields=["status"])
    if moved:
        orgs.record(
            org=lead.org, actor=by, action="lead.archived", message=f"{lead.name} was archived.", subject=lead
        )
    return lead


@transaction.atomic
def add_note(*, lead: Lead, text: str, by: User | None = None) -> Note:
    """Write a note on a lead. Raises DomainError (field `text`) for an empty or endless one."""
    text = text.replace("\0", "").strip()
    if not text:
        raise DomainError("The note is empty: write something first.", field="text")
    if len(text) > NOTE_MAX:
        raise DomainError(f"The note has {len(text):,} characters: shorten it to {NOTE_MAX:,}.", field="text")
    return Note.objects.create(org=lead.org, lead=lead, author=by, text=text)
