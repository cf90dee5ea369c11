"""A filtering HTTP and CONNECT proxy on loopback: the browser's only way out, under the rule of `outbound`."""

from __future__ import annotations

import asyncio
import socket
import threading
import urllib.parse
from collections import deque
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

from leadpilot.lib.outbound import WEB_PORTS, OutboundError, OutboundRefused, check_target, connect_to
from leadpilot.lib.upstream import route as current_route
from leadpilot.lib.upstream import via

Kind = Literal["refused", "dns", "connection"]
_HEAD_LIMIT = 65_536
_HOP_HEADERS = (b"proxy-", b"connection:", b"keep-alive:", b"host:", b"te:", b"upgrade:")


@dataclass(frozen=True)
class Refusal:
    """A connection that the browser wanted and did not get; `reason` is a sentence."""

    host: str
    port: int
    kind: Kind
    reason: str
    permanent: bool


@dataclass(frozen=True)
class _Request:
    method: bytes
    host: str
    port: int
    path: str
    headers: list[bytes]

    @property
    def tunnel(self) -> bool:
        return self.method == b"CONNECT"

    @property
    def body_length(self) -> int:
        for header in self.headers:
            name, _, value = header.partition(b":")
            if name.strip().lower() == b"content-length":
                return int(value)
        return 0


class FilteringProxy:
    """Start it, give `url` to the browser, stop it. `begin` opens a new account of bytes, refusals and time.

    Limits: `seconds` for one connection; `max_connections` at once; `max_bytes` of `begin` for all of one page.
    """

    def __init__(self, *, seconds: float = 60.0, max_connections: int = 100) -> None:
        self.refused: deque[Refusal] = deque(maxlen=1_000)
        self.opened: deque[tuple[str, int]] = deque(maxlen=1_000)
        self.bytes_left = 50_000_000
        self.exhausted = False
        self.route: str | None = None
        self.url = ""
        self._seconds = seconds
        self._max_connections = max_connections
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="filtering-proxy", daemon=True)
        self._server: asyncio.Server | None = None

    def start(self) -> Self:
        """Listen on a free port of the loopback interface."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self._thread.start()
        opening = asyncio.start_server(self._serve, sock=listener, limit=_HEAD_LIMIT)
        self._server = asyncio.run_coroutine_threadsafe(opening, self._loop).result(5)
        return self

    def begin(self, max_bytes: int, route: str | None = None) -> None:
        """Cut what is still open and start a new account: at most `max_bytes` come in for the next page.

        `route` is the way out for it (see `leadpilot.lib.upstream`).
        """
        self.cut()
        self.refused.clear()
        self.opened.clear()
        self.bytes_left = max_bytes
        self.route = route
        self.exhausted = False

    def cut(self) -> None:
        """Close every connection that runs through here."""
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result(5)

    def stop(self) -> None:
        """Close everything, the thread included."""
        if not self._thread.is_alive():
            return
        self.cut()
        if self._server:
            self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.close()

    async def _cut(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._tasks) >= self._max_connections:
            writer.close()
            return
        self._tasks.add(task)
        try:
            async with asyncio.timeout(self._seconds):
                await self._handle(reader, writer)
                writer.close()
                await writer.wait_closed()
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # a cut or hopeless connection has nobody left to be told
        except asyncio.CancelledError:
            pass  # `cut`; swallowed so that asyncio does not log each of them
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(10):
            request = _parse(await reader.readuntil(b"\r\n\r\n"))
        try:
            upstream = await asyncio.to_thread(_open, request.host, request.port, self.route)
        except OutboundError as error:
            kind: Kind = "refused" if isinstance(error, OutboundRefused) else "dns"
            self.refused.append(Refusal(request.host, request.port, kind, error.reason, error.permanent))
            return await _answer(writer, "403 Forbidden")
        except OSError as error:
            reason = f"{request.host} could not be reached: {(error.strerror or str(error)).lower()}."
            self.refused.append(Refusal(request.host, request.port, "connection", reason, False))
            return await _answer(writer, "502 Bad Gateway")
        self.opened.append((request.host, request.port))
        up_reader, up_writer = await asyncio.open_connection(sock=upstream, limit=_HEAD_LIMIT)
        try:
            await self._relay(request, reader, writer, up_reader, up_writer)
        finally:
            up_writer.transport.abort()

    async def _relay(
        self,
        request: _Request,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        up_reader: asyncio.StreamReader,
        up_writer: asyncio.StreamWriter,
    ) -> None:
        """Pass bytes both ways until one side is done.

        Plain http carries one request a connection, and the browser is told so: a second could name another host.
        """
        if request.tunnel:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            down = asyncio.create_task(self._count(up_reader, writer))
        else:
            up_writer.write(_head_for_server(request))
            down = asyncio.create_task(self._answer_once(up_reader, writer))
        up = asyncio.create_task(_pipe(reader, up_writer, None if request.tunnel else request.body_length))
        try:
            done, _ = await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (up, down):
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)

    async def _answer_once(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(5):  # 100 and 103 announce: the real answer follows
            head = await reader.readuntil(b"\r\n\r\n")
            self.bytes_left -= len(head)
            status, *headers = head.rstrip(b"\r\n").split(b"\r\n")
            version, _, code = status[:12].partition(b" ")
            if not version.startswith(b"HTTP/1.") or code == b"101":
                raise ValueError("not an answer to a plain request")
            if not code.startswith(b"1"):
                break
        kept = [header for header in headers if not header.lower().startswith(_HOP_HEADERS)]
        writer.write(b"\r\n".join([status, *kept, b"Connection: close"]) + b"\r\n\r\n")
        await self._count(reader, writer)

    async def _count(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not self.exhausted and (data := await reader.read(65_536)):
            self.bytes_left -= len(data)
            if self.bytes_left < 0:
                self.exhausted = True
                return
            writer.write(data)
            await writer.drain()


def _open(host: str, port: int, route: str | None) -> socket.socket:
    targets = check_target(host, port, ports=WEB_PORTS)
    with via(current_route() if route is None else route):
        connection = connect_to(targets, timeout=10)
    connection.setblocking(False)
    return connection


def _parse(head: bytes) -> _Request:
    """Read a proxy request's head; ValueError for whatever is not one."""
    line, *headers = head.rstrip(b"\r\n").split(b"\r\n")
    method, target, version = line.split(b" ")
    if not version.startswith(b"HTTP/1."):
        raise ValueError("not HTTP/1")
    if method == b"CONNECT":
        host, _, port = target.decode("ascii").rpartition(":")
        return _Request(method, host.strip("[]"), int(port), "", [])
    parts = urllib.parse.urlsplit(target.decode("ascii"))
    if parts.scheme != "http" or not parts.hostname or "@" in parts.netloc:
        raise ValueError("not an http address")
    if any(header.lower().startswith(b"transfer-encoding:") for header in headers):
        raise ValueError("a body of unknown length")
    path = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
    return _Request(method, parts.hostname, 80 if parts.port is None else parts.port, path, headers)


def _head_for_server(request: _Request) -> bytes:
    """The request in origin form, with the host that was checked and without what is between browser and proxy."""
    kept = [header for header in request.headers if not header.lower().startswith(_HOP_HEADERS)]
    host = f"[{request.host}]" if ":" in request.host else request.host
    host += "" if request.port == 80 else f":{request.port}"
    first = [
        request.method + b" " + request.path.encode("ascii") + b" HTTP/1.1",
        b"Host: " + host.encode("ascii"),
    ]
    return b"\r\n".join([*first, *kept, b"Connection: close"]) + b"\r\n\r\n"


async def _answer(writer: asyncio.StreamWriter, status: str) -> None:
    writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode("ascii"))
    await writer.drain()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, length: int | None) -> None:
    """Pass on up to `length` bytes (None: all), then wait until the browser hangs up."""
    while data := await reader.read(65_536):
        if length is not None:
            data, length = data[:length], max(0, length - len(data))
        writer.write(data)
        await writer.drain()
