"""Support's console passes the same doors as everybody (DESIGN 1): services change rows, and write down who asked."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.test import Client
from django.urls import reverse

from leadpilot.orgs.models import AuditEntry, Membership, Organization, User
from leadpilot.orgs.tenancy import org_context
from leads.models import Lead, LeadStatus, Suppression
from leads.services.leads import create_lead, set_status
from leads.services.suppression import suppress

pytestmark = pytest.mark.django_db(databases=["default", "system"], transaction=True)
SEARCHED = ("agent", "agentlog", "decision", "sendattempt", "messageevent", "quota")


@pytest.fixture
def root() -> User:
    ContentType.objects.clear_cache()  # tests that commit empty its table
    return User.objects.create_superuser("root@team.example", "correct horse battery")


@pytest.fixture
def support(client_for: Any, root: User) -> Client:
    return client_for(root)


@pytest.fixture
def ada(org: Any) -> Lead:
    with org_context(org.pk):
        lead = create_lead(org=org, name="Ada Lovelace", email="ada@engine.example")
        set_status(lead=lead, status=LeadStatus.SKIPPED, skip_reason="Too little.")
    return lead


def act(support: Client, model: str, name: str, *rows: Any, reason: str = "") -> str:
    typed = {"action": name, "_selected_action": [str(row.pk) for row in rows], "reason": reason}
    answer = support.post(reverse(f"admin:{model}_changelist"), typed, follow=True)
    assert answer.status_code == 200
    return str(answer.text)


def form_of(support: Client, page: str) -> dict[str, Any]:
    form = support.get(page).context["adminform"].form
    return {name: "" if (value := form[name].value()) is None else value for name in form.fields}


def audit(org: Any, action: str) -> AuditEntry:
    with org_context(org.pk):
        entry: AuditEntry = AuditEntry.objects.for_org(org).filter(action=action).latest("created_at")
        assert entry.actor is not None
        assert entry.actor.email == "root@team.example"
    return entry


class TestLeads:
    def page(self, lead: Lead) -> str:
        return reverse("admin:leads_lead_change", args=[lead.pk])

    def test_a_correction_is_checked_and_recorded_by_the_service(
        self, support: Client, org: Any, ada: Lead
    ) -> None:
        typed = {
            **form_of(support, self.page(ada)),
            "tags": "",
            "custom_fields": "{}",
            "title": "  Countess ",
        }
        assert support.post(self.page(ada), typed).status_code == 302
        with org_context(org.pk):
            ada.refresh_from_db()
        assert (ada.title, ada.status) == ("Countess", LeadStatus.NEW)  # something new is known
        assert audit(org, "lead.changed").message == "Changed: title."

    def test_what_the_service_refuses_is_said_and_nothing_changes(
        self, support: Client, org: Any, ada: Lead
    ) -> None:
        with org_context(org.pk):
            create_lead(org=org, name="Bob", email="bob@engine.example")
        typed = {**form_of(support, self.page(ada)), "tags": "", "custom_fields": "{}"}
        answer = support.post(self.page(ada), {**typed, "email": "bob@engine.example"}, follow=True)
        assert "already" in answer.text
        with org_context(org.pk):
            ada.refresh_from_db()
        assert ada.email == "ada@engine.example"

    def test_status_score_and_organization_are_only_read(self, support: Client, org: Any, ada: Lead) -> None:
        fields = form_of(support, self.page(ada))
        assert not {"status", "score", "skip_reason", "org", "company_profile"} & fields.keys()
        typed = {**fields, "tags": "", "custom_fields": "{}", "status": "new", "score": "99"}
        support.post(self.page(ada), typed)
        with org_context(org.pk):
            ada.refresh_from_db()
        assert (ada.status, ada.score) == (LeadStatus.SKIPPED, 0)

    def test_leads_are_archived_not_deleted(self, support: Client, org: Any, ada: Lead) -> None:
        assert "Archived: 1." in act(support, "leads_lead", "archive", ada)
        with org_context(org.pk):
            ada.refresh_from_db()
        assert ada.status == LeadStatus.ARCHIVED
        audit(org, "lead.archived")
        assert support.post(reverse("admin:leads_lead_delete", args=[ada.pk])).status_code == 403


class TestSuppression:
    def test_support_puts_an_address_on_the_list_and_the_lead_is_closed(
        self, support: Client, org: Any, ada: Lead
    ) -> None:
        typed = {
            "org": str(org.pk),
            "value": " ADA@engine.example",
            "reason": "unsubscribed",
            "origin": "by phone",
        }
        answer = support.post(reverse("admin:leads_suppression_add"), typed)
        assert answer.status_code == 302, answer.text
        with org_context(org.pk):
            assert Suppression.objects.get().value == "ada@engine.example"
            ada.refresh_from_db()
        assert ada.status == LeadStatus.UNSUBSCRIBED
        audit(org, "suppression.added")

    def test_it_is_taken_off_with_a_reason_only(self, support: Client, org: Any) -> None:
        with org_context(org.pk):
            entry = suppress(org=org, value="x.example", reason="manual")
        assert "Say why" in act(support, "leads_suppression", "take_off", entry)
        with org_context(org.pk):
            assert Suppression.objects.count() == 1
        assert "Taken off: 1." in act(
            support, "leads_suppression", "take_off", entry, reason="They asked us."
        )
        with org_context(org.pk):
            assert not Suppression.objects.exists()
        assert "They asked us." in audit(org, "suppression.lifted").message

    def test_an_entry_is_not_rewritten(self, support: Client, org: Any) -> None:
        with org_context(org.pk):
            entry = suppress(org=org, value="x.example", reason="manual")
        page = reverse("admin:leads_suppression_change", args=[entry.pk])
        assert support.post(page, {"value": "y.example"}).status_code == 403


class TestOrganizations:
    def test_it_is_stopped_with_a_reason_and_started(self, support: Client, org: Any) -> None:
        assert "Stopped: 1." in act(support, "orgs_organization", "halt", org, reason="A complaint.")
        with org_context(org.pk):
            assert Organization.objects.get(pk=org.pk).halted_at is not None
        assert "A complaint." in audit(org, "organization.halted").message
        act(support, "orgs_organization", "resume", org)
        with org_context(org.pk):
            assert Organization.objects.get(pk=org.pk).halted_at is None

    def test_a_change_is_recorded(self, support: Client, org: Any) -> None:
        page = reverse("admin:orgs_organization_change", args=[org.pk])
        typed = {**form_of(support, page), "name": "Acme & Sons"}
        typed |= {f"memberships-{name}_FORMS": "0" for name in ("TOTAL", "INITIAL", "MIN_NUM", "MAX_NUM")}
        assert support.post(page, typed).status_code == 302
        assert "changed name" in audit(org, "organization.changed").message

    def test_roles_are_given_by_the_service(self, support: Client, org: Any, bob: Any, alice: Any) -> None:
        with org_context(org.pk):
            mine = {m.user.email: m for m in Membership.objects.select_related("user")}
        assert "Now admin: 1." in act(support, "orgs_membership", "make_admin", mine[bob.email])
        audit(org, "membership.role")
        assert "only owner" in act(support, "orgs_membership", "make_viewer", mine[alice.email])
        with org_context(org.pk):
            roles = dict(Membership.objects.values_list("user__email", "role"))
        assert (roles[bob.email], roles[alice.email]) == ("admin", "owner")
        page = reverse("admin:orgs_membership_change", args=[mine[bob.email].pk])
        assert support.post(page, {"role": "owner"}).status_code == 403


def test_second_factors_are_listed_without_what_makes_their_codes(support: Client, alice: Any) -> None:
    factor = Authenticator.objects.create(user=alice, type="totp", data={"secret": "JBSWY3DPEHPK3PXP"})
    page = reverse("admin:mfa_authenticator_change", args=[factor.pk])
    for url in (reverse("admin:mfa_authenticator_changelist"), page):
        text = support.get(url).text
        assert alice.email in text
        assert "JBSWY3DPEHPK3PXP" not in text
    assert support.post(page, {"data": "{}"}).status_code == 403
    assert Authenticator.objects.get().data == {"secret": "JBSWY3DPEHPK3PXP"}


@pytest.mark.parametrize("name", SEARCHED)
def test_the_long_lists_can_be_searched(support: Client, name: str) -> None:
    model = next(m for m in admin.site._registry if m._meta.model_name == name)
    assert admin.site.get_model_admin(model).search_fields
    url = reverse(f"admin:{model._meta.app_label}_{name}_changelist")
    assert support.get(url, {"q": "acme"}).status_code == 200
