"""A11: what a model is told, and what is kept when its server answers badly."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from agent import engine
from agent.models import AgentConfig, Draft
from agent.tests import model_server as says
from agent.tests.model_server import ModelServer, Said, model_server
from campaigns.models import Campaign, InboundMessage
from leadpilot.orgs.tenancy import org_context
from leadpilot.tests.probing.callers import BACKEND
from leadpilot.tests.probing.fingerprints import texts
from leadpilot.tests.probing.planted import PEOPLE, QUEUE_TABLES, SECRETS, captured_logs, rows_of, search
from leadpilot.tests.probing.planted_world import plant
from leadpilot.tests.probing.world import Furnished

pytestmark = pytest.mark.django_db(transaction=True)
KEY = SECRETS["model key of another make"]
# A writer needs a name and what was read of the company; a reader needs the mail. Nothing else leaves.
MAY_BE_TOLD = {
    *("lead's name", "lead's place", "mail received", "subject received", "page", "fact", "instructions"),
    *("mail written", "subject written"),
}
NOT_TOLD = {**SECRETS, **{name: value for name, value in PEOPLE.items() if name not in MAY_BE_TOLD}}


@pytest.fixture
def server(settings: Any) -> Iterator[ModelServer]:
    with model_server() as running:
        settings.OPENAI_API_KEY, settings.OPENAI_BASE_URL = KEY, running.url
        settings.LEADPILOT_MODEL = "gpt-4o-mini"
        yield running


@pytest.fixture
def world() -> Furnished:
    made = plant()
    with org_context(made.org.pk):
        InboundMessage.objects.for_org(made.org).update(classification="", handled_at=None)
        Draft.objects.for_org(made.org).update(status="rejected")
        AgentConfig.objects.for_org(made.org).update(
            is_enabled=True, status="running", schedule_enabled=False
        )
    return made


def work(world: Furnished, *tasks: dict[str, Any]) -> None:
    for task in tasks:
        with org_context(world.org.pk):
            engine.submit(org=world.org, **task)
        engine.drain(world.org.pk, seconds=30)


def writing_and_reading(world: Furnished) -> tuple[dict[str, Any], ...]:
    with org_context(world.org.pk):
        inbound = InboundMessage.objects.select_related("lead").get(pk=world.ids["inbound"])
        campaign = Campaign.objects.get(pk=world.ids["campaign"])
    return (
        {"task_type": "generate_sequence", "lead": inbound.lead, "campaign": campaign},
        {"task_type": "classify_reply", "lead": inbound.lead, "inbox_message": inbound},
    )


def echo(asked: says.Asked) -> Said:
    """What a careless server says: the key, the header and the question, back again."""
    told = (
        f"Incorrect API key provided: {asked.headers['authorization']} ({KEY}) for {json.dumps(asked.body)}"
    )
    return Said(json.dumps({"error": {"message": told, "code": "invalid_api_key"}}).encode(), 401)


@pytest.mark.parametrize("reply", [echo, says.prose("I do not know."), says.status(500)])
def test_the_model_is_told_no_secret_and_nobody_is_told_its_key(
    reply: says.Reply, server: ModelServer, world: Furnished
) -> None:
    server.script(reply)
    with captured_logs([KEY]) as log:
        work(world, *writing_and_reading(world))
    asked = [json.dumps(each.body, ensure_ascii=False) for each in server.log]
    assert len(asked) >= 2
    assert any(PEOPLE["lead's name"] in body for body in asked)
    found = [hit for body in asked for hit in search("a prompt", body, NOT_TOLD)]
    found += search("the log", log.getvalue())
    found += search("the queue", rows_of(QUEUE_TABLES))
    found += search("the rows", texts(world.org), SECRETS)
    client = Client()
    client.force_login(world.owner, backend=BACKEND)
    for name in ("agent:activity", "agent:control_center", "agent:approval_list", "campaigns:inbox"):
        found += search(name, client.get(reverse(name)).content.decode(), SECRETS)
    assert found == []
