"""What the tests of the agent share: an organization whose agent runs, and a model's server on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from agent.models import AgentConfig
from agent.services import control
from agent.tests.model_server import ModelServer, model_server


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    """The server, to be scripted."""
    with model_server() as running:
        yield running


@pytest.fixture
def configured(server: ModelServer, settings: Any) -> None:
    """The settings name that server."""
    settings.OPENAI_API_KEY, settings.OPENAI_BASE_URL = "a key", server.url
    settings.LEADPILOT_MODEL = "gpt-4o-mini"


@pytest.fixture
def running(in_org: Any, alice: Any) -> Any:
    """Alice's organization with its agent running around the clock; the test runs inside it."""
    control.start(org=in_org, by=alice)
    AgentConfig.objects.for_org(in_org).update(schedule_enabled=False)
    return in_org
