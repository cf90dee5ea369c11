"""The statements of an import: thousands of rows each, sent as one JSON value.

`lower()` is not leakproof, so under row security its index is not used in searches (only for ON CONFLICT): existing leads
are found by one hash join a batch over the organization's rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
from django.db import connection
from django.db.models import Model

from leadpilot.lib import clock
from leadpilot.lib.ids import new_id
from leads.models import Company, Lead, LeadStatus
from leads.validation import LENGTHS, URL_FIELDS

if TYPE_CHECKING:
    from leads.services.import_rows import Candidate

TEXTS = (*LENGTHS, *URL_FIELDS, "time_zone")  # optional text columns of a lead


_NOT_OURS = "(%(import)s::uuid IS NULL OR l.lead_import_id IS DISTINCT FROM %(import)s)"


@dataclass(frozen=True, slots=True)
class Match:
    """The lead that a row is about; not `by_email` means by name and company."""

    lead_id: UUID
    email: str
    by_email: bool


def _json(rows: list[dict[str, Any]]) -> str:
    return orjson.dumps(rows).decode()


def lock(org_id: UUID) -> None:
    """Let one import of this organization write at a time, to the end of the transaction: no deadlocks, no races."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('leads-import:' || %s, 0))", [str(org_id)]
        )


def _keys_of(candidates: Iterable[Candidate]) -> str:
    """By what `existing` knows a lead, as JSON."""
    names = ("email", "name", "company")
    return _json([{"n": c.row, **{name: c.fields.get(name, "") for name in names}} for c in candidates])


def as_text(candidates: Iterable[Candidate], origin: str) -> str:
    """The leads that `insert` would make of these rows, as JSON. `origin` is the source of rows that name none."""
    return _json([{"n": c.row, "id": c.lead_id, "source": origin, **_row(c)} for c in candidates])


def existing(org_id: UUID, candidates: Sequence[Candidate], import_id: UUID | None) -> dict[int, Match]:
    """Row number → the lead with this address, else the lead with this name and company.

    What this import made itself is not looked at: rows of one file are told apart before (`Seen`).
    """
    if not candidates or not _has_others(org_id, import_id):
        return {}
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_nestloop = off")  # the planner does not know how many rows come
        cursor.execute(
            f"""
            WITH r AS MATERIALIZED (
                SELECT * FROM json_to_recordset(%(rows)s::json) AS r(n int, email text, name text, company text)
            )
            SELECT r.n, l.id, l.email, false AS by_email FROM r JOIN leads_lead l
                ON lower(l.name) = lower(r.name) AND lower(l.company) = lower(r.company)
                WHERE l.org_id = %(org)s AND r.company <> '' AND l.company <> '' AND {_NOT_OURS}
            UNION ALL
            SELECT r.n, l.id, l.email, true FROM r JOIN leads_lead l ON lower(l.email) = r.email
                WHERE l.org_id = %(org)s AND {_NOT_OURS}
            """,  # noqa: S608 (a constant)
            {"rows": _keys_of(candidates), "org": org_id, "import": import_id},
        )
        found: dict[int, Match] = {}
        for number, lead_id, email, by_email in cursor.fetchall():
            if by_email or number not in found:
                found[number] = Match(lead_id, email, by_email)
        cursor.execute("SET LOCAL enable_nestloop = on")
    return found


def _has_others(org_id: UUID, import_id: UUID | None) -> bool:
    """Whether the organization has leads that this import did not make; three looks into an index."""
    given = {"org": org_id, "import": import_id}
    where = ("IS NULL", "< %(import)s", "> %(import)s") if import_id else ("IS NULL", "IS NOT NULL")
    looks = (f"EXISTS (SELECT FROM leads_lead WHERE org_id = %(org)s AND lead_import_id {w})" for w in where)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {' OR '.join(looks)}", given)
        return bool(cursor.fetchone()[0])


def make_companies(org_id: UUID, leads: Iterable[Candidate]) -> None:
    """Make the companies of these leads that are not known yet."""
    names: dict[str, str] = {}
    for lead in leads:
        if lead.domain and not names.get(lead.domain):
            names[lead.domain] = lead.fields.get("company", "")
    if not names:
        return
    fixed = _defaults(Company(org_id=org_id), {"id", "domain", "name"})
    rows = [{"id": new_id(), "domain": domain, "name": names[domain]} for domain in sorted(names)]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO leads_company (id, domain, name, {', '.join(fixed)}) "  # noqa: S608 (names of our own columns)
            f"SELECT r.id, r.domain, r.name, {', '.join(['%s'] * len(fixed))} "
            "FROM json_to_recordset(%s::json) AS r(id uuid, domain text, name text) "
            "ON CONFLICT (org_id, domain) DO NOTHING",
            [*fixed.values(), _json(rows)],
        )


def insert(
    org_id: UUID, import_id: UUID | None, candidates: Sequence[Candidate], text: str, *, others: bool
) -> set[int]:
    """Write new leads, whose companies are there, from their `as_text`; returns the rows of those that were really new.

    `others`: the text holds more rows than these.
    """
    if not candidates:
        return set()
    columns = ["id", "name", "email", *TEXTS, "tags", "custom_fields", "company_profile_id"]
    blank = Lead(status=LeadStatus.NEW, updated_at=clock.now(), org_id=org_id, lead_import_id=import_id)
    fixed = _defaults(blank, set(columns))
    sql = (
        f"WITH made AS (INSERT INTO leads_lead ({', '.join(columns)}, {', '.join(fixed)}) "  # noqa: S608 (names of our own columns)
        f"SELECT {_COLUMNS}, {', '.join(['%s'] * len(fixed))} "
        f"FROM json_to_recordset(%s::json) AS r(n int, id uuid, {_TYPED}) {_WITH_COMPANY} "
        f"{'WHERE r.n = ANY(%s) ' if others else ''}"
        "ON CONFLICT (org_id, lower(email)) DO NOTHING RETURNING id) "
        "SELECT CASE WHEN count(*) < %s THEN coalesce(array_agg(id), '{}') END FROM made"
    )
    with connection.cursor() as cursor:
        only = [[candidate.row for candidate in candidates]] if others else []
        cursor.execute(sql, [*fixed.values(), text, org_id, *only, len(candidates)])
        (made,) = cursor.fetchone()
    if made is None:  # all of them, as nearly always
        return {candidate.row for candidate in candidates}
    known = set(made)
    return {candidate.row for candidate in candidates if candidate.lead_id in known}


_TYPED = (
    f"name text, email text, {', '.join(f'{t} text' for t in TEXTS)}, "
    "tags text[], custom_fields jsonb, domain text"
)
_WITH_COMPANY = "LEFT JOIN leads_company c ON c.org_id = %s AND c.domain = r.domain"


_COLUMNS = ", ".join(
    [
        "r.id, r.name, r.email",
        *(f"coalesce(r.{t}, '')" for t in TEXTS),
        "coalesce(r.tags, '{}'), coalesce(r.custom_fields, '{}'), c.id",
    ]
)


def _row(candidate: Candidate) -> dict[str, Any]:
    """What the row says, without what it leaves empty."""
    row = {name: value for name, value in candidate.fields.items() if value}
    if candidate.domain:
        row["domain"] = candidate.domain
    return row


def _defaults(blank: Model, given: set[str]) -> dict[str, Any]:
    """Column → value for all columns that rows do not bring, from the model itself."""
    return {
        f.column: f.get_db_prep_save(f.pre_save(blank, True), connection)
        for f in blank._meta.concrete_fields
        if f.column and f.column not in given
    }


def changed(org_id: UUID, old: Sequence[tuple[Candidate, UUID]], fields: Sequence[str]) -> list[UUID]:
    """The skipped leads for which the file brings another value in one of these text columns than they have."""
    rows = [
        {"id": lead_id, **{name: value for name in fields if (value := candidate.fields.get(name))}}
        for candidate, lead_id in old
    ]
    if not rows:
        return []
    typed = ", ".join(f"{name} text" for name in fields)
    differs = " OR ".join(f"r.{name} <> l.{name}" for name in fields)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT l.id FROM json_to_recordset(%s::json) AS r(id uuid, {typed}) "  # noqa: S608 (our own columns)
            f"JOIN leads_lead l ON l.id = r.id WHERE l.org_id = %s AND l.status = %s AND ({differs})",
            [_json(rows), org_id, LeadStatus.SKIPPED],
        )
        return [lead_id for (lead_id,) in cursor.fetchall()]


def update(org_id: UUID, old: Sequence[tuple[Candidate, UUID]]) -> None:
    """Bring leads up to date: what the file leaves empty stays, and so do address and status; tags are added."""
    if not old:
        return
    rows = [{"id": lead_id, **_row(candidate)} for candidate, lead_id in old]
    texts = ", ".join(f"{t} = coalesce(r.{t}, l.{t})" for t in TEXTS)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE leads_lead l SET name = r.name, {texts}, "  # noqa: S608 (names of our own columns)
            "tags = l.tags || ARRAY(SELECT t FROM unnest(r.tags) t WHERE t <> ALL (l.tags)), "
            "custom_fields = l.custom_fields || coalesce(r.custom_fields, '{}'), "
            "company_profile_id = coalesce(l.company_profile_id, c.id), updated_at = %s "
            f"FROM json_to_recordset(%s::json) AS r(id uuid, {_TYPED}) {_WITH_COMPANY} "
            "WHERE l.org_id = %s AND l.id = r.id",
            [clock.now(), _json(rows), org_id, org_id],
        )
