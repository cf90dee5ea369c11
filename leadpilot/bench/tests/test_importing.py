"""The import's measurement: the same rows on both sides, nothing doubled, every figure there."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from leadpilot.bench import importing
from leadpilot.bench.import_apart import server_seconds
from leadpilot.orgs.tenancy import org_context
from leads.importing.source import open_source
from leads.models import Company, Lead
from leads.services import imports

FIELDS = ("email", "name", "company", "title", "website_url", "phone", "location", "tags", "status", "score")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "leads.csv"
    importing.write(made, 31)
    return made


def leads_of(org: Any) -> list[tuple[Any, ...]]:
    with org_context(org.pk):
        return sorted(Lead.objects.for_org(org).values_list(*FIELDS, "company_profile__domain"))


def companies_of(org: Any) -> set[tuple[str, str]]:
    with org_context(org.pk):
        return set(Company.objects.for_org(org).values_list("domain", "name"))


def test_the_list_has_as_many_different_people_as_asked(path: Path) -> None:
    with path.open(newline="") as file:
        titles, *rows = csv.reader(file)
    assert tuple(titles) == importing.TITLES
    assert len(rows) == len({row[0].lower() for row in rows}) == 31
    assert len({row[3] for row in rows}) == 11


def test_every_column_of_the_list_is_understood(path: Path) -> None:
    mapping = open_source(path).mapping
    assert set(mapping) == set(importing.TITLES)
    assert "custom" not in mapping.values()


@pytest.mark.django_db(transaction=True)
def test_limit_and_import_write_the_same_leads_and_companies(path: Path) -> None:
    limit, ours, problems = importing.organization(), importing.organization(), []
    importing.copy_and_upsert(limit, path)
    tally = imports.import_file(org_id=ours.pk, path=path, report=problems.append)
    assert (tally.created, problems) == (31, [])
    assert leads_of(limit) == leads_of(ours)
    assert companies_of(limit) == companies_of(ours)
    assert importing.leads_of(limit) == importing.leads_of(ours) == 31


@pytest.mark.django_db(transaction=True)
def test_the_limit_brings_the_same_leads_up_to_date_the_second_time(path: Path) -> None:
    org = importing.organization()
    importing.copy_and_upsert(org, path)
    first = leads_of(org)
    with org_context(org.pk):
        Lead.objects.for_org(org).update(title="")
    importing.copy_and_upsert(org, path)
    assert leads_of(org) == first


@pytest.mark.django_db(transaction=True)
def test_a_measurement_has_every_figure_and_its_limit() -> None:
    found = {figure.name: figure for figure in importing.measure(rows=150)}
    assert found["import_rows"].value == 150
    assert found["import_rate"].value > 0
    assert found["import_limit_copy_upsert"].value > 0
    ratio = found["import_rate"].value / found["import_limit_copy_upsert"].value
    assert found["import_ratio_to_limit"].value == pytest.approx(ratio)
    assert 20 < found["import_peak_memory"].value < importing.MOST_MB
    assert all(len(str(figure).split()) == 3 for figure in found.values())
    assert found["import_cpu_python"].value > 0


@pytest.mark.django_db(transaction=True)
def test_the_memory_of_whoever_starts_it_does_not_count(path: Path) -> None:
    held = bytearray(b"x" * 400_000_000)
    _, found = importing.import_apart(importing.organization(), path, 31)
    assert len(held) > found["peak"] * 1_000_000
    assert found["peak"] < importing.MOST_MB


@pytest.mark.django_db(transaction=True)
def test_a_row_that_is_missing_fails_the_measurement(path: Path) -> None:
    org = importing.organization()
    importing.copy_and_upsert(org, path)  # they are there already, so nothing is created
    with pytest.raises(AssertionError, match="'created': 0"):
        importing.import_apart(org, path, 31)


@pytest.mark.django_db
def test_the_servers_processor_time_only_grows() -> None:
    before = server_seconds(connection)
    with connection.cursor() as cursor:
        cursor.execute("select sum(sqrt(n)) from generate_series(1, 300000) n")
    assert server_seconds(connection) >= before >= 0
