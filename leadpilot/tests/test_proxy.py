from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from leadpilot.lib.proxy import FilteringProxy
from leadpilot.tests.servers import Canary, answer, endless, hang, raw_server


@pytest.fixture
def proxy() -> Iterator[FilteringProxy]:
    with FilteringProxy(seconds=5) as started:
        yield started
    assert not started._thread.is_alive()


def say(proxy: FilteringProxy, text: str | bytes, timeout: float = 8) -> bytes:
    """Send bytes to the proxy and return all that comes back until it hangs up."""
    with dial(proxy, timeout) as connection:
        connection.sendall(text.encode() if isinstance(text, str) else text)
        return drain(connection)


def dial(proxy: FilteringProxy, timeout: float = 8) -> socket.socket:
    port = urlsplit(proxy.url).port
    return socket.create_connection(("127.0.0.1", port), timeout=timeout)


def drain(connection: socket.socket) -> bytes:
    received = b""
    try:
        while piece := connection.recv(65_536):
            received += piece
    except ConnectionResetError:
        pass
    return received


def test_it_listens_on_loopback_alone(proxy: FilteringProxy) -> None:
    assert proxy.url.startswith("http://127.0.0.1:")


def test_a_plain_request_is_passed_on_in_origin_form(proxy: FilteringProxy, web: Any) -> None:
    server = web({"/page": "hello"})
    said = say(
        proxy,
        f"GET http://{server.place}/page?q=1 HTTP/1.1\r\nHost: evil.com\r\nProxy-Connection: keep-alive\r\n"
        "Proxy-Authorization: Basic abc\r\nConnection: keep-alive\r\nX-A: b\r\n\r\n",
    )
    assert said.startswith(b"HTTP/1.1 200 OK\r\n")
    assert said.endswith(b"hello")
    assert b"Connection: close" in said
    method, path, headers, _ = server.seen[0]
    assert (method, path) == ("GET", "/page?q=1")
    assert headers["host"] == server.place
    assert headers["x-a"] == "b"
    assert not [name for name in headers if name.startswith("proxy-")]
    assert list(proxy.opened) == [("127.0.0.1", server.port)]


def test_a_body_goes_along_and_nothing_after_it(proxy: FilteringProxy, web: Any, canary: Canary) -> None:
    server = web({"/": "one", "/two": "two"})
    said = say(
        proxy,
        f"POST http://{server.place}/ HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody"
        f"GET http://{canary.place}/two HTTP/1.1\r\nHost: x\r\n\r\n",
    )
    assert said.count(b"HTTP/1.1") == 1
    assert [(m, p, b) for m, p, _, b in server.seen] == [("POST", "/", b"body")]


def test_a_tunnel_carries_bytes_both_ways(proxy: FilteringProxy, settings: Any) -> None:
    def echo(connection: socket.socket) -> None:
        while data := connection.recv(1000):
            connection.sendall(data.upper())

    with raw_server(echo) as port:
        settings.OUTBOUND_ALLOW = [f"127.0.0.1:{port}"]
        with dial(proxy) as connection:
            connection.sendall(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
            for word in (b"hello", b"again"):
                connection.sendall(word)
                assert connection.recv(1000) == word.upper()


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "127.1",
        "0x7f000001",
        "2130706433",
        "0",
        "[::ffff:127.0.0.1]",
        "127.0.0.1.",
    ],
)
def test_private_hosts_are_refused_and_remembered(proxy: FilteringProxy, canary: Canary, host: str) -> None:
    plain = say(proxy, f"GET http://{host}:{canary.port}/ HTTP/1.1\r\nHost: example.com\r\n\r\n")
    tunnel = say(proxy, f"CONNECT {host}:{canary.port} HTTP/1.1\r\n\r\n")
    assert plain.startswith(b"HTTP/1.1 403 ")
    assert tunnel.startswith(b"HTTP/1.1 403 ")
    assert [(r.port, r.kind, r.permanent) for r in proxy.refused] == [(canary.port, "refused", True)] * 2
    assert all(r.reason.endswith(".") for r in proxy.refused)
    assert not proxy.opened


def test_other_ports_are_refused(proxy: FilteringProxy) -> None:
    assert say(proxy, "CONNECT 8.8.8.8:25 HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 403 ")
    assert "Port 25 " in proxy.refused[0].reason


def test_names_that_do_not_exist_are_told_apart(proxy: FilteringProxy) -> None:
    say(proxy, "CONNECT nothing.invalid:443 HTTP/1.1\r\n\r\n")
    assert proxy.refused[0].kind == "dns"


def test_a_server_that_is_down_is_told_apart(proxy: FilteringProxy, settings: Any) -> None:
    listener = Canary()
    listener.close()
    settings.OUTBOUND_ALLOW = [listener.place]
    assert say(proxy, f"GET http://{listener.place}/ HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 502 ")
    assert proxy.refused[0].kind == "connection"
    assert proxy.refused[0].reason == "127.0.0.1 could not be reached: connection refused."


@pytest.mark.parametrize(
    "request_text",
    [
        "GET / HTTP/1.1\r\nHost: {place}\r\n\r\n",
        "GET https://{place}/ HTTP/1.1\r\n\r\n",
        "GET ftp://{place}/ HTTP/1.1\r\n\r\n",
        "GET http://user@{place}/ HTTP/1.1\r\n\r\n",
        "GET http://[::1/ HTTP/1.1\r\n\r\n",
        "GET http://{place}/ HTTP/2\r\n\r\n",
        "GET http://{place}/ HTTP/1.1 x\r\n\r\n",
        "CONNECT {place}/x HTTP/1.1\r\n\r\n",
        "CONNECT 127.0.0.1 HTTP/1.1\r\n\r\n",
        "POST http://{place}/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST http://{place}/ HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        "\r\n\r\n",
        "\x16\x03\x01\r\n\r\n",
        "GET http://{place}/ HTTP/1.1\r\nX: " + "a" * 100_000 + "\r\n\r\n",
    ],
)
def test_what_is_no_proxy_request_is_hung_up_on(proxy: FilteringProxy, web: Any, request_text: str) -> None:
    server = web({"/": "x"})
    try:
        said = say(proxy, request_text.replace("{place}", server.place))
    except (ConnectionResetError, BrokenPipeError):
        said = b""
    assert b"200" not in said
    assert not server.seen


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\nfree",
        b"SSH-2.0-x\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 50 + b"x",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\nfree",
        b"HTTP/1.1 200 OK",
        b"",
    ],
)
def test_an_answer_that_is_none_is_not_passed_on(proxy: FilteringProxy, settings: Any, reply: bytes) -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(10_000)
        connection.sendall(reply)

    with raw_server(talk) as port:
        settings.OUTBOUND_ALLOW = [f"127.0.0.1:{port}"]
        said = say(proxy, f"GET http://127.0.0.1:{port}/ HTTP/1.1\r\n\r\n")
    assert b"free" not in said
    assert b"SSH" not in said


def test_announcements_before_the_answer_are_left_out(proxy: FilteringProxy, settings: Any) -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(10_000)
        connection.sendall(
            b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\nHTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\nend"
        )

    with raw_server(talk) as port:
        settings.OUTBOUND_ALLOW = [f"127.0.0.1:{port}"]
        said = say(proxy, f"GET http://127.0.0.1:{port}/ HTTP/1.1\r\n\r\n")
    assert said == b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nend"


def test_bytes_end_at_the_account_of_the_page(proxy: FilteringProxy, web: Any) -> None:
    server = web({"/": endless(b"x" * 65_536, 0), "/small": "small"})
    proxy.begin(300_000)
    said = say(proxy, f"GET http://{server.place}/ HTTP/1.1\r\n\r\n")
    assert len(said) <= 300_000
    assert proxy.exhausted
    assert b"small" not in say(proxy, f"GET http://{server.place}/small HTTP/1.1\r\n\r\n")
    proxy.begin(300_000)
    assert not proxy.exhausted
    assert b"small" in say(proxy, f"GET http://{server.place}/small HTTP/1.1\r\n\r\n")


def test_a_big_answer_arrives_whole(proxy: FilteringProxy, web: Any) -> None:
    server = web({"/": lambda h: answer(h, b"y" * 3_000_000)})
    assert say(proxy, f"GET http://{server.place}/ HTTP/1.1\r\n\r\n").endswith(b"\r\n\r\n" + b"y" * 3_000_000)


def test_a_connection_ends_at_its_time(web: Any) -> None:
    server = web({"/": hang, "/drip": endless(b"x", 0.05)})
    with FilteringProxy(seconds=0.6) as proxy:
        for path in ("", "drip"):
            began = time.monotonic()
            say(proxy, f"GET http://{server.place}/{path} HTTP/1.1\r\n\r\n")
            assert time.monotonic() - began < 2


def test_a_client_that_says_nothing_is_hung_up_on() -> None:
    with FilteringProxy(seconds=0.4) as proxy, dial(proxy) as silent:
        began = time.monotonic()
        assert drain(silent) == b""
        assert time.monotonic() - began < 2


def test_connections_at_once_are_limited(web: Any) -> None:
    server = web({"/": hang})
    with FilteringProxy(max_connections=2) as proxy:
        waiting = [dial(proxy) for _ in range(2)]
        for connection in waiting:
            connection.sendall(f"GET http://{server.place}/ HTTP/1.1\r\n\r\n".encode())
        time.sleep(0.3)
        with dial(proxy) as third:
            assert drain(third) == b""
        for connection in waiting:
            connection.close()


def test_cutting_ends_what_is_open(proxy: FilteringProxy, web: Any) -> None:
    server = web({"/": endless(b"x" * 100, 0.01)})
    with dial(proxy) as connection:
        connection.sendall(f"GET http://{server.place}/ HTTP/1.1\r\n\r\n".encode())
        connection.recv(100)
        threading.Timer(0.2, proxy.cut).start()
        began = time.monotonic()
        drain(connection)
        assert time.monotonic() - began < 3
    assert not proxy._tasks


def test_a_client_that_leaves_frees_its_connection(proxy: FilteringProxy, web: Any) -> None:
    server = web({"/": hang})
    connection = dial(proxy)
    connection.sendall(f"GET http://{server.place}/ HTTP/1.1\r\n\r\n".encode())
    time.sleep(0.3)
    assert len(proxy._tasks) == 1
    connection.close()
    time.sleep(0.3)
    assert not proxy._tasks


def test_the_record_of_refusals_is_bounded_and_starts_anew_with_each_page(proxy: FilteringProxy) -> None:
    say(proxy, "CONNECT 10.0.0.1:443 HTTP/1.1\r\n\r\n")
    assert len(proxy.refused) == 1
    proxy.begin(1000)
    assert not proxy.refused
    assert proxy.refused.maxlen == 1_000


def test_it_may_be_stopped_twice() -> None:
    proxy = FilteringProxy().start()
    proxy.stop()
    proxy.stop()
    proxy.cut()
    with pytest.raises(OSError):
        dial(proxy, 1)
