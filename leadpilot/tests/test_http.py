from __future__ import annotations

import asyncio
import gzip
import resource
import socket
import ssl
import threading
import time
import zlib
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from leadpilot.lib import clock, http, outbound, wire
from leadpilot.lib.http import FetchError, Response, api_client, fetch
from leadpilot.tests.servers import (
    Canary,
    answer,
    certificate,
    endless,
    hang,
    raw_server,
    redirect,
)


def failure(url: str, **options: Any) -> FetchError:
    with pytest.raises(FetchError) as caught:
        fetch(url, **options)
    return caught.value


def test_it_fetches_a_page(web: Any) -> None:
    server = web({"/about": "<p>Grüße</p>"})
    response = fetch(f"http://{server.place}/about?x=1#top")
    assert response.ok
    assert (response.status, response.text, response.truncated) == (200, "<p>Grüße</p>", False)
    assert response.url == f"http://{server.place}/about?x=1#top"
    assert response.final_url == f"http://{server.place}/about?x=1"
    assert response.content_type == "text/html"
    assert response.elapsed_ms >= 0
    method, path, headers, _ = server.seen[0]
    assert (method, path) == ("GET", "/about?x=1")
    assert headers["host"] == server.place
    assert "cookie" not in headers
    assert "text/html" in headers["accept"]


def test_it_says_who_it_is(web: Any, settings: Any) -> None:
    settings.OUTBOUND_USER_AGENT = "Acme/2 (+https://acme.example/bot)"
    server = web({"/": "x"})
    fetch(f"http://{server.place}/")
    assert server.seen[0][2]["user-agent"] == "Acme/2 (+https://acme.example/bot)"


def test_a_body_and_headers_are_sent(web: Any) -> None:
    server = web({"/hook": "ok"})
    fetch(
        f"http://{server.place}/hook",
        method="POST",
        content=b"a=1",
        headers={"X-Key": "k", "User-Agent": "me"},
    )
    method, _, headers, body = server.seen[0]
    assert (method, headers["x-key"], headers["user-agent"], body) == ("POST", "k", "me", b"a=1")


@pytest.mark.parametrize("status", [400, 404, 410, 429, 500, 503])
def test_a_status_is_an_answer_and_no_failure(web: Any, status: int) -> None:
    server = web({"/": lambda h: answer(h, "sorry", status=status, retry_after="7")})
    response = fetch(f"http://{server.place}/")
    assert (response.status, response.text, response.ok) == (status, "sorry", False)
    with pytest.raises(FetchError) as caught:
        response.raise_for_status()
    assert caught.value.kind == "status"
    assert caught.value.status == status
    assert caught.value.retry_after == 7
    assert caught.value.permanent == (status in (400, 404, 410))


def test_retry_after_may_be_a_date() -> None:
    def waiting(value: str) -> float | None:
        return Response("u", "u", 429, {"retry-after": value}, b"", 1).retry_after

    later = waiting(format_datetime(clock.now() + timedelta(seconds=60), usegmt=True))
    assert later is not None
    assert 55 < later <= 60
    assert waiting(format_datetime(clock.now() - timedelta(days=1), usegmt=True)) == 0
    assert waiting("120") == 120
    assert waiting("") is None
    assert waiting("soon") is None
    assert waiting("-5") is None


REFUSED_ADDRESSES = [
    "ftp://example.com/", "file:///etc/passwd", "javascript:alert(1)", "data:text/html,x", "gopher://127.0.0.1:25/_HELO",
    "//example.com/", "example.com", "", " ", "http://", "http:///x", "http://[::1", "http://user:pw@example.com/",
    "http://example.com@127.0.0.1/", "http://127.0.0.1\\@example.com/", "http://exa mple.com/", "http://a\r\nX: y/",
    "http://127.1/", "http://2130706433/", "http://0x7f000001/", "http://0177.0.0.1/", "http://localhost/", "http://0/",
    "http://[::]/", "http://[::ffff:127.0.0.1]/", "http://[64:ff9b::7f00:1]/", "http://169.254.169.254/latest/meta-data",
    "http://127.0.0.1./", "http://１２７.0.0.1/", "http://127.0.0.1%2eexample.com/", "http://[fe80::1%25lo]/",
    "http://example.com:22/", "http://example.com:99999/", "https://10.0.0.1/", "http://metadata.google.internal/",
    "http://" + "a" * 5000 + ".com/", "http://exa\u00admple.local/", "HTTP://LOCALHOST/", "http://[v1.x]/",
]  # fmt: skip


@pytest.mark.parametrize("url", REFUSED_ADDRESSES)
def test_it_refuses_addresses_that_are_not_of_the_public_web(url: str) -> None:
    error = failure(url)
    assert error.kind == "refused"
    assert error.permanent
    assert str(error).endswith(".")
    assert "pw" not in str(error)


def test_a_private_address_sees_no_connection(canary: Canary) -> None:
    for host in (
        "127.0.0.1",
        "127.1",
        "[::ffff:127.0.0.1]",
        "localhost",
        "0",
        "2130706433",
        "127.0.0.1.nip.io",
    ):
        assert failure(f"http://{host}:{canary.port}/").kind in ("refused", "dns")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_a_private_address_is_refused(web: Any, canary: Canary, status: int) -> None:
    server = web({"/": redirect(f"http://{canary.place}/secret", status)})
    error = failure(f"http://{server.place}/")
    assert error.kind == "refused"
    assert canary.place in str(error)


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://x.com/", "http://a:b@x.com/", "//[::1]:1/", "http://[::1"]
)
def test_a_redirect_to_an_odd_address_is_refused(web: Any, target: str) -> None:
    server = web({"/": redirect(target)})
    assert failure(f"http://{server.place}/").kind == "refused"


def test_it_follows_redirects_and_remembers_where_it_ended(web: Any) -> None:
    server = web({"/a": redirect("b"), "/b": redirect("/c?d=1", 308), "/c": "there"})
    response = fetch(f"http://{server.place}/a")
    assert response.text == "there"
    assert response.final_url == f"http://{server.place}/c?d=1"
    assert response.url.endswith("/a")


def test_a_redirect_loop_ends(web: Any) -> None:
    server = web({"/": redirect("/")})
    error = failure(f"http://{server.place}/", max_redirects=4)
    assert error.kind == "too_many_redirects"
    assert len(server.seen) == 5
    assert "more than 4 times" in str(error)


def test_credentials_and_bodies_do_not_go_to_another_host(web: Any) -> None:
    other = web({"/in": "ok"})
    server = web({"/": redirect(f"http://{other.place}/in", 307)})
    fetch(
        f"http://{server.place}/",
        method="POST",
        content=b"body",
        headers={"Authorization": "Bearer x", "X-Key": "k"},
    )
    _, _, headers, body = other.seen[0]
    assert body == b""
    assert "authorization" not in headers
    assert "x-key" not in headers
    assert server.seen[0][2]["authorization"] == "Bearer x"


def test_a_post_becomes_a_get_after_see_other(web: Any) -> None:
    server = web({"/": redirect("/done", 303), "/done": "ok"})
    fetch(f"http://{server.place}/", method="POST", content=b"x")
    assert [(m, p, b) for m, p, _, b in server.seen] == [("POST", "/", b"x"), ("GET", "/done", b"")]


def test_cookies_are_not_kept(web: Any) -> None:
    server = web({"/": lambda h: answer(h, status=302, location="/2", set_cookie="id=1"), "/2": "ok"})
    fetch(f"http://{server.place}/")
    fetch(f"http://{server.place}/2")
    assert all("cookie" not in headers for _, _, headers, _ in server.seen)


def test_a_long_body_is_too_large(web: Any) -> None:
    server = web({"/declared": lambda h: answer(h, b"x" * 200_000), "/endless": endless(b"y" * 65_536, 0)})
    for path in ("declared", "endless"):
        error = failure(f"http://{server.place}/{path}", max_bytes=100_000)
        assert error.kind == "too_large"
        assert "larger than 0.1 MB" in str(error)
    assert fetch(f"http://{server.place}/declared", max_bytes=200_000).body == b"x" * 200_000


def test_a_long_body_may_be_cut(web: Any) -> None:
    server = web({"/declared": lambda h: answer(h, b"x" * 200_000), "/endless": endless(b"y" * 65_536, 0)})
    for path in ("declared", "endless"):
        response = fetch(f"http://{server.place}/{path}", max_bytes=100_000, truncate=True)
        assert len(response.body) == 100_000
        assert response.truncated


def test_fifty_megabytes_are_left_at_the_limit_and_memory_stays_flat(web: Any) -> None:
    sent = [0]

    def fifty(handler: Any) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        piece = b"10000\r\n" + b"z" * 65_536 + b"\r\n"
        for _ in range(800):
            handler.wfile.write(piece)
            sent[0] += 65_536

    server = web({"/": fifty})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert failure(f"http://{server.place}/").kind == "too_large"
    assert sent[0] < 15_000_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000


def bomb(megabytes: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(bytes(1_000_000)) for _ in range(megabytes)) + packer.flush()


def test_a_gzip_bomb_is_left_at_the_limit(web: Any) -> None:
    packed = bomb(500)
    assert len(packed) < 1_000_000
    server = web({"/": lambda h: answer(h, packed, content_encoding="gzip")})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert failure(f"http://{server.place}/").kind == "too_large"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000


def test_compressed_pages_are_read_and_stacked_compressions_are_not(web: Any) -> None:
    packed = gzip.compress(b"hello")
    server = web(
        {
            "/gzip": lambda h: answer(h, packed, content_encoding="gzip"),
            "/twice": lambda h: answer(h, gzip.compress(packed), content_encoding="gzip, gzip"),
            "/br": lambda h: answer(h, b"\x0b\x02\x80hello\x03", content_encoding="br"),
            "/broken": lambda h: answer(h, packed[:10] + b"\xff" * 9, content_encoding="gzip"),
        }
    )
    assert fetch(f"http://{server.place}/gzip").text == "hello"
    for path in ("twice", "br", "broken"):
        assert failure(f"http://{server.place}/{path}").kind == "protocol"


@pytest.mark.parametrize("path", ["/hang", "/body", "/head", "/chunks"])
def test_a_server_that_dawdles_is_left_at_the_deadline(web: Any, path: str) -> None:
    """Every byte is in time; all of them together are not."""

    def slow_head(handler: Any) -> None:
        for letter in b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 1000:
            handler.wfile.write(bytes([letter]))
            if handler.server.stopping.wait(0.1):
                return

    routes = {
        "/hang": hang,
        "/head": slow_head,
        "/body": endless(b"x", 0.1, "Content-Length: 100000\r\n"),
        "/chunks": endless(b"1\r\nx\r\n", 0.1, "Transfer-Encoding: chunked\r\n"),
    }
    server = web(routes)
    began = time.monotonic()
    error = failure(f"http://{server.place}{path}", timeout=0.7)
    assert 0.6 < time.monotonic() - began < 2
    assert error.kind == "timeout"
    assert not error.permanent
    assert "within 0.7 seconds" in str(error)


def test_the_deadline_covers_all_redirects_together(web: Any) -> None:
    def slowly(handler: Any) -> None:
        handler.server.stopping.wait(0.3)
        redirect("/")(handler)

    server = web({"/": slowly})
    began = time.monotonic()
    assert failure(f"http://{server.place}/", timeout=0.7, max_redirects=50).kind == "timeout"
    assert time.monotonic() - began < 2


def test_a_closed_port_is_a_connection_failure(settings: Any) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    place = f"127.0.0.1:{listener.getsockname()[1]}"
    listener.close()
    settings.OUTBOUND_ALLOW = [place]
    error = failure(f"http://{place}/")
    assert error.kind == "connection"
    assert not error.permanent
    assert str(error) == f"http://{place}/ could not be reached: connection refused."


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n", "protocol"),
        (b"\x00\xff\x00\xff\r\n\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort", "protocol"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\nX-Big: " + b"a" * 300_000 + b"\r\n\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\nBad Name: x\r\n\r\n", "protocol"),
        (b"", "protocol"),
    ],
)
def test_a_server_that_speaks_no_http_is_told_apart(settings: Any, said: bytes, kind: str) -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(10_000)
        connection.sendall(said)

    with raw_server(talk) as port:
        settings.OUTBOUND_ALLOW = [f"127.0.0.1:{port}"]
        assert failure(f"http://127.0.0.1:{port}/", timeout=3).kind == kind


def test_a_server_that_resets_is_a_connection_failure(settings: Any) -> None:
    def reset(connection: socket.socket) -> None:
        connection.recv(10)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")

    with raw_server(reset) as port:
        settings.OUTBOUND_ALLOW = [f"127.0.0.1:{port}"]
        assert failure(f"http://127.0.0.1:{port}/", timeout=3).kind == "connection"


def test_an_unknown_name_is_told_apart() -> None:
    error = failure("http://nothing.invalid/")
    assert error.kind == "dns"
    assert error.permanent
    assert "http://nothing.invalid/ was not found" in str(error)


@pytest.fixture
def shop(tmp_path: Path, web: Any, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An https server named shop.test, whose name resolves to this machine; `.asked` are the names it was asked for."""
    pem = certificate(tmp_path, "shop.test")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    asked: list[str | None] = []
    context.sni_callback = lambda sock, name, ctx: asked.append(name)
    server = web({"/": "secure"}, context)
    settings.OUTBOUND_ALLOW += [f"shop.test:{server.port}", f"other.test:{server.port}"]
    monkeypatch.setattr(outbound, "resolve", lambda name, port, timeout: ["127.0.0.1"])
    server.asked, server.pem = asked, pem
    return server


def test_host_and_server_name_stay_those_of_the_address(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    trusting = ssl.create_default_context(cafile=str(shop.pem))
    monkeypatch.setattr(wire, "tls_context", lambda: trusting)
    response = fetch(f"https://shop.test:{shop.port}/")
    assert response.text == "secure"
    assert shop.asked == ["shop.test"]
    assert shop.seen[0][2]["host"] == f"shop.test:{shop.port}"
    error = failure(f"https://other.test:{shop.port}/")
    assert error.kind == "tls"
    assert "hostname mismatch" in str(error).lower()


def test_a_certificate_nobody_signed_is_refused(shop: Any) -> None:
    error = failure(f"https://shop.test:{shop.port}/")
    assert error.kind == "tls"
    assert error.permanent
    assert "no valid security certificate: self" in str(error)
    assert shop.seen == []


def test_https_to_a_plain_server_is_a_tls_failure(web: Any) -> None:
    server = web({"/": "x"})
    assert failure(f"https://{server.place}/", timeout=3).kind == "tls"


def test_proxies_of_the_environment_are_ignored(
    web: Any, canary: Canary, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://{canary.place}")
    server = web({"/": "direct"})
    assert fetch(f"http://{server.place}/").text == "direct"


@pytest.mark.parametrize(
    ("body", "header", "text"),
    [
        ("Grüße".encode(), "text/html", "Grüße"),
        ("Grüße".encode("latin-1"), "text/html; charset=ISO-8859-1", "Grüße"),
        ("Grüße".encode("latin-1"), 'text/html; charset="latin1"', "Grüße"),
        (
            b'<meta charset="windows-1251">' + "Привет".encode("cp1251"),
            "text/html",
            '<meta charset="windows-1251">Привет',
        ),
        ("Grüße".encode("utf-16"), "text/html", "Grüße"),
        (b"\xef\xbb\xbfhi", "text/html", "hi"),
        (b"a\xc3", "text/html", "a"),
        (b"plain", "text/html; charset=idna", "plain"),
        (b"plain", "text/html; charset=rot13", "plain"),
        (b"plain", "text/html; charset=nonsense", "plain"),
        (b"+ADw-script+AD4-", "text/html; charset=utf-7", "+ADw-script+AD4-"),
    ],
)
def test_text_is_read_by_its_character_set(body: bytes, header: str, text: str) -> None:
    assert Response("u", "u", 200, {"content-type": header}, body, 1).text == text


def test_text_without_a_declared_character_set_is_guessed() -> None:
    body = ("Die Straße führt über die Brücke, und schöne Häuser säumen sie. " * 20).encode("cp1252")
    assert "Straße" in Response("u", "u", 200, {}, body, 1).text


def test_a_json_service_is_spoken_to(web: Any) -> None:
    server = web({"/v1/search": lambda h: answer(h, '{"hits": [1]}', content_type="application/json")})
    with api_client(f"http://{server.place}/v1", headers={"Authorization": "Bearer k"}) as api:
        assert api.post("/search", json={"q": "ü"}, params={"page": 2}).raise_for_status().json() == {
            "hits": [1]
        }
        assert api.get("search").json() == {"hits": [1]}
    (method, path, headers, body), second = server.seen
    assert (method, path) == ("POST", "/v1/search?page=2")
    assert headers["authorization"] == "Bearer k"
    assert headers["content-type"] == "application/json"
    assert headers["accept"] == "application/json"
    assert body == '{"q":"ü"}'.encode()
    assert second[0] == "GET"


def test_a_service_that_answers_no_json_is_told_apart(web: Any) -> None:
    server = web({"/": "<html>", "/deep": "[" * 200_000})
    with api_client(f"http://{server.place}") as api:
        for path in ("/", "/deep"):
            with pytest.raises(FetchError, match="did not answer with JSON") as caught:
                api.get(path).json()
            assert caught.value.kind == "protocol"


def test_a_service_cannot_send_our_key_elsewhere(web: Any, canary: Canary) -> None:
    server = web({"/": redirect(f"http://{canary.place}/")})
    with api_client(f"http://{server.place}", headers={"Authorization": "Bearer k"}) as api:
        assert api.get("/").status == 302
        with pytest.raises(FetchError) as caught:
            api.get(f"http://{canary.place}/next?token=abc")
    assert caught.value.kind == "refused"
    assert "abc" not in str(caught.value)


def test_a_service_keeps_its_connection_and_each_request_its_own_deadline(web: Any) -> None:
    ports: list[int] = []

    def note(handler: Any) -> None:
        ports.append(handler.client_address[1])
        answer(handler, "{}")

    server = web({"/": note, "/hang": hang})
    with api_client(f"http://{server.place}", timeout=0.5) as api:
        api.get("/")
        time.sleep(0.6)
        api.get("/")
        began = time.monotonic()
        with pytest.raises(FetchError, match=r"within 0\.2 seconds"):
            api.get("/hang", timeout=0.2)
        assert time.monotonic() - began < 1
        api.get("/")
    assert ports[0] == ports[1]


def test_messages_about_a_service_leave_out_the_query(web: Any) -> None:
    server = web({"/x": lambda h: answer(h, b"y" * 50)})
    with api_client(f"http://{server.place}", max_bytes=10) as api, pytest.raises(FetchError) as caught:
        api.get("/x", params={"key": "very-secret"})
    assert "very-secret" not in str(caught.value)
    assert f"http://{server.place}/x is larger than 10 bytes" in str(caught.value)


def test_clients_for_other_libraries_pass_the_same_door(web: Any, canary: Canary) -> None:
    server = web({"/": "ok"})
    with http.client() as plain:
        assert plain.get(f"http://{server.place}/").text == "ok"
        with pytest.raises(outbound.OutboundRefused):
            plain.get(f"http://{canary.place}/")

    async def both() -> str:
        async with http.async_client() as client:
            with pytest.raises(outbound.OutboundRefused):
                await client.get(f"http://{canary.place}/")
            return (await client.get(f"http://{server.place}/")).text

    assert asyncio.run(both()) == "ok"


def test_many_threads_fetch_at_once(web: Any) -> None:
    server = web({"/": "x" * 10_000})
    lengths: list[int] = []
    threads = [
        threading.Thread(target=lambda: lengths.append(len(fetch(f"http://{server.place}/").body)))
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lengths == [10_000] * 20


def test_sandbox_sites_see_their_own_name(web: Any, settings: Any) -> None:
    server = web({"/": "hello"})
    settings.OUTBOUND_SANDBOX = {"suffix": ".example", "web": server.place, "smtp": server.place}
    assert fetch("http://northbeam.example/").text == "hello"
    assert server.seen[0][2]["host"] == "northbeam.example"
    error = failure("https://northbeam.example/")
    assert error.kind == "refused"
    assert "the sandbox speaks http" in str(error)
