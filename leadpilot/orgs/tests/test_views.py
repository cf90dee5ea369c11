"""Signing in by link, making and changing an organization, roles."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from leadpilot.lib import clock
from leadpilot.orgs import services
from leadpilot.orgs.models import AuditEntry, Membership, Organization, SignInLink
from leadpilot.orgs.tenancy import org_context, user_context

pytestmark = pytest.mark.django_db


def test_a_sign_in_link_works_once(alice: Any, org: Any) -> None:
    token = services.issue_sign_in_link(user=alice)
    first = Client().get(reverse("enter", args=[token]))
    assert first.status_code == 302
    assert first.url == reverse("orgs:landing")
    second = Client().get(reverse("enter", args=[token]))
    assert second.url == reverse("account_login")


def test_a_sign_in_link_expires(alice: Any) -> None:
    token = services.issue_sign_in_link(user=alice)
    with clock.travel(timedelta(hours=13)):
        assert services.use_sign_in_link(token=token) is None


def test_a_sign_in_link_does_not_let_a_closed_account_in(alice: Any) -> None:
    token = services.issue_sign_in_link(user=alice)
    alice.is_active = False
    alice.save()
    assert services.use_sign_in_link(token=token) is None


def test_only_a_hash_of_the_token_is_kept(alice: Any) -> None:
    token = services.issue_sign_in_link(user=alice)
    assert token not in str(list(SignInLink.objects.values()))


def test_a_used_link_takes_the_signed_in_user_home(alice: Any, org: Any, client_for: Any) -> None:
    token = services.issue_sign_in_link(user=alice)
    services.use_sign_in_link(token=token)
    assert client_for(alice).get(reverse("enter", args=[token])).url == reverse("orgs:landing")


def test_strangers_are_sent_to_sign_in_and_back() -> None:
    response = Client().get(reverse("orgs:settings"))
    assert response.status_code == 302
    assert response.url == f"{reverse('account_login')}?next=%2Fsettings%2F"


def test_a_fragment_request_of_a_signed_out_tab_gets_401() -> None:
    response = Client().get(reverse("orgs:settings"), headers={"HX-Request": "true"})
    assert response.status_code == 401
    assert response["HX-Trigger"] == "signed-out"


def test_a_user_without_organization_makes_one(make_user: Any, client_for: Any) -> None:
    dora = make_user("dora")
    client = client_for(dora)
    assert client.get(reverse("orgs:landing")).url == reverse("orgs:welcome")
    assert client.get(reverse("orgs:welcome")).status_code == 200
    response = client.post(reverse("orgs:welcome"), {"name": "Dora & Sons"})
    assert response.status_code == 302
    with user_context(dora.pk):
        assert Organization.objects.get().slug == "dora-sons"


def test_an_empty_name_is_refused_with_what_was_typed(make_user: Any, client_for: Any) -> None:
    response = client_for(make_user("dora")).post(reverse("orgs:welcome"), {"name": " "})
    assert response.status_code == 422
    assert "This field is required" in response.content.decode()


def test_two_organizations_of_one_name_get_two_slugs(org: Any, alice: Any) -> None:
    assert services.create_organization(name="Acme", owner=alice).slug.startswith("acme-")


def test_a_taken_slug_is_refused(org: Any, alice: Any) -> None:
    with pytest.raises(services.Conflict, match="“acme” is taken"):
        services.create_organization(name="Again", slug="acme", owner=alice)


def settings_data(**changes: Any) -> dict[str, Any]:
    return {
        "name": "Acme",
        "website": "https://acme.example",
        "time_zone": "Europe/Berlin",
        "postal_address": "1 Harbour Street",
        "offer": "Planning",
        "voice": "plain",
        "max_emails_per_day": 200,
        **changes,
    }


def test_an_owner_changes_settings_and_it_is_recorded(org: Any, alice: Any, client_for: Any) -> None:
    client = client_for(alice)
    assert client.get(reverse("orgs:settings")).status_code == 200
    assert client.post(reverse("orgs:settings"), settings_data()).status_code == 302
    with org_context(org.pk):
        org.refresh_from_db()
        assert org.time_zone == "Europe/Berlin"
        entry = AuditEntry.objects.filter(action="organization.changed").get()
        assert "time_zone" in entry.message


def test_wrong_settings_come_back_with_what_was_typed(org: Any, alice: Any, client_for: Any) -> None:
    response = client_for(alice).post(
        reverse("orgs:settings"), settings_data(website="not a site", name="Kept")
    )
    assert response.status_code == 422
    assert "not a site" in response.content.decode()
    with org_context(org.pk):
        org.refresh_from_db()
        assert org.name == "Acme"


def test_members_and_viewers_look_but_do_not_change(org: Any, mia: Any, bob: Any, client_for: Any) -> None:
    for user in (mia, bob):
        client = client_for(user)
        assert client.get(reverse("orgs:settings")).status_code == 200
        assert client.post(reverse("orgs:settings"), settings_data(name="Mine")).status_code == 403
    with org_context(org.pk):
        org.refresh_from_db()
        assert org.name == "Acme"


def membership_of(org: Any, user: Any) -> Membership:
    with org_context(org.pk):
        return Membership.objects.select_related("user", "org").get(org=org, user=user)


def test_an_owner_gives_roles(org: Any, alice: Any, bob: Any, client_for: Any) -> None:
    url = reverse("orgs:member_role", args=[membership_of(org, bob).pk])
    assert client_for(alice).post(url, {"role": "admin"}).status_code == 302
    assert membership_of(org, bob).role == "admin"


def test_an_unknown_role_changes_nothing(org: Any, alice: Any, bob: Any, client_for: Any) -> None:
    url = reverse("orgs:member_role", args=[membership_of(org, bob).pk])
    client_for(alice).post(url, {"role": "emperor"})
    assert membership_of(org, bob).role == "viewer"


def test_the_last_owner_stays_owner(org: Any, alice: Any, client_for: Any) -> None:
    url = reverse("orgs:member_role", args=[membership_of(org, alice).pk])
    client_for(alice).post(url, {"role": "viewer"})
    assert membership_of(org, alice).role == "owner"


def test_only_owners_give_roles(org: Any, mia: Any, bob: Any, client_for: Any) -> None:
    url = reverse("orgs:member_role", args=[membership_of(org, bob).pk])
    assert client_for(mia).post(url, {"role": "owner"}).status_code == 403
    assert client_for(mia).get(url).status_code in (403, 405)
    assert membership_of(org, bob).role == "viewer"


def test_a_stranger_does_not_find_the_membership(
    org: Any, bob: Any, other_org: Any, charlie: Any, client_for: Any
) -> None:
    url = reverse("orgs:member_role", args=[membership_of(org, bob).pk])
    assert client_for(charlie).post(url, {"role": "owner"}).status_code == 404


def test_people_switch_between_their_own_organizations_only(
    org: Any, other_org: Any, alice: Any, client_for: Any
) -> None:
    second = services.create_organization(name="Second", owner=alice)
    client = client_for(alice)
    assert client.post(reverse("orgs:switch", args=[second.pk])).status_code == 302
    assert client.session["org_id"] == str(second.pk)
    assert client.post(reverse("orgs:switch", args=[other_org.pk])).status_code == 404
    assert client.get(reverse("orgs:switch", args=[second.pk])).status_code == 405


def test_halting_and_resuming_are_recorded_once(org: Any, alice: Any) -> None:
    with org_context(org.pk):
        services.halt(org=org, by=alice)
        first = org.halted_at
        services.halt(org=org, by=alice)
        assert org.halted_at == first is not None
        services.resume(org=org, by=alice)
        services.resume(org=org, by=alice)
        assert org.halted_at is None
        actions = list(AuditEntry.objects.order_by("created_at").values_list("action", flat=True))
    assert actions == ["organization.created", "organization.halted", "organization.resumed"]
