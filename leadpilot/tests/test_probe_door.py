"""A7: private places, in every notation, at each way out that takes an address; the canaries hear nothing."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Any

from campaigns import imap, smtp
from campaigns.models import Mailbox
from campaigns.services import mailboxes
from leadpilot.lib import http, outbound
from leadpilot.lib.errors import DomainError
from leadpilot.lib.proxy import FilteringProxy
from leadpilot.tests.probing.internet import PUBLIC, Canaries, Internet, link_list
from leadpilot.tests.probing.places import addresses, hosts
from leads.research.crawl import read_site
from leads.research.visit import Visitor

pytest_plugins = ["leadpilot.tests.probing.doors"]

REDIRECTS = (301, 302, 303, 307, 308)


def web(canaries: Canaries) -> list[str]:
    return addresses(canaries.web)


def through(tries: list[str], attempt: Callable[[str], Any]) -> list[str]:
    """The attempts that were neither refused nor found to be no address at all."""
    passed = []
    for each in tries:
        try:
            attempt(each)
        except (DomainError, smtp.ConnectFailed, outbound.OutboundError):
            continue
        passed.append(each)
    return passed


def test_there_are_three_hundred_places(canaries: Canaries) -> None:
    assert len(hosts()) >= 300
    assert len(web(canaries)) >= 340


def test_the_public_internet_is_served(internet: Internet) -> None:
    internet.pages["/"] = lambda query: "hello"
    assert http.fetch("http://public.test/").text == "hello"
    assert internet.asked == [PUBLIC]


def test_fetching(internet: Internet, canaries: Canaries) -> None:
    assert through(web(canaries), lambda url: http.fetch(url, timeout=5)) == []
    assert canaries.connections == 0


def test_redirects(internet: Internet, canaries: Canaries) -> None:
    tries = web(canaries)
    for n, url in enumerate(tries):
        start = http._parse("http://public.test/to").copy_merge_params({"code": REDIRECTS[n % 5], "url": url})
        with suppress(DomainError):
            answer = http.fetch(str(start), timeout=5)
            assert answer.final_url.startswith("http://public.test"), (
                url
            )  # it meant another page of the same site
    assert len(internet.seen) >= len(tries)
    assert canaries.connections == 0


def test_a_leads_website(internet: Internet, canaries: Canaries) -> None:
    visitor = Visitor(time.monotonic() + 60)
    for url in web(canaries):
        page = visitor.visit(url, "home")
        assert not page.ok, url
        assert page.failure, url
    assert canaries.connections == 0


def test_links_style_sheets_and_redirects_of_a_website(internet: Internet, canaries: Canaries) -> None:
    tries = web(canaries)
    for start in range(0, len(tries), 60):
        part = tries[start : start + 60]
        internet.pages = {"/": lambda query, part=part: link_list(part)}
        pages = read_site(f"http://site{start}.test/", Visitor(time.monotonic() + 20), pages=5)
        assert pages[0].ok
    assert canaries.connections == 0


def test_clients_of_services(internet: Internet, canaries: Canaries) -> None:
    def ask(url: str) -> None:
        with http.api_client(url, timeout=5) as client:
            client.get("/v1/models")

    async def ask_all() -> list[str]:
        passed = []
        async with http.async_client(timeout=5) as client:
            for url in web(canaries):
                with suppress(Exception):
                    await client.get(url)
                    passed.append(url)
        return passed

    assert through(web(canaries), ask) == []
    assert asyncio.run(ask_all()) == []
    assert canaries.connections == 0


def test_the_browsers_proxy(internet: Internet, canaries: Canaries) -> None:
    with FilteringProxy() as proxy:
        port = int(proxy.url.rpartition(":")[2])
        for n, host in enumerate(hosts()):
            place = f"{host}:{canaries.web}"
            for line in (f"CONNECT {place}", f"GET http://{place}/"):
                with closing(socket.create_connection(("127.0.0.1", port), timeout=15)) as client:
                    client.sendall(f"{line} HTTP/1.1\r\nHost: {place}\r\n\r\n".encode())
                    answer = client.recv(100)
                assert not answer or answer.startswith(b"HTTP/1.1 403"), (n, line, answer)
        assert not proxy.opened
    assert canaries.connections == 0


def test_the_hosts_of_a_mailbox(internet: Internet, canaries: Canaries) -> None:
    for host in hosts():
        mailbox = Mailbox(
            email="a@public.test",
            smtp_host=host,
            smtp_port=canaries.mail,
            smtp_security="none",
            inbound_kind="imap",
            imap_host=host,
            imap_port=canaries.mail,
            imap_security="none",
        )
        results = mailboxes.test_mailbox(mailbox=mailbox)
        assert [result.ok for result in results] == [False, False], host
        assert {result.field for result in results} == {"smtp_host", "imap_host"}, (host, results)
    assert canaries.connections == 0


def test_a_mailbox_by_itself(internet: Internet, canaries: Canaries) -> None:
    def send(host: str) -> None:
        server = smtp.Server(host, canaries.mail, "none", "", "", "public.test")
        smtp.Connection(server, smtp.Limits(connect=5)).open()

    def read(host: str) -> None:
        server = imap.ImapServer(host=host, port=canaries.mail, security="none", username="a", password="b")
        try:
            with imap.Inbox(server, seconds=5, timeout=5):
                pass
        except imap.FAILURES as error:
            raise imap.failure(error, server, late=False) from error

    assert through(hosts(), send) == []
    assert through(hosts(), read) == []
    assert canaries.connections == 0
