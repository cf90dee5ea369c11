"""The canaries, the names and the internet of `internet.py`, for tests of the outbound door."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from leadpilot.lib import outbound, robots
from leadpilot.tests.probing.internet import PUBLIC, Canaries, Internet, Names


@pytest.fixture(scope="module")
def canaries() -> Iterator[Canaries]:
    made = Canaries()
    yield made
    assert made.connections == 0
    for port in (made.web, made.mail):  # they would have heard
        socket.create_connection(("127.0.0.1", port)).close()
    deadline = time.monotonic() + 10
    while made.connections < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert made.connections == 2
    made.close()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    made = Names()
    monkeypatch.setattr(outbound, "resolve", made)
    monkeypatch.setattr(robots, "_cache", robots.RobotsCache())
    return made


@pytest.fixture
def internet(settings: Any, names: Names) -> Iterator[Internet]:
    made = Internet({})
    settings.OUTBOUND_ALLOW, settings.OUTBOUND_SANDBOX, settings.OUTBOUND_PROXIES = [], None, [made.proxy]
    with closing(made):
        yield made
    assert set(made.asked) <= {PUBLIC}
