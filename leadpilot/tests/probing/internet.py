"""A public internet of our own: names that resolve as a test wishes, one web server behind all public addresses, and
canaries on every address of this machine.

The public part is reached through an outbound proxy (OUTBOUND_PROXIES), so OUTBOUND_ALLOW stays empty: nothing opens the
door for the canaries, nor for anything else.
"""

from __future__ import annotations

import html
import ipaddress
import socket
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from leadpilot.lib.outbound import MAIL_PORTS, WEB_PORTS, NameUnknown
from leadpilot.tests.servers import ConnectionCounter

PUBLIC = "93.184.216.34"
INWARD_V6 = ("::1", "fd00::2", "fe80::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::")
Page = Callable[[dict[str, str]], str]


class Names:
    """The resolver: *.inward.test is private, *.turning.test is public first and then private, *.test is public."""

    def __init__(self, turns: int = 1) -> None:
        self.asked: Counter[str] = Counter()
        self.turns = turns
        self.inward = "127.0.0.1"

    def __call__(self, name: str, port: int, timeout: float) -> list[str]:
        self.asked[name] += 1
        first = name.partition(".")[0]
        kind, _, rest = first.partition("-")
        if name.endswith(".inward.test"):
            if kind == "to":
                return [str(ipaddress.IPv4Address(bytes.fromhex(rest)))]
            return (
                [INWARD_V6[int(rest)]]
                if kind == "six"
                else [PUBLIC, ("127.0.0.1", "10.0.0.1", "::1")[int(rest)]]
            )
        if name.endswith(".turning.test"):
            return [PUBLIC] if self.asked[name] <= self.turns else [self.inward]
        if name.endswith(".test"):
            return [PUBLIC]
        raise NameUnknown(name, f"There is no host named {name}.", permanent=True)


class Internet(ThreadingHTTPServer):
    """A CONNECT proxy that is itself every server it is asked for; `asked` are the addresses it was asked for."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, pages: dict[str, Page]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pages = pages
        self.asked: list[str] = []
        self.seen: list[str] = []
        self.proxy = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever hangs up may."""

    def close(self) -> None:
        """Stop answering."""
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Internet
    protocol_version = "HTTP/1.1"

    def do_CONNECT(self) -> None:
        self.server.asked.append(self.path.rpartition(":")[0].strip("[]"))
        self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        if int(self.path.rpartition(":")[2]) in MAIL_PORTS:
            self.wfile.write(b"421 Come back later\r\n")
            self.close_connection = True

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.server.seen.append(f"{self.headers.get('host', '')}{self.path}")
        if parts.path == "/to":
            return self._answer(int(query["code"]), "", location=query["url"])
        page = self.server.pages.get(parts.path)
        return self._answer(200 if page else 404, page(query) if page else "nothing here")

    do_POST = do_HEAD = do_GET

    def _answer(self, status: int, body: str, location: str = "") -> None:
        data = body.encode("utf-8", "surrogatepass")
        self.send_response_only(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        if location:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


class Canaries(ConnectionCounter):
    """One listener on every address of this machine, by IPv4 and IPv6, at an open port of the web and one of mail."""

    def __init__(self) -> None:
        listeners: list[socket.socket] = []
        self.web = self._listen(listeners, [*sorted(WEB_PORTS - {8443}), 8443])  # other tests like that one
        self.mail = self._listen(listeners, sorted(MAIL_PORTS, reverse=True))
        super().__init__(listeners)

    @staticmethod
    def _listen(listeners: list[socket.socket], ports: list[int]) -> int:
        for port in ports:
            with suppress(OSError):
                listeners.append(socket.create_server(("0.0.0.0", port)))
                if socket.has_ipv6:
                    with suppress(OSError):
                        listeners.append(socket.create_server(("::", port), family=socket.AF_INET6))
                return port
        raise AssertionError(f"none of the ports {ports} is free on this machine")


def link_list(urls: list[str]) -> str:
    """A page with every address as a link, a style sheet, an image and a frame."""
    words = ("About us", "Team", "News", "Careers", "Products", "Contact")
    lines = [
        f'<a href="{html.escape(url)}">{words[n % len(words)]}</a><link rel="stylesheet" href="{html.escape(url)}">'
        f'<img src="{html.escape(url)}"><iframe src="{html.escape(url)}"></iframe>'
        for n, url in enumerate(urls)
    ]
    return f"<!doctype html><title>Links</title><p>{'We build things. ' * 40}</p>{''.join(lines)}"
