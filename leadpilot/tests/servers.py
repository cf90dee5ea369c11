"""Real servers on loopback for the tests of the doors: honest ones, hostile ones, and a canary that must stay silent."""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Route = Callable[[BaseHTTPRequestHandler], None]


class WebServer(ThreadingHTTPServer):
    """Answers by path; remembers every request as (method, path, headers, body)."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, routes: dict[str, Route | str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.routes = routes
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.port = self.server_address[1]
        self.place = f"127.0.0.1:{self.port}"
        self.stopping = threading.Event()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are what these tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: WebServer
    protocol_version = "HTTP/1.1"

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        path = self.path.split("?")[0]
        self.server.seen.append(
            (self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
        )
        route = self.server.routes.get(path)
        if route is None:
            answer(self, "not here", status=404)
        elif isinstance(route, str):
            answer(self, route)
        else:
            route(self)

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = do_PATCH = handle_any

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


def answer(
    handler: BaseHTTPRequestHandler, body: str | bytes = b"", *, status: int = 200, **headers: str
) -> None:
    """Write a whole answer; header names take underscores for dashes."""
    data = body.encode() if isinstance(body, str) else body
    handler.send_response(status)
    sent = {"content_type": "text/html; charset=utf-8", "content_length": str(len(data)), **headers}
    for name, value in sent.items():
        if value:
            handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(data)


def redirect(to: str, status: int = 302) -> Route:
    """A route that sends elsewhere."""
    return lambda handler: answer(handler, status=status, location=to)


def endless(piece: bytes, pause: float, header: str = "") -> Route:
    """A route that never ends: the same bytes again and again, after a pause in seconds."""

    def route(handler: Any) -> None:
        handler.wfile.write(f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n{header}\r\n".encode())
        while not handler.server.stopping.wait(pause):
            handler.wfile.write(piece)
            handler.wfile.flush()

    return route


def hang(handler: Any) -> None:
    """A route that says nothing."""
    handler.server.stopping.wait(60)


@contextmanager
def web_server(routes: dict[str, Route | str], context: ssl.SSLContext | None = None) -> Iterator[WebServer]:
    """Run one, over TLS with a context."""
    server = WebServer(routes)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stopping.set()
        server.shutdown()
        server.server_close()


class ConnectionCounter:
    """Counts the connections that its listeners get, and ends each at once."""

    def __init__(self, listeners: list[socket.socket]) -> None:
        self.connections = 0
        self.listeners = listeners
        for listener in listeners:
            threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            connection.close()

    def close(self) -> None:
        """Stop listening."""
        for listener in self.listeners:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes the thread in accept, which would keep the port
            listener.close()


class Canary(ConnectionCounter):
    """Listens on private addresses, on a port of the web if one is free, so that only the rule about addresses keeps
    connections away; `connections` must stay 0."""

    def __init__(self) -> None:
        super().__init__(next(filter(None, map(self._listen, (8443, 8080, 443, 80, 0)))))
        self.port = self.listeners[0].getsockname()[1]
        self.place = f"127.0.0.1:{self.port}"

    def _listen(self, port: int) -> list[socket.socket]:
        try:
            listeners = [socket.create_server(("127.0.0.1", port))]
            if socket.has_dualstack_ipv6():
                with suppress(OSError):
                    listeners.append(socket.create_server(("::1", port), family=socket.AF_INET6))
        except OSError:
            return []
        return listeners


@contextmanager
def raw_server(conversation: Callable[[socket.socket], None]) -> Iterator[int]:
    """A TCP server with its own idea of a protocol; yields its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(connection,), daemon=True).start()

    def talk(connection: socket.socket) -> None:
        with connection:
            try:
                conversation(connection)
            except OSError:
                return

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()


def certificate(folder: Path, name: str) -> Path:
    """A certificate for a name, signed by itself, with its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return path
