"""A CSV of leads imported by the real service, beside COPY into a staging table and an upsert of the same rows."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.db import connection

from leadpilot.bench.figures import Figure, Took, timed
from leadpilot.bench.import_apart import server_seconds
from leadpilot.lib.ids import new_id
from leadpilot.orgs.models import Organization, User
from leadpilot.orgs.services import create_organization
from leadpilot.orgs.tenancy import org_context
from leadpilot.trust import databases
from leads.models import Company, Lead

HELP = "a CSV import beside COPY into a staging table plus an upsert"
OPTIONS = ("rows",)
TARGET, MOST_MB = 0.6, 300
TITLES = ("email", "first name", "last name", "company", "title", "website", "phone", "location", "tags")
ROLES = ("Head of Operations", "Managing Director", "Dispatcher", "Fleet Manager", "Purchasing")
CITIES = ("Hamburg, Germany", "Lyon, France", "Sevilla, España", "Utrecht", "Gdańsk", "Malmö", "Porto")
ROWS_A_COMPANY = 3
_STAGING = """
create temporary table staging (email text, first_name text, last_name text, company text, title text, website_url text,
    phone text, location text, tags text) on commit drop
"""
_COPY = "copy staging from stdin (format csv, header true, encoding 'UTF8')"
_COMPANIES = """
insert into leads_company (id, org_id, domain, name, {rest}) select uuidv7(), %s, domain, name, {values}
  from (select distinct on (1) split_part(lower(email), '@', 2) as domain, company as name from staging) s
on conflict (org_id, domain) do nothing
"""
_UPSERT = """
insert into leads_lead (id, email, name, company, title, website_url, phone, location, tags, company_profile_id, {rest})
select uuidv7(), lower(s.email), s.first_name || ' ' || s.last_name, s.company, s.title, s.website_url, s.phone,
       s.location, string_to_array(s.tags, ';'), c.id, {values}
  from staging s join leads_company c on c.org_id = %s and c.domain = split_part(lower(s.email), '@', 2)
on conflict (org_id, lower(email)) do update set name = excluded.name, company = excluded.company,
    title = excluded.title, website_url = excluded.website_url, phone = excluded.phone, location = excluded.location,
    tags = excluded.tags, updated_at = excluded.updated_at
"""


def add_arguments(parser: ArgumentParser) -> None:
    """How many."""
    parser.add_argument("--rows", type=int, default=100_000)


def measure(*, rows: int) -> Iterator[Figure]:
    """Import and upsert the same file for two organizations. Raises AssertionError when a row is missing in one."""
    with tempfile.TemporaryDirectory(prefix="leadpilot-bench-") as folder:
        path = Path(folder) / "leads.csv"
        write(path, rows)
        limit_org, org = organization(), organization()
        limit, limit_server = limit_of(limit_org, path, rows)
        took, found = import_apart(org, path, rows)
    assert leads_of(org) == leads_of(limit_org) == rows
    yield Figure("import_rows", rows, "rows")
    yield Figure("import_seconds", took.wall, "s")
    yield Figure("import_rate", took.rate, "rows/s")
    yield Figure("import_cpu_python", took.cpu_each, "ms")
    yield Figure("import_cpu_server", 1000 * found["server"] / rows, "ms")
    yield Figure("import_limit_cpu_server", 1000 * limit_server / rows, "ms")
    yield Figure("import_peak_memory", found["peak"], "MB")
    yield Figure("import_limit_copy_upsert", limit.rate, "rows/s")
    yield Figure("import_ratio_to_limit", took.rate / limit.rate, "ratio")
    yield Figure("import_target_ratio", TARGET, "ratio")
    yield Figure("import_target_memory", MOST_MB, "MB")


def write(path: Path, rows: int) -> None:
    """A list as people have it: three people a company, accents, tags."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(TITLES)
        for n in range(rows):
            firm = n // ROWS_A_COMPANY
            writer.writerow(
                (
                    f"Ann.Müller{n}@firm{firm}.example".replace("ü", "ue"),
                    f"Ann{n}",
                    "Müller",
                    f"Firm {firm} GmbH",
                    ROLES[n % len(ROLES)],
                    f"https://www.firm{firm}.example/",
                    f"+49 40 {n:07d}",
                    CITIES[n % len(CITIES)],
                    "spring;fair",
                )
            )


def organization() -> Organization:
    """An organization without leads."""
    name = new_id().hex[-12:]
    owner = User.objects.create_user(f"{name}@bench.example", None, name="Bench")
    return create_organization(name="Bench", slug=f"bench-{name}", owner=owner)


def leads_of(org: Organization) -> int:
    """How many leads it has."""
    with org_context(org.pk), connection.cursor() as cursor:
        cursor.execute("select count(*) from leads_lead where org_id = %s", [org.pk])
        return int(cursor.fetchone()[0])


def limit_of(org: Organization, path: Path, rows: int) -> tuple[Took, float]:
    """What the limit takes, over a connection of its own: by the wall, and by the server's processor."""
    connection.close()
    took = timed(rows, lambda: copy_and_upsert(org, path))
    return took, server_seconds(connection)


def copy_and_upsert(org: Organization, path: Path) -> None:
    """The least that anyone would do: the same leads and companies, nothing checked, nobody asked, no reasons."""
    lead = _rest(
        Lead(org=org), "id email name company title website_url phone location tags company_profile_id"
    )
    company = _rest(Company(org=org), "id org_id domain name")
    with org_context(org.pk), connection.cursor() as cursor:
        cursor.execute(_STAGING)
        with cursor.copy(_COPY) as copy, path.open("rb") as file:
            while piece := file.read(1 << 16):
                copy.write(piece)
        for statement, fixed, more in ((_COMPANIES, company, [org.pk]), (_UPSERT, lead, [])):
            places = ", ".join(["%s"] * len(fixed))
            query = statement.format(rest=", ".join(fixed), values=places)
            values = [*more, *fixed.values()] if more else [*fixed.values(), org.pk]
            cursor.execute(query, values)


def _rest(row: Any, known: str) -> dict[str, Any]:
    """Column → value of what the file does not bring."""
    return {
        field.column: field.get_db_prep_save(field.pre_save(row, True), connection)
        for field in row._meta.concrete_fields
        if field.column not in known.split()
    }


def import_apart(org: Organization, path: Path, rows: int) -> tuple[Took, dict[str, Any]]:
    """Import in a process of its own, whose memory is the import's: seconds, and all it says."""
    urls = databases.named(databases.configured(), connection.settings_dict["NAME"])
    said = subprocess.run(
        [sys.executable, "-m", "leadpilot.bench.import_apart", str(org.pk), str(path)],
        env={**os.environ, **databases.environment(urls)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    found = json.loads(said.splitlines()[-1])
    assert found["created"] == rows, found
    return Took(found["wall"], found["cpu"], rows), found
