"""The web server of the sandbox: one loopback port, all sites by their Host header."""

import sys
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from leadpilot.sandbox.sites import Reply, respond
from leadpilot.sandbox.world import World


class WebServer(ThreadingHTTPServer):
    """Serves a world, read anew for each request because its dates follow the calendar."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, port: int, world: Callable[[], World]) -> None:
        """Listen on loopback; port 0 takes a free one. Raises OSError when the port is taken."""
        self.world = world
        super().__init__(("127.0.0.1", port), _Visit)

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A visitor who hangs up is no news; anything else is printed."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Visit(BaseHTTPRequestHandler):
    server: WebServer
    protocol_version = "HTTP/1.1"
    server_version = "sandbox"
    sys_version = ""
    timeout = 20

    def do_GET(self) -> None:
        """Answer with a page."""
        reply = respond(
            self.server.world(),
            self.headers.get("Host", ""),
            urlsplit(self.path).path,
            port=self.server.port,
        )
        if reply.delay:
            time.sleep(reply.delay)
        self._send(reply)

    do_HEAD = do_GET

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    def log_message(self, format: str, *args: Any) -> None:
        """No line for each visit."""
