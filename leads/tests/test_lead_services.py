import pytest

from leadpilot.lib.errors import Conflict, DomainError
from leadpilot.orgs.models import AuditEntry
from leads import queries
from leads.models import CLOSED_STATUSES, Company, Lead, LeadStatus, Note
from leads.services.companies import company_for
from leads.services.leads import add_note, archive_lead, create_lead, set_status, update_lead

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_org")]


@pytest.fixture
def ada(org):
    return create_lead(org=org, name="Ada Lovelace", email="ada@engine.example", company="Engine")


class TestCreate:
    def test_values_are_tidied_and_the_company_found(self, org, alice):
        lead = create_lead(
            org=org,
            by=alice,
            name=" Ada  Lovelace ",
            email="Ada <ADA@Engine.example>",
            website_url="engine.example",
        )
        assert (lead.name, lead.email, lead.website_url) == (
            "Ada Lovelace",
            "ada@engine.example",
            "https://engine.example",
        )
        assert lead.company_profile.domain == "engine.example"
        assert lead.status == LeadStatus.NEW
        assert AuditEntry.objects.get(action="lead.created").actor == alice

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"name": " "}, "name"),
            ({"name": "x" * 101}, "name"),
            ({"email": "nowhere"}, "email"),
            ({"linkedin_url": "javascript:alert(1)"}, "linkedin_url"),
            ({"company": "x" * 201}, "company"),
            ({"time_zone": "Mars/Base"}, "time_zone"),
        ],
    )
    def test_a_wrong_value_names_its_field(self, org, fields, field):
        with pytest.raises(DomainError) as caught:
            create_lead(org=org, **{"name": "Ada", "email": "ada@x.example", **fields})
        assert caught.value.field == field
        assert not Lead.objects.exists()

    def test_an_address_is_there_once_in_any_case(self, org, ada):
        with pytest.raises(Conflict, match="Ada Lovelace already has the address"):
            create_lead(org=org, name="Other", email="ADA@ENGINE.example")

    def test_an_unknown_field_is_a_mistake_of_the_program(self, org):
        with pytest.raises(TypeError, match="shoe_size"):
            create_lead(org=org, name="Ada", email="ada@x.example", shoe_size=38)


class TestUpdate:
    def test_only_what_is_given_changes(self, ada, alice):
        update_lead(lead=ada, by=alice, title="Countess", phone="1")
        ada.refresh_from_db()
        assert (ada.name, ada.title, ada.phone) == ("Ada Lovelace", "Countess", "1")
        assert "phone, title" in AuditEntry.objects.get(action="lead.changed").message

    def test_nothing_changed_leaves_no_trace(self, ada):
        update_lead(lead=ada, name="Ada Lovelace")
        assert not AuditEntry.objects.filter(action="lead.changed").exists()

    def test_a_new_address_brings_its_company(self, ada):
        update_lead(lead=ada, email="ada@other.example")
        ada.refresh_from_db()
        assert ada.company_profile.domain == "other.example"

    def test_another_leads_address_is_refused(self, org, ada):
        create_lead(org=org, name="Bob", email="bob@x.example")
        with pytest.raises(Conflict):
            update_lead(lead=ada, email="BOB@x.example")

    def test_its_own_address_is_not_a_conflict(self, ada):
        assert update_lead(lead=ada, email="ADA@engine.example").email == "ada@engine.example"

    def test_a_wrong_value_changes_nothing(self, ada):
        with pytest.raises(DomainError):
            update_lead(lead=ada, title="Countess", website_url="no site")
        ada.refresh_from_db()
        assert ada.title == ""


class TestStatus:
    def test_it_moves_and_says_so(self, ada):
        assert set_status(lead=ada, status="skipped", skip_reason="No web site")
        assert (ada.status, ada.skip_reason) == ("skipped", "No web site")

    @pytest.mark.parametrize("closed", CLOSED_STATUSES)
    def test_a_closed_lead_is_not_opened_again(self, ada, closed):
        Lead.objects.filter(pk=ada.pk).update(status=closed)
        assert not set_status(lead=ada, status=LeadStatus.RESEARCHING)
        assert ada.status == closed

    def test_an_unknown_status_is_refused(self, ada):
        with pytest.raises(ValueError, match="hot"):
            set_status(lead=ada, status="hot")

    def test_archiving_twice_is_archiving_once(self, ada, alice):
        for _ in range(2):
            assert archive_lead(lead=ada, by=alice).status == LeadStatus.ARCHIVED
        assert AuditEntry.objects.filter(action="lead.archived").count() == 1


class TestCompany:
    def test_leads_of_a_domain_share_their_company(self, org, ada):
        bob = create_lead(org=org, name="Bob", email="bob@engine.example")
        assert bob.company_profile_id == ada.company_profile_id
        assert Company.objects.count() == 1

    @pytest.mark.parametrize("domain", ["gmail.com", "web.de", "linkedin.com", "", "localhost"])
    def test_a_public_domain_is_no_company(self, org, domain):
        assert company_for(org=org, domain=domain) is None

    def test_the_domain_is_taken_without_www_and_case(self, org):
        first = company_for(org=org, domain="www.Acme.example")
        assert first is not None
        assert first == company_for(org=org, domain="acme.example", name="Acme")
        assert Company.objects.get().name == "Acme"


class TestNotesAndTimeline:
    def test_a_note_is_kept(self, ada, alice):
        note = add_note(lead=ada, text="  Likes\x00 tea ", by=alice)
        assert (note.text, note.author) == ("Likes tea", alice)

    @pytest.mark.parametrize("text", ["", "  \n", "x" * 10_001])
    def test_an_empty_or_endless_note_is_refused(self, ada, text):
        with pytest.raises(DomainError):
            add_note(lead=ada, text=text)
        assert not Note.objects.exists()

    def test_the_timeline_is_newest_first_and_upper_apps_add_to_it(self, ada, alice, monkeypatch):
        monkeypatch.setattr(queries, "_SOURCES", list(queries._SOURCES))
        add_note(lead=ada, text="First", by=alice)
        add_note(lead=ada, text="Second", by=alice)

        def mails(lead):
            return [queries.TimelineItem(ada.created_at.replace(year=2001), "mail", "Mail 1 sent")]

        for _ in range(2):
            queries.register_timeline(mails)
        items = queries.timeline(ada)
        assert [item.text for item in items if item.kind == "note"] == ["Second", "First"]
        assert items[-1].title == "Mail 1 sent"
        assert [item.kind for item in items].count("mail") == 1


def test_tags_in_use_and_counts_by_status(org):
    create_lead(org=org, name="Ada", email="a@x.example", tags=["beta", "Alpha"])
    bob = create_lead(org=org, name="Bob", email="b@x.example", tags=["beta"])
    archive_lead(lead=bob)
    assert queries.tags_of(org) == ["Alpha", "beta"]
    assert queries.status_counts(org) == {"": 1, "new": 1, "archived": 1}
