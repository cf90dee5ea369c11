"""Skipped is no dead end: what is new about a lead brings them back."""

import pytest

from leadpilot.orgs.models import AuditEntry
from leadpilot.orgs.tenancy import org_context
from leads.models import TRANSITIONS, Lead, LeadStatus
from leads.services.leads import create_lead, set_status, update_lead
from leads.services.reconsidering import RECONSIDERED, reconsider
from leads.tests.test_imports import begin

pytestmark = [pytest.mark.django_db]


def skipped(org, email="ada@engine.example", **fields):
    lead = create_lead(org=org, name="Ada Lovelace", email=email, **fields)
    set_status(lead=lead, status=LeadStatus.SKIPPED, skip_reason="Too little to write honestly.")
    return lead


def said(org):
    return AuditEntry.objects.for_org(org).filter(action="lead.reconsidered")


@pytest.mark.usefixtures("in_org")
class TestEdit:
    @pytest.mark.parametrize(
        "change",
        [
            {"website_url": "https://engine.example"},
            {"title": "Countess"},
            {"email": "ada@other.example"},
            {"twitter_url": "https://x.com/ada"},
        ],
    )
    def test_what_the_verdict_looks_at_makes_a_skipped_lead_new(self, org, alice, change):
        lead = update_lead(lead=skipped(org), by=alice, **change)
        assert (lead.status, lead.skip_reason) == (LeadStatus.NEW, "")
        entry = said(org).get()
        assert (entry.message, entry.actor, entry.subject_id) == (RECONSIDERED, alice, str(lead.pk))
        assert entry.details == {"was_skipped_because": "Too little to write honestly."}

    @pytest.mark.parametrize(
        "change", [{"phone": "+44 20 1"}, {"tags": ["engine"]}, {"name": "Ada Lovelace"}]
    )
    def test_anything_else_leaves_it_skipped(self, org, change):
        lead = update_lead(lead=skipped(org), **change)
        assert lead.status == LeadStatus.SKIPPED
        assert not said(org).exists()

    @pytest.mark.parametrize("status", [s for s in LeadStatus.values if s != LeadStatus.SKIPPED])
    def test_who_is_anywhere_else_stays_there(self, org, status):
        lead = skipped(org)
        Lead.objects.for_org(org).update(status=status)
        lead.refresh_from_db()
        update_lead(lead=lead, title="Countess")
        assert reconsider(org=org, lead_ids=[lead.pk]) == 0
        lead.refresh_from_db()
        assert (lead.status, lead.title) == (status, "Countess")
        assert not said(org).exists()

    def test_the_table_allows_it(self):
        assert LeadStatus.NEW in TRANSITIONS[LeadStatus.SKIPPED]


def test_an_import_that_brings_something_new_makes_skipped_leads_new(org):
    with org_context(org.pk):
        ada, bob, cid = (
            skipped(org, f"{name}@engine.example", title="Engineer") for name in ("ada", "bob", "cid")
        )
        Lead.objects.for_org(org).filter(pk=cid.pk).update(status=LeadStatus.UNSUBSCRIBED)
    begin(
        org,
        "name,email,title,phone,website_url\n"
        "Ada Lovelace,ada@engine.example,Engineer,1,https://engine.example\n"
        "Ada Lovelace,bob@engine.example,Engineer,2,\n"
        "Ada Lovelace,cid@engine.example,Chief,3,\n",
    )
    with org_context(org.pk):
        found = {lead.pk: lead for lead in Lead.objects.for_org(org)}
        assert found[ada.pk].status == LeadStatus.NEW
        assert found[ada.pk].website_url == "https://engine.example"
        assert (found[bob.pk].status, found[bob.pk].phone) == (LeadStatus.SKIPPED, "2")  # nothing to judge by
        assert found[cid.pk].status == LeadStatus.UNSUBSCRIBED
        assert [entry.subject_id for entry in said(org)] == [str(ada.pk)]
