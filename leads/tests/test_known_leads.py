"""Who is here already when an import comes: looked for only where somebody can be, and found wherever they came from."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from leadpilot.lib.ids import new_id
from leadpilot.orgs.models import Organization
from leadpilot.orgs.tenancy import org_context
from leads.models import Lead, LeadImport
from leads.services import import_sql, imports
from leads.services.import_rows import Candidate
from leads.services.leads import create_lead

pytestmark = pytest.mark.django_db
ADA = {"name": "Ada Lovelace", "email": "ada@engine.example", "company": "Engine"}


def bring(org: Organization, text: str) -> LeadImport:
    """Import a small list."""
    with org_context(org.pk):
        item = imports.upload(org=org, by=None, file_name="list.csv", file=io.BytesIO(text.encode()))
        return imports.start(lead_import=item, mapping=item.mapping, update_existing=True, by=None)


def known(org: Organization, import_id: Any, **fields: str) -> dict[int, import_sql.Match]:
    """What is found for one row with these fields."""
    with org_context(org.pk):
        return import_sql.existing(org.pk, [Candidate(7, {**ADA, **fields})], import_id)


def put(org: Organization, import_id: Any = None) -> Lead:
    """Ada, as that import would have made her."""
    with org_context(org.pk):
        lead = create_lead(org=org, **ADA)
        if import_id:
            Lead.objects.filter(pk=lead.pk).update(lead_import=import_id)
        return lead


def an_import(org: Organization) -> Any:
    """Its id; ids grow with time."""
    with org_context(org.pk):
        return LeadImport.objects.create(org=org, file_name="x.csv", content=b"", total=0).pk


def test_a_lead_that_was_typed_in_is_found(org: Organization) -> None:
    lead = put(org)
    assert known(org, an_import(org))[7] == import_sql.Match(lead.pk, ADA["email"], True)


def test_a_lead_of_an_earlier_import_is_found(org: Organization) -> None:
    lead = put(org, an_import(org))
    assert known(org, an_import(org))[7].lead_id == lead.pk


def test_a_lead_of_a_later_import_is_found(org: Organization) -> None:
    mine, later = an_import(org), an_import(org)
    lead = put(org, later)
    assert known(org, mine)[7].lead_id == lead.pk


def test_what_this_import_made_itself_is_not_looked_at(org: Organization) -> None:
    mine = an_import(org)
    put(org, mine)
    assert known(org, mine) == {}


def test_a_trial_run_without_an_import_finds_typed_and_imported_leads(org: Organization) -> None:
    lead = put(org)
    assert known(org, None)[7].lead_id == lead.pk
    with org_context(org.pk):
        Lead.objects.filter(pk=lead.pk).update(lead_import=an_import(org))
    assert known(org, None)[7].lead_id == lead.pk


def test_a_person_is_found_by_name_and_company_under_another_address(org: Organization) -> None:
    lead = put(org)
    found = known(org, an_import(org), email="countess@engine.example", name="ADA LOVELACE")
    assert found[7] == import_sql.Match(lead.pk, ADA["email"], False)


def test_another_organizations_leads_are_nobody_here(org: Organization, other_org: Organization) -> None:
    put(other_org)
    assert known(org, an_import(org)) == {}


def test_into_an_empty_organization_leads_are_not_searched_one_by_one(org: Organization) -> None:
    with CaptureQueriesContext(connection) as seen:
        item = bring(org, "name,email\nAda,ada@engine.example\nBob,bob@engine.example\n")
    assert item.created == 2
    assert not [q for q in seen.captured_queries if "AS by_email" in q["sql"]]


def test_the_second_file_updates_whom_the_first_one_made(org: Organization) -> None:
    bring(org, "name,email\nAda,ada@engine.example\n")
    again = bring(org, "name,email,title\nAda L,ada@engine.example,Countess\nBob,bob@engine.example,\n")
    assert (again.created, again.updated) == (1, 1)
    with org_context(org.pk):
        assert Lead.objects.get(email="ada@engine.example").title == "Countess"


def test_no_rows_ask_nothing(org: Organization, django_assert_num_queries: Any) -> None:
    with org_context(org.pk), django_assert_num_queries(0):
        assert import_sql.existing(org.pk, [], new_id()) == {}


def test_names_that_json_has_to_escape_arrive_as_they_are(org: Organization) -> None:
    name = 'Zoë "Z" O\\Brien 🚢 \u2028x'
    quoted = name.replace('"', '""')
    bring(org, f'name,email,company\n"{quoted}",zoe@engine.example,"A\\B ""C"""\n')
    with org_context(org.pk):
        lead = Lead.objects.get(email="zoe@engine.example")
    assert (lead.name, lead.company) == ('Zoë "Z" O\\Brien 🚢 x', 'A\\B "C"')
