"""People of an organization: added with a way in, given a role, removed; never a door into somebody else's account."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from leadpilot.lib.errors import Conflict, DomainError
from leadpilot.orgs import members
from leadpilot.orgs.models import AuditEntry, Membership, SignInLink, User
from leadpilot.orgs.tenancy import org_context

pytestmark = pytest.mark.django_db
ADD = "/settings/members/add/"
NEW = {"name": "Nora New", "email": "Nora@Team.example", "role": "member"}


def add(org: Any, by: Any, **changes: str) -> members.Added:
    with org_context(org.pk):
        return members.add_member(org=org, by=by, **{**NEW, **changes})


def of(org: Any, user: Any) -> Membership:
    with org_context(org.pk):
        return Membership.objects.select_related("user", "org").get(org=org, user=user)


def people(org: Any) -> set[str]:
    with org_context(org.pk):
        return set(Membership.objects.filter(org=org).values_list("user__email", flat=True))


def at(name: str, membership: Membership) -> str:
    return reverse(f"orgs:{name}", args=[membership.pk])


def link_in(answer: Any) -> str:
    found = re.search(r'/enter/[^"/]+/', answer.content.decode())
    assert found, "no link was shown"
    return found.group()


@pytest.fixture
def admin(org: Any, make_user: Any) -> Any:
    user = make_user("adam")
    with org_context(org.pk):
        Membership.objects.create(org=org, user=user, role="admin")
    return user


class TestAdding:
    def test_a_new_person_gets_a_link_that_signs_in_once(self, org: Any, alice: Any, client_for: Any) -> None:
        answer = client_for(alice).post(ADD, NEW)
        assert answer.status_code == 200
        assert "no-store" in answer["Cache-Control"]
        link = link_in(answer)
        visitor = Client()
        assert visitor.get(link).url == reverse("orgs:landing")
        assert "Nora New" in visitor.get("/settings/").content.decode()
        assert Client().get(link).url == reverse("account_login")
        assert "/enter/" not in client_for(alice).get("/settings/").content.decode()

    def test_the_act_is_recorded_and_the_token_is_not(self, org: Any, alice: Any) -> None:
        added = add(org, alice)
        assert (added.membership.role, added.membership.user.email) == ("member", "nora@team.example")
        with org_context(org.pk):
            entry = AuditEntry.objects.for_org(org).get(action="membership.added")
        assert entry.message == "nora@team.example was added as member."
        assert added.token not in str(entry.details) + entry.message

    def test_who_has_an_account_is_added_without_a_link(
        self, org: Any, alice: Any, charlie: Any, other_org: Any, client_for: Any
    ) -> None:
        answer = client_for(alice).post(ADD, {**NEW, "email": charlie.email})
        assert answer.url == reverse("orgs:settings")
        assert not SignInLink.objects.filter(user=charlie).exists()
        assert charlie.email in people(org)

    def test_who_was_invited_elsewhere_and_never_came_is_not_let_in_by_us(
        self, org: Any, alice: Any, charlie: Any, other_org: Any
    ) -> None:
        add(other_org, charlie)
        with pytest.raises(DomainError, match="invited elsewhere"):
            add(org, alice)
        assert SignInLink.objects.count() == 1

    def test_staff_get_no_link(self, org: Any, alice: Any) -> None:
        User.objects.create_superuser("root@team.example", "correct horse battery")
        assert add(org, alice, email="root@team.example").token is None

    def test_twice_is_a_conflict(self, org: Any, alice: Any) -> None:
        add(org, alice)
        with pytest.raises(Conflict, match="is a member already"):
            add(org, alice)

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"email": "no address"}, "valid email"),
            ({"name": ""}, "required"),
            ({"role": "emperor"}, "emperor"),
            ({"email": "alice@team.example"}, "is a member already"),
        ],
    )
    def test_what_cannot_be_taken_comes_back_as_it_was_typed(
        self, org: Any, alice: Any, client_for: Any, changes: dict[str, str], said: str
    ) -> None:
        answer = client_for(alice).post(ADD, {**NEW, **changes})
        assert answer.status_code == 422
        assert said in answer.content.decode()
        assert people(org) == {"alice@team.example"}

    def test_a_closed_account_stays_closed(self, org: Any, alice: Any) -> None:
        User.objects.create_user("nora@team.example", is_active=False)
        with pytest.raises(DomainError, match="closed"):
            add(org, alice)

    def test_an_admin_adds_people_but_no_owner(self, org: Any, admin: Any, client_for: Any) -> None:
        refused = client_for(admin).post(ADD, {**NEW, "role": "owner"})
        assert "Only an owner can make somebody an owner" in refused.content.decode()
        assert link_in(client_for(admin).post(ADD, {**NEW, "role": "admin"}))

    def test_a_member_adds_nobody_not_even_by_the_service(self, org: Any, mia: Any) -> None:
        with pytest.raises(DomainError, match="Only owners and admins"):
            add(org, mia)


class TestAnotherLink:
    def test_a_new_link_ends_the_earlier_one(self, org: Any, alice: Any, client_for: Any) -> None:
        first = add(org, alice)
        answer = client_for(alice).post(at("member_link", first.membership))
        assert Client().get(reverse("enter", args=[first.token])).url == reverse("account_login")
        assert Client().get(link_in(answer)).url == reverse("orgs:landing")

    def test_nobody_who_has_come_gets_one(self, org: Any, alice: Any, mia: Any, client_for: Any) -> None:
        answer = client_for(alice).post(at("member_link", of(org, mia)))
        assert answer.url == reverse("orgs:settings")
        assert not SignInLink.objects.exists()

    def test_nobody_gets_one_into_an_account_that_others_added_too(
        self, org: Any, alice: Any, charlie: Any, other_org: Any
    ) -> None:
        added = add(org, alice)
        with org_context(other_org.pk):
            Membership.objects.create(org=other_org, user=added.membership.user, role="member")
        with org_context(org.pk), pytest.raises(DomainError):
            members.renew_link(membership=of(org, added.membership.user), by=alice)


class TestRemoving:
    def test_a_removed_person_is_out_and_their_link_opens_nothing(
        self, org: Any, alice: Any, client_for: Any
    ) -> None:
        added = add(org, alice)
        assert client_for(alice).post(at("member_remove", added.membership)).url == reverse("orgs:settings")
        assert people(org) == {"alice@team.example"}
        assert Client().get(reverse("enter", args=[added.token])).url == reverse("account_login")
        assert add(org, alice).token is not None

    def test_a_session_that_runs_is_out_too(self, org: Any, alice: Any, mia: Any, client_for: Any) -> None:
        member = client_for(mia)
        assert member.get("/inbox/").status_code == 200
        client_for(alice).post(at("member_remove", of(org, mia)))
        assert member.get("/inbox/").url == reverse("orgs:welcome")

    def test_the_last_owner_stays(self, org: Any, alice: Any, client_for: Any) -> None:
        client_for(alice).post(at("member_remove", of(org, alice)))
        assert people(org) == {"alice@team.example"}

    def test_an_owner_may_go_when_another_stays(self, org: Any, alice: Any, client_for: Any) -> None:
        add(org, alice, role="owner")
        assert client_for(alice).post(at("member_remove", of(org, alice))).url == reverse("orgs:landing")
        assert people(org) == {"nora@team.example"}


class TestWho:
    def test_the_page_offers_what_the_role_may(self, org: Any, mia: Any, admin: Any, client_for: Any) -> None:
        assert "Add a person" not in client_for(mia).get("/settings/").content.decode()
        page = client_for(admin).get("/settings/").content.decode()
        assert "Add a person" in page
        assert ">Remove<" not in page

    def test_it_is_refused_by_role(self, org: Any, mia: Any, bob: Any, admin: Any, client_for: Any) -> None:
        theirs = of(org, bob)
        for user in (mia, bob):
            assert client_for(user).post(ADD, NEW).status_code == 403
            assert client_for(user).post(at("member_link", theirs)).status_code == 403
        assert client_for(admin).post(at("member_remove", theirs)).status_code == 403

    def test_a_stranger_finds_nobody(
        self, org: Any, mia: Any, charlie: Any, other_org: Any, client_for: Any
    ) -> None:
        theirs, stranger = of(org, mia), client_for(charlie)
        assert stranger.post(at("member_link", theirs)).status_code == 404
        assert stranger.post(at("member_remove", theirs)).status_code == 404
        assert mia.email in people(org)

    def test_the_wrong_method_is_refused(self, org: Any, alice: Any, client_for: Any) -> None:
        mine, owner = of(org, alice), client_for(alice)
        assert owner.get(ADD).status_code == 405
        assert owner.get(at("member_link", mine)).status_code == 405
        assert owner.get(at("member_remove", mine)).status_code == 405
