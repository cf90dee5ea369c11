"""The numbers of today lead to the rows of today, no more and no less."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from agent.services.drafts import approve_draft
from agent.tests.world import make_campaign, make_draft, make_enrollment, make_lead
from campaigns.models import Message
from leadpilot.lib import clock
from leadpilot.orgs.days import start_of_day
from leadpilot.orgs.tenancy import org_context
from leads.models import Lead, LeadStatus

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(client_for: Callable[[Any], Client], alice: Any, org: Any) -> Client:
    return client_for(alice)


def tile(client: Client, label: str) -> dict[str, Any]:
    tiles: list[dict[str, Any]] = client.get(reverse("agent:today")).context["tiles"]
    return next(each for each in tiles if each["label"] == label)


def test_sent_today(client: Client, org: Any, alice: Any) -> None:
    with org_context(org.pk):
        campaign = make_campaign(org, steps=1)
        for name, sent_at in (
            ("Ada Lovelace", start_of_day(org)),
            ("Bob Dylan", start_of_day(org) - timedelta(seconds=1)),
            ("Cid Campeador", None),
        ):
            draft = make_draft(make_enrollment(org, make_lead(org, name), campaign))
            approve_draft(draft=draft, version=1, by=alice)
            if sent_at:
                Message.objects.for_org(org).filter(lead=draft.lead).update(
                    status="sent", sent_at=sent_at, raw=b"x", raw_hash="x"
                )
    found = tile(client, "Sent today")
    page = client.get(found["href"])
    assert found["value"] == page.context["page"].paginator.count == 1
    assert "Ada Lovelace" in page.text
    assert "Bob Dylan" not in page.text
    assert "Sent today" in page.text


def test_researched_today(client: Client, org: Any) -> None:
    with org_context(org.pk):
        times = {
            "Ada Lovelace": clock.now(),
            "Bob Dylan": start_of_day(org) - timedelta(seconds=1),
            "Cid Campeador": None,
            "Dora Maar": clock.now(),
        }
        for name, at in times.items():
            make_lead(org, name, researched_at=at, status=LeadStatus.RESEARCHED)
        Lead.objects.for_org(org).filter(name="Dora Maar").update(status=LeadStatus.ARCHIVED)
    found = tile(client, "Researched today")
    page = client.get(found["href"])
    assert found["value"] == page.context["page"].paginator.count == 2
    assert "Ada Lovelace" in page.text
    assert "Bob Dylan" not in page.text
    assert "Researched today" in page.text


def test_another_value_is_no_filter(client: Client, org: Any) -> None:
    with org_context(org.pk):
        make_lead(org)
    assert client.get(reverse("leads:lead_list"), {"researched": "1999"}).context["page"].paginator.count == 1
    assert client.get(reverse("campaigns:message_list"), {"sent": "x"}).status_code == 200
