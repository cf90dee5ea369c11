"""Support's console: every model is there, superusers only, and what is written once cannot be changed."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from campaigns.models import Mailbox
from leadpilot.orgs.models import AuditEntry, User
from leadpilot.orgs.tenancy import org_context

OURS = [m for m in apps.get_models() if m._meta.app_label in ("orgs", "leads", "campaigns", "agent")]
WRITTEN_ONCE = ("auditentry", "agentlog", "decision", "messageevent", "sendattempt")
pytestmark = pytest.mark.django_db(databases=["default", "system"], transaction=True)


@pytest.fixture
def support(client_for: Any) -> Client:
    user = User.objects.create_superuser("support@leadpilot.example", "correct horse battery")
    return client_for(user)


def test_every_model_is_registered() -> None:
    missing = {m.__name__ for m in OURS if not admin.site.is_registered(m)}
    assert missing <= {
        "CampaignMailbox",
        "SequenceStep",
        "ImportProblem",
    }  # shown inside their campaign or import


def test_every_list_and_search_opens(support: Client) -> None:
    for model in OURS:
        if not admin.site.is_registered(model):
            continue
        url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        assert support.get(url).status_code == 200, url
        if admin.site.get_model_admin(model).search_fields:
            assert support.get(url, {"q": "acme"}).status_code == 200, url


def test_what_is_written_once_cannot_be_added_changed_or_deleted(support: Client) -> None:
    request: Any = support.get(reverse("admin:index")).wsgi_request
    for model in OURS:
        if model._meta.model_name in WRITTEN_ONCE:
            shown = admin.site.get_model_admin(model)
            assert not shown.has_add_permission(request), model
            assert not shown.has_change_permission(request), model
            assert not shown.has_delete_permission(request), model


def test_owners_of_organizations_do_not_get_in(org: Any, alice: Any, client_for: Any) -> None:
    alice.is_staff = True
    alice.save()
    assert client_for(alice).get(reverse("admin:index")).status_code == 302


def test_it_sees_over_organizations(org: Any, other_org: Any, support: Client) -> None:
    page = support.get(reverse("admin:orgs_organization_changelist")).content.decode()
    assert "Acme" in page
    assert "Other" in page
    entries = support.get(reverse("admin:orgs_auditentry_changelist")).content.decode()
    assert entries.count("made Acme") == 1
    assert AuditEntry.objects.count() == 0  # the application's role, outside any organization


def test_secrets_are_not_shown(org: Any, support: Client) -> None:
    with org_context(org.pk):
        mailbox = Mailbox(org=org, email="a@acme.example", from_name="A", smtp_host="smtp.acme.example")
        mailbox.write_secret("smtp_password", "hunter2-hunter2")
        mailbox.save()
    page = support.get(reverse("admin:campaigns_mailbox_change", args=[mailbox.pk]))
    assert page.status_code == 200
    assert b"hunter2" not in page.content
    assert str(mailbox.smtp_password).encode() not in page.content
