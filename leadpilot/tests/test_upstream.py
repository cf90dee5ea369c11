from __future__ import annotations

import base64
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from leadpilot.lib import outbound, upstream
from leadpilot.lib.http import FetchError, fetch
from leadpilot.lib.proxy import FilteringProxy
from leadpilot.lib.upstream import ProxyTrouble, routes, tunnel, via
from leadpilot.tests.servers import raw_server, web_server

PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"


def read_head(connection: socket.socket) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connection.recv(1)
    return head


@contextmanager
def a_proxy(seen: list[bytes], reply: bytes = b"HTTP/1.1 200 OK\r\nX-A: b\r\n\r\n") -> Iterator[str]:
    """A proxy that plays the server as well: what it is asked for stays on this machine."""

    def talk(connection: socket.socket) -> None:
        seen.append(read_head(connection))
        connection.sendall(reply)
        seen.append(read_head(connection))
        connection.sendall(PAGE)

    with raw_server(talk) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def public_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "resolve", lambda name, port, timeout: ["8.8.8.8"])


def test_without_proxies_the_way_out_is_direct(settings: Any) -> None:
    settings.OUTBOUND_PROXIES = []
    assert routes() == [""]
    assert upstream.route() == ""


def test_the_first_proxy_is_taken_until_another_is_chosen(settings: Any) -> None:
    settings.OUTBOUND_PROXIES = ["http://a:1", "http://b:2"]
    assert upstream.route() == "http://a:1"
    with via("http://b:2"):
        assert upstream.route() == "http://b:2"
        with via(""):
            assert upstream.route() == ""
    assert upstream.route() == "http://a:1"


def test_a_page_comes_through_the_proxy_which_hears_the_address_alone(
    settings: Any, public_names: None
) -> None:
    seen: list[bytes] = []
    with a_proxy(seen) as url:
        settings.OUTBOUND_PROXIES = [url.replace("http://", "http://me:p%40ss@")]
        assert fetch("http://shop.example.com/x").text == "hello"
    connect, request = seen
    assert connect.startswith(b"CONNECT 8.8.8.8:80 HTTP/1.1\r\n")
    assert b"shop.example.com" not in connect
    assert b"Proxy-Authorization: Basic " + base64.b64encode(b"me:p@ss") in connect
    assert request.startswith(b"GET /x HTTP/1.1\r\n")
    assert b"Host: shop.example.com" in request
    assert b"Proxy-Authorization" not in request


def test_private_hosts_are_refused_before_the_proxy_hears_of_them(settings: Any) -> None:
    seen: list[bytes] = []
    with a_proxy(seen) as url:
        settings.OUTBOUND_PROXIES = [url]
        for host in ("10.0.0.1", "127.0.0.1", "169.254.169.254"):
            with pytest.raises(FetchError):
                fetch(f"http://{host}/")
    assert not seen


def test_servers_on_this_machine_are_reached_directly(settings: Any) -> None:
    seen: list[bytes] = []
    with a_proxy(seen) as url, web_server({"/": "near"}) as server:
        settings.OUTBOUND_PROXIES = [url]
        settings.OUTBOUND_ALLOW = [server.place]
        assert fetch(f"http://{server.place}/").text == "near"
    assert not seen


def test_the_browsers_proxy_goes_out_the_same_way(settings: Any, public_names: None) -> None:
    seen: list[bytes] = []
    with a_proxy(seen) as url, FilteringProxy() as proxy:
        proxy.begin(1_000_000, url)
        with socket.create_connection(
            ("127.0.0.1", int(proxy.url.rpartition(":")[2])), timeout=5
        ) as connection:
            connection.sendall(b"GET http://shop.example.com/ HTTP/1.1\r\n\r\n")
            assert b"hello" in b"".join(iter(lambda: connection.recv(1000), b""))
    assert seen[0].startswith(b"CONNECT 8.8.8.8:80 ")


REPLIES: dict[str, tuple[bytes, type[Exception]]] = {
    "refused": (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", ProxyTrouble),
    "nonsense": (b"hello there\r\n\r\n", ProxyTrouble),
    "endless": (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000, ProxyTrouble),
    "nothing": (b"", TimeoutError),
}


@pytest.mark.parametrize("kind", REPLIES)
def test_a_proxy_that_does_not_serve_is_an_error_without_its_password(kind: str) -> None:
    reply, error = REPLIES[kind]
    patience = 0.5 if error is TimeoutError else 20
    with a_proxy([], reply) as url, pytest.raises(error) as caught:
        tunnel(url.replace("http://", "http://me:hunter2@"), "8.8.8.8", 80, timeout=patience)
    assert "hunter2" not in str(caught.value)


def test_a_proxy_that_drips_is_left_in_time() -> None:
    def drip(connection: socket.socket) -> None:
        for _ in range(100):
            connection.sendall(b"H")
            time.sleep(0.1)

    began = time.monotonic()
    with raw_server(drip) as port, pytest.raises(TimeoutError):
        tunnel(f"http://127.0.0.1:{port}", "8.8.8.8", 80, timeout=0.5)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("entry", ["", "socks5://a:1", "https://a:1", "a:1", "http://"])
def test_a_wrong_entry_is_named(entry: str) -> None:
    with pytest.raises(ProxyTrouble, match="OUTBOUND_PROXIES"):
        tunnel(entry, "8.8.8.8", 80, timeout=1)


def test_a_dead_proxy_is_a_connection_failure(settings: Any, public_names: None) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    settings.OUTBOUND_PROXIES = [f"http://127.0.0.1:{listener.getsockname()[1]}"]
    listener.close()
    with pytest.raises(FetchError) as caught:
        fetch("http://shop.example.com/")
    assert caught.value.kind == "connection"


def test_a_blocked_route_can_be_switched(settings: Any, public_names: None) -> None:
    tried: list[str] = []

    def attempt(work: Callable[[], str]) -> str:
        for way in routes():
            tried.append(way)
            with via(way):
                try:
                    return work()
                except FetchError:
                    continue
        return ""

    with a_proxy([], b"HTTP/1.1 403 Forbidden\r\n\r\n") as bad, a_proxy([]) as good:
        settings.OUTBOUND_PROXIES = [bad, good]
        assert attempt(lambda: fetch("http://shop.example.com/").text) == "hello"
    assert tried == [bad, good]
