"""What the tests of the doors share: servers that the settings open, and a listener that must stay silent."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from leadpilot.tests.servers import Canary, web_server


@pytest.fixture
def web(settings: Any) -> Iterator[Any]:
    """`web({path: route})` → a server that the settings open; all are closed at the end."""
    settings.OUTBOUND_ALLOW = []
    with ExitStack() as stack:

        def start(routes: dict[str, Any], context: ssl.SSLContext | None = None) -> Any:
            server = stack.enter_context(web_server(routes, context))
            settings.OUTBOUND_ALLOW.append(server.place)
            return server

        yield start


@pytest.fixture
def canary() -> Iterator[Canary]:
    """A port that nothing may connect to."""
    listener = Canary()
    yield listener
    listener.close()
    assert listener.connections == 0
