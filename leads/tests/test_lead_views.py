import pytest
from django.urls import reverse

from leadpilot.orgs.tenancy import org_context
from leads.models import Fact, Lead, LeadStatus, Note, Page
from leads.services.leads import create_lead

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(org):
    with org_context(org.pk):
        return create_lead(
            org=org, name="Ada Lovelace", email="ada@engine.example", company="Engine", tags=["math", "vip"]
        )


def get_lead(org, pk):
    with org_context(org.pk):
        return Lead.objects.for_org(org).get(pk=pk)


def make_leads(org, number):
    with org_context(org.pk):
        for i in range(number):
            create_lead(
                org=org, name=f"Person {i}", email=f"p{i}@firm{i}.example", company=f"Firm {i}", tags=["x"]
            )


class TestList:
    def test_it_shows_the_leads(self, client_for, bob, ada):
        page = client_for(bob).get(reverse("leads:lead_list"))
        assert page.status_code == 200
        assert b"Ada Lovelace" in page.content
        assert reverse("leads:lead_detail", args=[ada.pk]).encode() in page.content

    def test_it_says_what_to_do_when_it_is_empty(self, client_for, alice, org):
        page = client_for(alice).get(reverse("leads:lead_list"))
        assert b"No leads yet" in page.content
        assert reverse("leads:import_create").encode() in page.content

    def test_a_viewer_is_not_offered_what_is_refused(self, client_for, bob, org):
        page = client_for(bob).get(reverse("leads:lead_list"))
        assert b"Import a file" not in page.content

    def test_strangers_see_their_own_leads_only(self, client_for, charlie, other_org, ada):
        assert b"Ada Lovelace" not in client_for(charlie).get(reverse("leads:lead_list")).content

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({"q": "lovel"}, True),
            ({"q": "ENGINE ada"}, True),
            ({"q": "nobody"}, False),
            ({"q": "100%"}, False),
            ({"tag": "vip"}, True),
            ({"tag": "other"}, False),
            ({"status": "new"}, True),
            ({"status": "emailed"}, False),
            ({"score": "0"}, True),
            ({"score": "70"}, False),
            ({"company": "engine.example"}, True),
            ({"status": "nonsense", "score": "x", "sort": "password"}, True),
            ({"page": "99"}, True),
        ],
    )
    def test_it_filters(self, client_for, bob, ada, query, found):
        page = client_for(bob).get(reverse("leads:lead_list"), query)
        assert page.status_code == 200
        assert (b"ada@engine.example" in page.content) is found

    def test_archived_leads_are_shown_on_request_only(self, client_for, alice, ada):
        client = client_for(alice)
        client.post(reverse("leads:lead_archive", args=[ada.pk]))
        assert b"ada@engine.example" not in client.get(reverse("leads:lead_list")).content
        assert b"ada@engine.example" in client.get(reverse("leads:lead_list"), {"status": "archived"}).content

    def test_it_sorts(self, client_for, bob, org):
        make_leads(org, 3)
        text = client_for(bob).get(reverse("leads:lead_list"), {"sort": "-name"}).content.decode()
        assert text.index("Person 2") < text.index("Person 1") < text.index("Person 0")

    def test_htmx_gets_the_table_alone(self, client_for, bob, ada):
        page = client_for(bob).get(reverse("leads:lead_list"), headers={"HX-Request": "true"})
        assert page.content.strip().startswith(b'<div id="leads"')
        assert "HX-Request" in page["Vary"]

    def test_more_rows_need_no_more_queries(self, client_for, bob, org, django_assert_max_num_queries):
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        client = client_for(bob)
        make_leads(org, 10)
        client.get(reverse("leads:lead_list"))
        with CaptureQueriesContext(connection) as ten:
            client.get(reverse("leads:lead_list"))
        with org_context(org.pk):
            for i in range(10):
                create_lead(
                    org=org, name=f"More {i}", email=f"m{i}@more{i}.example", company="More", tags=["y"]
                )
        with CaptureQueriesContext(connection) as twenty:
            client.get(reverse("leads:lead_list"))
        assert len(twenty) == len(ten)

    def test_nothing_can_be_posted_to_it(self, client_for, alice, org):
        assert client_for(alice).post(reverse("leads:lead_list")).status_code == 405


class TestDetail:
    def test_it_shows_contact_facts_score_and_history(self, client_for, bob, org, ada):
        with org_context(org.pk):
            page = Page.objects.create(
                org=org, lead=ada, url="https://engine.example/", text="We build engines."
            )
            fact = Fact.objects.create(
                org=org,
                page=page,
                lead=ada,
                category="company_info",
                statement="Engine builds engines.",
                quote="We build engines.",
                source_url="https://engine.example/",
            )
            parts = [
                {"field": "company", "weight": 20, "got": 20, "evidence": "Engine", "fact_id": str(fact.pk)},
                {"field": "phone", "weight": 5, "got": 0, "evidence": "", "fact_id": None},
            ]
            Lead.objects.filter(pk=ada.pk).update(
                score=20, score_breakdown={"parts": parts, "missing": ["phone"], "threshold": 45}
            )
        text = client_for(bob).get(reverse("leads:lead_detail", args=[ada.pk])).content.decode()
        assert "We build engines." in text
        assert f"{reverse('leads:page_detail', args=[page.pk])}?fact={fact.pk}" in text
        assert "20 / 20" in text
        assert "Missing: Phone" in text

    def test_it_says_what_is_missing_and_how_to_get_it(self, client_for, bob, org, ada):
        advice = "LinkedIn address: add it to the lead; LinkedIn itself is not searched."
        parts = [{"field": "name", "weight": 10, "got": 10, "evidence": "Ada Lovelace"}]
        with org_context(org.pk):
            breakdown = {"parts": parts, "missing": ["linkedin_url"], "advice": [advice], "threshold": 45}
            Lead.objects.filter(pk=ada.pk).update(score=10, score_breakdown=breakdown)
        text = client_for(bob).get(reverse("leads:lead_detail", args=[ada.pk])).text
        assert advice in text
        assert "Ada Lovelace was added." in text

    def test_a_suppressed_lead_says_so(self, client_for, alice, ada):
        client = client_for(alice)
        client.post(reverse("leads:suppression_add"), {"value": "engine.example", "reason": "manual"})
        page = client.get(reverse("leads:lead_detail", args=[ada.pk]))
        assert b"engine.example is on the suppression list" in page.content

    @pytest.mark.parametrize("name", ["lead_detail", "lead_edit"])
    def test_strangers_get_404(self, client_for, charlie, other_org, ada, name):
        assert client_for(charlie).get(reverse(f"leads:{name}", args=[ada.pk])).status_code == 404

    def test_scripts_in_a_lead_stay_text(self, client_for, bob, org):
        with org_context(org.pk):
            lead = create_lead(org=org, name="<script>alert(1)</script>", email="x@evil.example")
        page = client_for(bob).get(reverse("leads:lead_detail", args=[lead.pk]))
        assert b"<script>alert(1)" not in page.content

    def test_it_is_only_read(self, client_for, alice, ada):
        assert client_for(alice).post(reverse("leads:lead_detail", args=[ada.pk])).status_code == 405


class TestCreate:
    fields = {
        "name": "Grace Hopper",
        "email": "Grace@Navy.example",
        "tags": "a, b",
        "website_url": "navy.example",
    }

    def test_it_adds_a_lead_and_opens_it(self, client_for, mia, org):
        answer = client_for(mia).post(reverse("leads:lead_create"), self.fields)
        with org_context(org.pk):
            lead = Lead.objects.for_org(org).get()
            assert (lead.email, lead.tags, lead.website_url) == (
                "grace@navy.example",
                ["a", "b"],
                "https://navy.example",
            )
            assert lead.company_profile.domain == "navy.example"
        assert answer["Location"] == reverse("leads:lead_detail", args=[lead.pk])

    def test_a_wrong_form_comes_back_with_what_was_typed(self, client_for, mia, org):
        page = client_for(mia).post(
            reverse("leads:lead_create"), {**self.fields, "name": "G" * 101, "email": "nowhere"}
        )
        assert page.status_code == 422
        text = page.content.decode()
        assert 'value="nowhere"' in text
        assert "it has no @" in text
        assert "shorten it to 100" in text

    def test_the_same_address_twice_is_refused_at_its_field(self, client_for, mia, ada):
        page = client_for(mia).post(
            reverse("leads:lead_create"), {**self.fields, "email": "ADA@engine.example"}
        )
        assert page.status_code == 422
        assert b"Ada Lovelace already has the address" in page.content

    def test_viewers_are_refused(self, client_for, bob, org):
        client = client_for(bob)
        assert client.get(reverse("leads:lead_create")).status_code == 403
        assert client.post(reverse("leads:lead_create"), self.fields).status_code == 403

    def test_strangers_are_sent_to_sign_in(self, client):
        assert client.get(reverse("leads:lead_create")).status_code == 302


class TestEdit:
    def test_it_changes_the_lead(self, client_for, mia, org, ada):
        url = reverse("leads:lead_edit", args=[ada.pk])
        assert b'value="ada@engine.example"' in client_for(mia).get(url).content
        client_for(mia).post(url, {"name": "Ada Byron", "email": "ada@engine.example", "tags": "vip"})
        changed = get_lead(org, ada.pk)
        assert (changed.name, changed.tags, changed.company) == ("Ada Byron", ["vip"], "")

    def test_an_error_keeps_what_was_typed(self, client_for, mia, org, ada):
        url = reverse("leads:lead_edit", args=[ada.pk])
        page = client_for(mia).post(
            url, {"name": "Ada B", "email": "ada@engine.example", "linkedin_url": "no site"}
        )
        assert page.status_code == 422
        assert b"is not a web address" in page.content
        assert get_lead(org, ada.pk).name == "Ada Lovelace"

    def test_the_address_of_another_lead_is_refused_at_its_field(self, client_for, mia, org, ada):
        with org_context(org.pk):
            create_lead(org=org, name="Grace Hopper", email="grace@navy.example")
        url = reverse("leads:lead_edit", args=[ada.pk])
        page = client_for(mia).post(url, {"name": "Ada Byron", "email": "GRACE@navy.example"})
        assert page.status_code == 422
        assert b"Grace Hopper already has the address" in page.content
        assert b'value="Ada Byron"' in page.content
        assert get_lead(org, ada.pk).email == "ada@engine.example"

    def test_viewers_and_strangers_change_nothing(self, client_for, bob, charlie, other_org, org, ada):
        url = reverse("leads:lead_edit", args=[ada.pk])
        assert client_for(bob).post(url, {"name": "X Y", "email": "x@y.example"}).status_code == 403
        assert client_for(charlie).post(url, {"name": "X Y", "email": "x@y.example"}).status_code == 404
        assert get_lead(org, ada.pk).name == "Ada Lovelace"


class TestActions:
    def test_archiving_puts_a_lead_away(self, client_for, mia, org, ada):
        answer = client_for(mia).post(reverse("leads:lead_archive", args=[ada.pk]))
        assert answer.status_code == 302
        assert get_lead(org, ada.pk).status == LeadStatus.ARCHIVED

    def test_a_note_appears_in_the_timeline(self, client_for, mia, org, ada):
        page = client_for(mia).post(
            reverse("leads:note_create", args=[ada.pk]), {"text": "Likes tea"}, headers={"HX-Request": "true"}
        )
        assert page.status_code == 200
        assert b"Likes tea" in page.content
        assert b"Note by Mia" in page.content
        assert b"<html" not in page.content

    def test_without_script_a_note_leads_back(self, client_for, mia, ada):
        answer = client_for(mia).post(reverse("leads:note_create", args=[ada.pk]), {"text": "Likes tea"})
        assert answer["Location"] == reverse("leads:lead_detail", args=[ada.pk])

    def test_an_empty_note_is_refused(self, client_for, mia, org, ada):
        assert (
            client_for(mia).post(reverse("leads:note_create", args=[ada.pk]), {"text": " "}).status_code
            == 422
        )
        with org_context(org.pk):
            assert not Note.objects.for_org(org).exists()

    def test_a_note_that_is_too_long_is_refused_with_what_was_typed(self, client_for, mia, org, ada):
        page = client_for(mia).post(reverse("leads:note_create", args=[ada.pk]), {"text": "x" * 10_001})
        assert page.status_code == 422
        assert b"shorten it" in page.content or b"at most 10000 characters" in page.content
        with org_context(org.pk):
            assert not Note.objects.for_org(org).exists()

    @pytest.mark.parametrize("name", ["lead_archive", "note_create"])
    def test_who_may_not_is_refused(self, client_for, alice, bob, charlie, other_org, org, ada, name):
        url = reverse(f"leads:{name}", args=[ada.pk])
        assert client_for(bob).post(url, {"text": "x"}).status_code == 403
        assert client_for(charlie).post(url, {"text": "x"}).status_code == 404
        assert client_for(alice).get(url).status_code == 405
        assert get_lead(org, ada.pk).status == LeadStatus.NEW


class TestStoredPage:
    @pytest.fixture
    def fact(self, org, ada):
        with org_context(org.pk):
            page = Page.objects.create(
                org=org,
                lead=ada,
                url="https://engine.example/news",
                text="Old.\nWe opened  a plant <b> in May.\nEnd.",
            )
            return Fact.objects.create(
                org=org,
                page=page,
                lead=ada,
                category="recent_news",
                statement="A plant was opened.",
                quote="We opened a plant <b> in May.",
                source_url=page.url,
            )

    def test_a_quote_that_the_text_no_longer_holds_marks_nothing(self, client_for, bob, org, fact):
        with org_context(org.pk):
            Page.objects.filter(pk=fact.page_id).update(text="All of it was rewritten.")
        text = (
            client_for(bob)
            .get(reverse("leads:page_detail", args=[fact.page_id]), {"fact": str(fact.pk)})
            .text
        )
        assert "All of it was rewritten." in text
        assert "<mark" not in text

    def test_the_words_of_a_fact_are_marked(self, client_for, bob, fact):
        url = reverse("leads:page_detail", args=[fact.page_id])
        text = client_for(bob).get(url, {"fact": str(fact.pk)}).content.decode()
        assert '<mark id="quote">We opened  a plant &lt;b&gt; in May.</mark>' in text
        assert "https://engine.example/news" in text

    @pytest.mark.parametrize("fact_id", ["", "nonsense", "00000000-0000-7000-8000-000000000000"])
    def test_without_a_fact_the_text_is_shown_plain(self, client_for, bob, fact, fact_id):
        url = reverse("leads:page_detail", args=[fact.page_id])
        page = client_for(bob).get(url, {"fact": fact_id})
        assert page.status_code == 200
        assert b"<mark" not in page.content

    def test_strangers_get_404_and_posting_405(self, client_for, alice, charlie, other_org, fact):
        url = reverse("leads:page_detail", args=[fact.page_id])
        assert client_for(charlie).get(url).status_code == 404
        assert client_for(alice).post(url).status_code == 405
