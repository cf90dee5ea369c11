import pytest
from django.urls import reverse

from leadpilot.lib.errors import DomainError
from leadpilot.orgs.models import AuditEntry
from leadpilot.orgs.tenancy import org_context
from leads.models import Lead, LeadStatus, Suppression
from leads.services.leads import create_lead, set_status
from leads.services.suppression import find_suppression, lift, suppress, suppressed_among

pytestmark = pytest.mark.django_db


class TestService:
    @pytest.fixture(autouse=True)
    def _inside(self, in_org):
        pass

    def test_an_address_is_found_in_any_case(self, org):
        suppress(org=org, value=" Ada@Engine.example ", reason="manual")
        found = find_suppression(org=org, email="ADA@engine.example")
        assert found is not None
        assert (found.kind, found.value) == ("email", "ada@engine.example")
        assert find_suppression(org=org, email="bob@engine.example") is None

    @pytest.mark.parametrize("value", ["engine.example", "@engine.example", "www.engine.example"])
    def test_a_domain_covers_what_is_below_it(self, org, value):
        assert suppress(org=org, value=value, reason="manual").kind == "domain"
        assert find_suppression(org=org, email="x@engine.example")
        assert find_suppression(org=org, email="x@mail.engine.example")
        assert find_suppression(org=org, email="x@notengine.example") is None

    def test_where_nothing_is_forbidden_one_look_is_enough(self, org, django_assert_num_queries):
        with django_assert_num_queries(1):
            assert suppressed_among(org_id=org.pk, emails=["a@one.example"]) == {}

    def test_many_addresses_are_looked_up_at_once(self, org, django_assert_num_queries):
        suppress(org=org, value="a@one.example", reason="bounced")
        suppress(org=org, value="two.example", reason="manual")
        emails = ["a@one.example", "b@one.example", "c@sub.two.example"]
        with django_assert_num_queries(2):  # whether there is anything, and all of them
            found = suppressed_among(org_id=org.pk, emails=emails)
        assert {email: entry.value for email, entry in found.items()} == {
            "a@one.example": "a@one.example",
            "c@sub.two.example": "two.example",
        }

    def test_doing_it_again_changes_nothing(self, org):
        first = suppress(org=org, value="a@x.example", reason="unsubscribed", origin="Link in mail 2")
        again = suppress(org=org, value="A@x.example", reason="manual", origin="Added by hand")
        assert (again.pk, again.reason, again.origin) == (first.pk, "unsubscribed", "Link in mail 2")
        assert AuditEntry.objects.filter(action="suppression.added").count() == 1

    def test_an_unsubscription_is_stronger_than_an_entry_by_hand(self, org):
        suppress(org=org, value="a@x.example", reason="manual")
        assert suppress(org=org, value="a@x.example", reason="unsubscribed").reason == "unsubscribed"

    @pytest.mark.parametrize(
        ("reason", "status"),
        [
            ("unsubscribed", "unsubscribed"),
            ("complained", "unsubscribed"),
            ("bounced", "bounced"),
            ("manual", "new"),
        ],
    )
    def test_it_closes_the_lead_for_good(self, org, reason, status):
        lead = create_lead(org=org, name="Ada", email="ada@x.example")
        suppress(org=org, value="ADA@x.example", reason=reason)
        lead.refresh_from_db()
        assert lead.status == status

    def test_a_closed_lead_keeps_how_it_was_closed(self, org):
        lead = create_lead(org=org, name="Ada", email="ada@x.example")
        set_status(lead=lead, status=LeadStatus.UNSUBSCRIBED)
        suppress(org=org, value="ada@x.example", reason="bounced")
        lead.refresh_from_db()
        assert lead.status == LeadStatus.UNSUBSCRIBED

    @pytest.mark.parametrize("value", ["", "nowhere", "a@", "a b@c.de", "gmail.com", "@", "-x.de"])
    def test_it_refuses_what_is_neither_address_nor_domain(self, org, value):
        with pytest.raises(DomainError) as caught:
            suppress(org=org, value=value, reason="manual")
        assert caught.value.field == "value"

    def test_lifting_needs_a_reason_which_is_kept(self, org, alice):
        entry = suppress(org=org, value="a@x.example", reason="manual")
        with pytest.raises(DomainError):
            lift(suppression=entry, reason="  ", by=alice)
        lift(suppression=entry, reason="They asked by phone", by=alice)
        assert find_suppression(org=org, email="a@x.example") is None
        assert "They asked by phone" in AuditEntry.objects.get(action="suppression.lifted").message


def test_each_organization_has_its_own_list(org, other_org):
    with org_context(org.pk):
        suppress(org=org, value="a@x.example", reason="manual")
    with org_context(other_org.pk):
        assert find_suppression(org=other_org, email="a@x.example") is None
        assert suppress(org=other_org, value="a@x.example", reason="bounced").reason == "bounced"


class TestPages:
    @pytest.fixture
    def entry(self, org):
        with org_context(org.pk):
            return suppress(org=org, value="ada@x.example", reason="bounced", origin="Mail of 3 May")

    def test_the_list_can_be_searched(self, client_for, bob, entry):
        client = client_for(bob)
        listed = reverse("leads:suppression_list")
        assert b"Mail of 3 May" in client.get(listed, {"q": "ADA"}).content
        assert b"Mail of 3 May" in client.get(listed, {"reason": "bounced"}).content
        assert b"Not on the list" in client.get(listed, {"q": "grace"}).content
        assert client.get(listed, {"reason": "nonsense"}).status_code == 200

    def test_an_entry_is_added(self, client_for, mia, org):
        answer = client_for(mia).post(
            reverse("leads:suppression_add"), {"value": "Acme.example", "reason": "manual"}
        )
        assert answer["Location"] == reverse("leads:suppression_list")
        with org_context(org.pk):
            entry = Suppression.objects.get()
            assert (entry.value, entry.kind, entry.created_by) == ("acme.example", "domain", mia)

    @pytest.mark.parametrize(
        "data", [{"value": "no!", "reason": "manual"}, {"value": "a@x.example", "reason": "erased"}]
    )
    def test_a_wrong_entry_comes_back(self, client_for, mia, org, data):
        page = client_for(mia).post(reverse("leads:suppression_add"), data)
        assert page.status_code == 422
        assert f'value="{data["value"]}"'.encode() in page.content

    def test_an_admin_takes_an_entry_off_with_a_reason(self, client_for, alice, org, entry):
        url = reverse("leads:suppression_lift", args=[entry.pk])
        assert client_for(alice).post(url, {"reason": ""}).status_code == 422
        assert client_for(alice).post(url, {"reason": "Works again"}).status_code == 302
        with org_context(org.pk):
            assert not Suppression.objects.exists()

    def test_who_may_not_is_refused(self, client_for, mia, bob, charlie, other_org, org, entry):
        url = reverse("leads:suppression_lift", args=[entry.pk])
        assert client_for(mia).post(url, {"reason": "x"}).status_code == 403
        assert client_for(charlie).post(url, {"reason": "x"}).status_code == 404
        assert (
            client_for(bob).post(reverse("leads:suppression_add"), {"value": "a.example"}).status_code == 403
        )
        with org_context(org.pk):
            assert Suppression.objects.count() == 1

    def test_wrong_methods_get_405(self, client_for, alice, entry):
        client = client_for(alice)
        assert client.post(reverse("leads:suppression_list")).status_code == 405
        assert client.get(reverse("leads:suppression_add")).status_code == 405
        assert client.get(reverse("leads:suppression_lift", args=[entry.pk])).status_code == 405

    def test_strangers_do_not_see_the_list(self, client_for, charlie, other_org, entry):
        assert b"ada@x.example" not in client_for(charlie).get(reverse("leads:suppression_list")).content

    def test_more_entries_need_no_more_queries(self, client_for, bob, org):
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        client = client_for(bob)
        seen = []
        for start in (0, 10):
            with org_context(org.pk):
                for i in range(start, start + 10):
                    suppress(org=org, value=f"p{i}@x.example", reason="manual", by=bob)
            with CaptureQueriesContext(connection) as queries:
                client.get(reverse("leads:suppression_list"))
            seen.append(len(queries))
        assert seen[1] <= seen[0]


def test_a_suppressed_address_cannot_be_added_by_hand(in_org):
    suppress(org=in_org, value="x.example", reason="manual")
    with pytest.raises(DomainError, match="is on the suppression list") as caught:
        create_lead(org=in_org, name="Ada", email="ada@x.example")
    assert caught.value.field == "email"
    assert not Lead.objects.exists()
