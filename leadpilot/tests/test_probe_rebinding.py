"""A7: names that are public when they are checked and private when they are asked again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Any

import pytest

from campaigns import imap, smtp
from leadpilot.lib import http, outbound
from leadpilot.lib.errors import DomainError
from leadpilot.tests.probing.internet import PUBLIC, Canaries, Internet, Names

pytest_plugins = ["leadpilot.tests.probing.doors"]

INWARD = (
    "127.0.0.1",
    "::1",
    "0.0.0.0",
    "::ffff:127.0.0.1",
    "169.254.169.254",
    "10.0.0.1",
    "192.0.2.2",
    "fd00::2",
)
FAILURES = (DomainError, outbound.OutboundError, smtp.ConnectFailed, OSError)
Entry = Callable[[str, Canaries], Any]


def fetch(host: str, canaries: Canaries) -> None:
    http.fetch(f"http://{host}:{canaries.web}/", timeout=5)


def fetch_and_be_sent_back(host: str, canaries: Canaries) -> None:
    http.fetch(f"http://{host}:{canaries.web}/to?code=302&url=http://{host}:{canaries.web}/", timeout=5)


def ask_a_service(host: str, canaries: Canaries) -> None:
    with http.api_client(f"http://{host}:{canaries.web}", timeout=5) as client:
        client.get("/")


def ask_a_service_later(host: str, canaries: Canaries) -> None:
    async def ask() -> None:
        async with http.async_client(timeout=5) as client:
            await client.get(f"http://{host}:{canaries.web}/")

    asyncio.run(ask())


def send_mail(host: str, canaries: Canaries) -> None:
    server = smtp.Server(host, canaries.mail, "none", "", "", "public.test")
    with closing(smtp.Connection(server, smtp.Limits(connect=5))) as connection:
        connection.open()


def read_mail(host: str, canaries: Canaries) -> None:
    server = imap.ImapServer(host=host, port=canaries.mail, security="none", username="a", password="b")
    try:
        with imap.Inbox(server, seconds=5, timeout=5):
            pass
    except imap.FAILURES as error:
        raise imap.failure(error, server, late=False) from error


ENTRIES = [fetch, fetch_and_be_sent_back, ask_a_service, send_mail, read_mail]


@pytest.mark.parametrize("inward", INWARD)
@pytest.mark.parametrize("entry", ENTRIES)
def test_a_name_that_turns_inward_is_left_alone(
    entry: Entry,
    inward: str,
    internet: Internet,
    names: Names,
    canaries: Canaries,
) -> None:
    internet.pages["/"] = lambda query: "hello"
    names.inward = inward
    for turns in (0, 1, 2):
        names.turns, host = turns, f"n{turns}.turning.test"
        for _ in range(turns + 1):
            with suppress(*FAILURES):
                entry(host, canaries)
        with pytest.raises(FAILURES, match="public internet only"):
            entry(host, canaries)
        assert names.asked[host] > turns, "it was never asked again"
    assert canaries.connections == 0
    assert set(internet.asked) == {PUBLIC}


def test_the_asynchronous_client_leaves_it_alone_too(
    internet: Internet,
    names: Names,
    canaries: Canaries,
) -> None:
    names.turns = 0
    with pytest.raises(outbound.OutboundRefused):
        ask_a_service_later("async.turning.test", canaries)
    assert names.asked["async.turning.test"] == 1
    assert canaries.connections == 0
