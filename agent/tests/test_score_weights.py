"""The weights of the score are an organization's own."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from agent import engine
from agent.models import AgentConfig, TaskType
from agent.services import control
from agent.tests.world import make_lead
from leadpilot.lib.errors import DomainError
from leadpilot.orgs.models import AuditEntry
from leadpilot.orgs.tenancy import org_context
from leads.models import LeadStatus
from leads.qualification import FIELD_WEIGHTS

pytestmark = pytest.mark.django_db
URL = "/agent/weights/"


@pytest.fixture
def owner(alice: Any, org: Any, client_for: Any) -> Client:
    return client_for(alice)


def typed(**changes: Any) -> dict[str, str]:
    return {f"weight-{name}": str(value) for name, value in {**FIELD_WEIGHTS, **changes}.items()}


def stored(org: Any) -> dict[str, Any]:
    with org_context(org.pk):
        return dict(control.config_for(org).score_weights)


def test_the_page_shows_what_is_in_force_and_the_defaults(owner: Client, org: Any) -> None:
    text = owner.get(reverse("agent:control_center")).text
    assert text.count("Default ") >= 8
    with org_context(org.pk):
        control.update_config(org=org, by=None, score_weights={**FIELD_WEIGHTS, "company": 33})
    text = owner.get(reverse("agent:control_center")).text
    assert 'name="weight-company" value="33"' in text
    assert "Default 15" in text


def test_saved_weights_count_for_the_next_lead(owner: Client, org: Any) -> None:
    answer = owner.post(URL, typed(company=40, linkedin_url=0), follow=True)
    assert "Weights saved." in answer.text
    assert stored(org) == {**FIELD_WEIGHTS, "company": 40, "linkedin_url": 0}
    with org_context(org.pk):
        assert AuditEntry.objects.for_org(org).filter(action="agent.configured").exists()
        AgentConfig.objects.for_org(org).update(schedule_enabled=False)
        control.start(org=org, by=None)
        lead = make_lead(org, email="ada@gmail.com", linkedin_url="https://www.linkedin.com/in/ada")
        engine.submit(org=org, task_type=TaskType.ENRICH_LEAD, lead=lead)
        engine.drain(org.pk, seconds=20)
        lead.refresh_from_db()
    got = {part["field"]: part["got"] for part in lead.score_breakdown["parts"]}
    assert (got["company"], got["linkedin_url"]) == (40, 0)
    assert lead.status == LeadStatus.SKIPPED


@pytest.mark.parametrize("value", ["-1", "101", "ten", "", "1.5"])
def test_a_wrong_weight_is_named_with_its_value_and_nothing_changes(
    owner: Client, org: Any, value: str
) -> None:
    answer = owner.post(URL, typed(company=value))
    assert answer.status_code == 422
    assert f"Company: “{value}” cannot be used; give a whole number from 0 to 100." in answer.text
    assert stored(org) == {}


def test_weights_with_which_no_lead_could_pass_are_refused(owner: Client, org: Any) -> None:
    answer = owner.post(URL, typed(**dict.fromkeys(FIELD_WEIGHTS, 5)))
    assert answer.status_code == 422
    assert "Together they give 40, and a lead needs 45" in answer.text
    assert stored(org) == {}


def test_the_defaults_come_back(owner: Client, org: Any) -> None:
    owner.post(URL, typed(company=40))
    owner.post(URL, {"defaults": "1"})
    assert stored(org) == {}


def test_a_field_that_is_not_scored_is_refused_by_the_service(in_org: Any) -> None:
    with pytest.raises(DomainError, match="shoe_size"):
        control.update_config(org=in_org, by=None, score_weights={"shoe_size": 3})


def test_members_and_viewers_may_not_and_it_is_only_posted_to(
    owner: Client, client_for: Any, mia: Any, bob: Any, charlie: Any, other_org: Any, org: Any
) -> None:
    for person in (mia, bob):
        assert client_for(person).post(URL, typed(company=40)).status_code == 403
        assert "Save weights" not in client_for(person).get(reverse("agent:control_center")).text
    client_for(charlie).post(URL, typed(company=40))  # changes Charlie's own organization
    assert owner.get(URL).status_code == 405
    assert stored(org) == {}
