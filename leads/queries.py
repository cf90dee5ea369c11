"""What pages and upper apps read about leads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, F, Q, QuerySet
from django.urls import reverse

from leadpilot.orgs.days import TODAY, start_of_day
from leadpilot.orgs.models import AuditEntry, Organization
from leads.models import ImportProblem, Lead, LeadImport, LeadResearch, LeadStatus, Note, Page, Suppression

SORTS = {
    "name": "name",
    "company": "company",
    "status": "status",
    "score": "score",
    "created": "created_at",
}
SCORES = {
    "70": ("70 and more", Q(score__gte=70)),
    "45": ("45 to 69", Q(score__range=(45, 69))),
    "1": ("1 to 44", Q(score__range=(1, 44))),
    "0": ("Not scored", Q(score=0)),
}
MANY_TAGS = 40
TAGGED = 2000


def lead_list(
    org: Organization,
    *,
    q: str = "",
    status: str = "",
    tag: str = "",
    score: str = "",
    sort: str = "",
    company: str = "",
    lead_import: str = "",
    researched: str = "",
) -> QuerySet[Lead]:
    """The organization's leads that pass all filters; unknown values of filters are no filter.

    `status` "" leaves archived leads out, "all" shows them; `sort` is a key of `SORTS`, with `-` for descending.
    `researched` "today" leaves those whose research ended on the organization's present day.
    """
    leads = Lead.objects.for_org(org)
    for word in q.replace("\0", "").split()[:6]:
        leads = leads.filter(Q(name__icontains=word) | Q(email__icontains=word) | Q(company__icontains=word))
    if status in LeadStatus.values:
        leads = leads.filter(status=status)
    elif status != "all":
        leads = leads.exclude(status=LeadStatus.ARCHIVED)
    if tag:
        leads = leads.filter(tags__contains=[tag])
    if score in SCORES:
        leads = leads.filter(SCORES[score][1])
    if company:
        leads = leads.filter(company_profile__domain=company)
    if import_id := _uuid(lead_import):
        leads = leads.filter(lead_import_id=import_id)
    if researched == TODAY:
        leads = leads.filter(researched_at__gte=start_of_day(org))
    column = SORTS.get(sort.removeprefix("-"), "")
    order = [F(column).desc() if sort.startswith("-") else F(column).asc()] if column else []
    return leads.order_by(*order, "-created_at", "-id")


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def status_counts(org: Organization) -> dict[str, int]:
    """How many leads are in each status; `""` is all but the archived."""
    counts = dict(Lead.objects.for_org(org).values_list("status").annotate(number=Count("id")).order_by())
    return {"": sum(n for status, n in counts.items() if status != LeadStatus.ARCHIVED), **counts}


def tags_of(org: Organization) -> list[str]:
    """The tags of the newest `TAGGED` leads that have any, in alphabetical order, at most `MANY_TAGS`."""
    newest = (
        Lead.objects.for_org(org)
        .exclude(tags=[])
        .order_by("-created_at")
        .values_list("tags", flat=True)[:TAGGED]
    )
    return sorted({tag for tags in newest for tag in tags}, key=str.lower)[:MANY_TAGS]


@dataclass(frozen=True)
class TimelineItem:
    """One thing that happened with a lead; `reasons` are objects with `text`, or nothing."""

    when: datetime
    kind: str
    title: str
    text: str = ""
    url: str = ""
    icon: str = "circle-dot"
    reasons: Any = ()
    tone: str = ""


TimelineSource = Callable[[Lead], list[TimelineItem]]
_SOURCES: list[TimelineSource] = []
TIMELINE_LENGTH = 100


def register_timeline(source: TimelineSource) -> TimelineSource:
    """Add what an app knows to every lead's timeline; call at start-up. Registering twice changes nothing."""
    if source not in _SOURCES:
        _SOURCES.append(source)
    return source


def timeline(lead: Lead) -> list[TimelineItem]:
    """Everything that happened with a lead, newest first, at most `TIMELINE_LENGTH` items."""
    items = [item for source in _SOURCES for item in source(lead)]
    return sorted(items, key=lambda item: item.when, reverse=True)[:TIMELINE_LENGTH]


@register_timeline
def _notes(lead: Lead) -> list[TimelineItem]:
    notes = Note.objects.for_org(lead.org_id).filter(lead=lead).select_related("author")
    return [
        TimelineItem(note.created_at, "note", f"Note by {_who(note.author)}", note.text, icon="sticky-note")
        for note in notes.order_by("-created_at")[:TIMELINE_LENGTH]
    ]


@register_timeline
def _changes(lead: Lead) -> list[TimelineItem]:
    entries = AuditEntry.objects.for_org(lead.org_id).filter(
        subject_type="leads.lead", subject_id=str(lead.pk)
    )
    items = [
        TimelineItem(entry.created_at, "change", entry.message, f"by {_who(entry.actor)}", icon="pencil")
        for entry in entries.select_related("actor").order_by("-created_at")[:TIMELINE_LENGTH]
    ]
    if lead.lead_import_id is not None:
        url = reverse("leads:import_detail", args=[lead.lead_import_id])
        items.append(
            TimelineItem(lead.created_at, "import", "Imported", lead.source, url=url, icon="file-up")
        )
    return items


@register_timeline
def _research(lead: Lead) -> list[TimelineItem]:
    rows = LeadResearch.objects.for_org(lead.org_id).filter(lead=lead)
    return [
        TimelineItem(
            row.created_at,
            "research",
            f"Researched ({row.get_tool_used_display().lower()})",
            row.research_notes,
            icon="search",
            tone="info",
        )
        for row in rows.order_by("-created_at")[:20]
    ]


def _who(user: Any) -> str:
    return user.display_name if user is not None else "LeadPilot"


def pages_of(lead: Lead) -> QuerySet[Page]:
    """What was fetched for a lead and its company, newest first."""
    mine = Q(lead=lead)
    if lead.company_profile_id:
        mine |= Q(company_id=lead.company_profile_id)
    return Page.objects.for_org(lead.org_id).filter(mine).order_by("-fetched_at")


def suppression_list(org: Organization, *, q: str = "", reason: str = "") -> QuerySet[Suppression]:
    """The organization's suppressed addresses and domains, newest first."""
    entries = Suppression.objects.for_org(org).select_related("created_by")
    if q:
        entries = entries.filter(value__contains=q.strip().lower().lstrip("@").replace("\0", ""))
    if reason:
        entries = entries.filter(reason=reason)
    return entries.order_by("-created_at", "-id")


def import_list(org: Organization) -> QuerySet[LeadImport]:
    """Past imports, newest first, without the files."""
    return (
        LeadImport.objects.for_org(org).defer("content").select_related("created_by").order_by("-created_at")
    )


def problems_of(lead_import: LeadImport) -> QuerySet[ImportProblem]:
    """Rows that an import did not take, in the order of the file."""
    return (
        ImportProblem.objects.for_org(lead_import.org_id)
        .filter(lead_import=lead_import)
        .order_by("row", "id")
    )
