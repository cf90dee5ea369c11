"""Proxies of our own to go out through (RS-2): OUTBOUND_PROXIES, tried in turn when a site blocks one."""

from __future__ import annotations

import base64
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from urllib.parse import unquote, urlsplit

from django.conf import settings

_HEAD_LIMIT = 16_384
_chosen: ContextVar[str | None] = ContextVar("upstream_route", default=None)


class ProxyTrouble(OSError):
    """The proxy is not set up rightly, or does not let us through; the message never holds its password."""


def routes() -> list[str]:
    """The ways out, in the order to try them: the proxies of OUTBOUND_PROXIES, or directly ("")."""
    return list(getattr(settings, "OUTBOUND_PROXIES", ())) or [""]


def route() -> str:
    """The way out that is in force: the one chosen by `via`, else the first; "" means directly."""
    chosen = _chosen.get()
    return routes()[0] if chosen is None else chosen


@contextmanager
def via(way: str) -> Iterator[None]:
    """Go out through another proxy inside the block: `for way in routes(): with via(way): fetch(…)`."""
    token = _chosen.set(way)
    try:
        yield
    finally:
        _chosen.reset(token)


def tunnel(proxy: str, address: str, port: int, *, timeout: float) -> socket.socket:
    """A connection to an address through an HTTP proxy by CONNECT (RFC 9110 9.3.6); raises OSError."""
    deadline = time.monotonic() + timeout
    parts = urlsplit(proxy)
    if parts.scheme != "http" or not parts.hostname:
        raise ProxyTrouble("an entry of OUTBOUND_PROXIES is no http:// address")
    connection = socket.create_connection((parts.hostname, parts.port or 8080), timeout=timeout)
    try:
        place = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        head = f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n"
        if parts.username:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            head += f"Proxy-Authorization: Basic {base64.b64encode(login.encode()).decode()}\r\n"
        connection.sendall(f"{head}\r\n".encode())
        status = _read_head(connection, deadline).split(b" ")
        if len(status) < 2 or not status[1].startswith(b"2"):
            raise ProxyTrouble(f"the proxy {parts.hostname} did not let us through")
        connection.settimeout(max(0.001, deadline - time.monotonic()))
        return connection
    except BaseException:
        connection.close()
        raise


def _read_head(connection: socket.socket, deadline: float) -> bytes:
    """Byte by byte, since what follows the head belongs to the other end."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        connection.settimeout(left)
        byte = connection.recv(1)
        if not byte or len(head) > _HEAD_LIMIT:
            raise ProxyTrouble("the proxy gave no proper answer")
        head += byte
    return head
