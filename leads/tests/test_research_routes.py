"""Where several proxies are set up, a page that one of them cannot get is asked for by the next (RS-2)."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from leadpilot.lib import outbound
from leads.models import PageStatus
from leads.research.crawl import deadline_in
from leads.research.visit import Visitor

WORDS = "We build ferries in Bergen for fjords and islands. " * 8
BODY = f"<html><head><title>Acme</title></head><body><h1>Hello</h1><p>{WORDS}</p></body></html>"
NAMES = (f"routes{number}.acme.example.com" for number in itertools.count())  # robots.txt is remembered


class Proxy:
    """Lets through to a site of its own that answers every page with `status`; None does not let through at all."""

    def __init__(self, status: int | None) -> None:
        self.status = status
        self.asked: list[str] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection:
            _head(connection)
            if self.status is None:
                connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
                return
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            path = _head(connection).split(b" ")[1].decode()
            self.asked.append(path)
            status, body = (404, "") if path == "/robots.txt" else (self.status, BODY)
            connection.sendall(
                f"HTTP/1.1 {status} X\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n"
                f"Connection: close\r\n\r\n{body}".encode()
            )


def _head(connection: socket.socket) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connection.recv(1) or b"\r\n\r\n"
    return head


@contextmanager
def proxies(settings: Any, *statuses: int | None) -> Iterator[list[Proxy]]:
    with ExitStack() as stack:
        made = [Proxy(status) for status in statuses]
        for proxy in made:
            stack.callback(proxy.listener.close)
        settings.OUTBOUND_PROXIES = [proxy.url for proxy in made]
        yield made


@pytest.fixture(autouse=True)
def _public_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "resolve", lambda name, port, timeout: ["8.8.8.8"])


@pytest.fixture
def name() -> str:
    return next(NAMES)


@pytest.mark.parametrize("shut", [403, 429, None])
def test_the_next_way_is_tried_when_one_is_shut(settings: Any, name: str, shut: int | None) -> None:
    with proxies(settings, shut, 200) as (first, second):
        page = Visitor(deadline_in(30)).visit(f"http://{name}/", "home")
    assert (page.status, page.http_status, page.failure) == (PageStatus.OK, 200, "")
    assert second.asked == ["/robots.txt", "/"]
    assert first.asked == ([] if shut is None else ["/robots.txt", "/"])


def test_what_served_once_is_asked_first_from_then_on(settings: Any, name: str) -> None:
    with proxies(settings, 403, 200) as (first, second):
        visitor = Visitor(deadline_in(30))
        assert visitor.visit(f"http://{name}/", "home").ok
        assert visitor.visit(f"http://{name}/news", "news").ok
    assert "/news" not in first.asked
    assert "/news" in second.asked


def test_each_way_is_tried_once_and_the_last_answer_stands(settings: Any, name: str) -> None:
    with proxies(settings, 403, 429, 403) as found:
        page = Visitor(deadline_in(30)).visit(f"http://{name}/", "home")
    assert (page.status, page.http_status) == (PageStatus.FAILED, 403)
    assert [proxy.asked.count("/") for proxy in found] == [1, 1, 1]


@pytest.mark.parametrize("status", [404, 500])
def test_what_is_no_refusal_is_not_asked_for_again(settings: Any, name: str, status: int) -> None:
    with proxies(settings, status, 200) as (_, second):
        page = Visitor(deadline_in(30)).visit(f"http://{name}/", "home")
    assert page.http_status == status
    assert second.asked == []


def test_the_deadline_ends_the_tries(settings: Any, name: str) -> None:
    with proxies(settings, 403, 200) as (_, second):
        began = time.monotonic()
        page = Visitor(deadline_in(1.5)).visit(f"http://{name}/", "home")
    assert time.monotonic() - began < 10
    assert not page.ok
    assert second.asked == []
