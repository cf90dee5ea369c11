"""A small web site for tests, under names of its own, that can misbehave in every way a test needs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from django.test import override_settings

Route = str | bytes | Callable[[BaseHTTPRequestHandler], None]


class Site:
    """`routes` maps a path, or host and path, to a body or to a function that writes the answer itself."""

    def __init__(self) -> None:
        self.routes: dict[str, Route] = {}
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with suppress(ConnectionError):  # the visitor hung up, as it should
                    outer.answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        host = (handler.headers.get("Host") or "").partition(":")[0]
        self.asked.append(host + handler.path)
        route = self.routes.get(host + handler.path, self.routes.get(handler.path))
        if callable(route):
            route(handler)
        elif route is None:
            send(handler, b"<html><body><h1>Not found</h1></body></html>", status=404)
        else:
            send(handler, route.encode() if isinstance(route, str) else route)


def send(handler: Any, body: bytes, *, status: int = 200, **headers: str) -> None:
    """Write a whole answer; header names with underscores for dashes."""
    given = {"Content-Type": "text/html; charset=utf-8", "Content-Length": str(len(body))}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    handler.send_response(status)
    for name, value in given.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


@contextmanager
def running_site() -> Iterator[Site]:
    """Run a site for every name that ends in .example, through the outbound door."""
    site = Site()
    thread = threading.Thread(target=site.server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        place = f"127.0.0.1:{site.port}"
        with override_settings(OUTBOUND_SANDBOX={"suffix": ".example", "web": place, "smtp": place}):
            yield site
    finally:
        site.server.shutdown()
        site.server.server_close()
