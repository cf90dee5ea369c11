"""How bytes travel for `leadpilot.lib.http`: httpx2 transports that connect to the checked address, and their errors."""

from __future__ import annotations

import math
import selectors
import socket
import ssl
import time
from collections.abc import Iterable
from functools import cache
from typing import Any, Literal

import anyio.to_thread
import httpcore2
import httpx2

from leadpilot.lib import outbound
from leadpilot.lib.errors import DomainError

Kind = Literal[
    "refused", "dns", "timeout", "too_large", "too_many_redirects", "connection", "tls", "protocol", "status"
]


class FetchError(DomainError):
    """An exchange over HTTP that brought nothing usable.

    `str()` is a sentence for people that names the address; `kind` is for programs; `permanent` says that asking again
    will not help; `retry_after` is what the server asked us to wait, in seconds; `status` belongs to kind "status".
    """

    def __init__(
        self,
        kind: Kind,
        message: str,
        *,
        permanent: bool = False,
        retry_after: float | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.permanent = permanent
        self.retry_after = retry_after
        self.status = status


class Deadline:
    """A moment after which nothing on the wire waits any more; infinite until set."""

    def __init__(self, seconds: float = math.inf) -> None:
        self.set(seconds)

    def set(self, seconds: float) -> None:
        """Let it end `seconds` from now."""
        self.seconds = seconds
        self._at = time.monotonic() + seconds

    def limit(self, timeout: float | None) -> float | None:
        """The smaller of a step's own time limit and what is left; raises TimeoutError when nothing is."""
        left = self._at - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time is up")
        return timeout if left == math.inf else min(left, timeout if timeout is not None else left)


@cache
def tls_context() -> ssl.SSLContext:
    """The one TLS configuration, shared because loading the certificates costs 20 ms."""
    return httpx2.create_ssl_context(trust_env=False)


class CheckedTransport(httpx2.HTTPTransport):
    """An httpx2 transport whose connections pass `outbound.connect`; ignores proxies set in the environment.

    Set `deadline` before a request to bound all of it, the body included. With a deadline use it from one thread.
    """

    def __init__(self) -> None:
        super().__init__(verify=tls_context(), trust_env=False)
        self.deadline = Deadline()
        # httpx2 has no public way to hand a network backend to its transport; the pin in requirements.txt holds this.
        self._pool = httpcore2.ConnectionPool(
            ssl_context=tls_context(),
            max_connections=8,
            keepalive_expiry=15,
            network_backend=_CheckedBackend(self.deadline),
        )


class AsyncCheckedTransport(httpx2.AsyncHTTPTransport):
    """The same door for asynchronous clients (model SDKs)."""

    def __init__(self) -> None:
        super().__init__(verify=tls_context(), trust_env=False)
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=tls_context(),
            max_connections=20,
            keepalive_expiry=15,
            network_backend=_AsyncCheckedBackend(),
        )


class _CheckedBackend(httpcore2.NetworkBackend):
    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        try:
            limit = self.deadline.limit(timeout) or 30.0
            sock = outbound.connect(host, port, timeout=limit, purpose="web")
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout(str(error)) from error
        except OSError as error:
            raise httpcore2.ConnectError(_os_words(error)) from error
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return _Stream(sock, self.deadline)


class _Stream(httpcore2.NetworkStream):
    """A socket whose every step ends at the deadline, so that a byte a second does not buy a server an hour."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self.sock = sock
        self.deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            self.sock.settimeout(self.deadline.limit(timeout))
            return self.sock.recv(max_bytes)
        except TimeoutError as error:
            raise httpcore2.ReadTimeout(str(error)) from error
        except OSError as error:
            raise httpcore2.ReadError(_os_words(error)) from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        view = memoryview(buffer)
        try:
            while view:
                self.sock.settimeout(self.deadline.limit(timeout))
                view = view[self.sock.send(view) :]
        except TimeoutError as error:
            raise httpcore2.WriteTimeout(str(error)) from error
        except OSError as error:
            raise httpcore2.WriteError(_os_words(error)) from error

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        try:
            self.sock.settimeout(self.deadline.limit(timeout))
            return _Stream(ssl_context.wrap_socket(self.sock, server_hostname=server_hostname), self.deadline)
        except TimeoutError as error:
            self.close()
            raise httpcore2.ConnectTimeout(str(error)) from error
        except OSError as error:
            self.close()
            raise httpcore2.ConnectError(_os_words(error)) from error

    def close(self) -> None:
        self.sock.close()

    def get_extra_info(self, info: str) -> Any:
        if info == "ssl_object":
            return self.sock if isinstance(self.sock, ssl.SSLSocket) else None
        if (
            info == "is_readable"
        ):  # asked of a kept connection: readable while idle means that the server hung up
            return _has_input(self.sock)
        return self.sock if info == "socket" else None


class _AsyncCheckedBackend(httpcore2.AsyncNetworkBackend):
    def __init__(self) -> None:
        self.inner = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        targets = await anyio.to_thread.run_sync(outbound.check_target, host, port)
        return await self.inner.connect_tcp(targets[0].address, targets[0].port, timeout=timeout)

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)


def explain(error: Exception, url: str, seconds: float) -> FetchError:
    """Turn what the wire raised into a FetchError that a person can read."""
    if isinstance(error, FetchError):
        return error
    if isinstance(error, outbound.OutboundRefused):
        return FetchError("refused", f"{url} was not opened: {error.reason}", permanent=True)
    if isinstance(error, outbound.NameUnknown):
        return FetchError("dns", f"{url} was not found: {error.reason}", permanent=error.permanent)
    if isinstance(error, httpx2.TimeoutException | TimeoutError):
        return FetchError("timeout", f"{url} did not answer completely within {seconds:g} seconds.")
    if tls := _find_tls(error):
        return FetchError(
            "tls", f"{url} has no valid security certificate: {_tls_words(tls)}.", permanent=True
        )
    if isinstance(error, httpx2.NetworkError):
        return FetchError(
            "connection", f"{url} could not be reached: {str(error) or 'the connection was cut'}."
        )
    if isinstance(error, httpx2.RemoteProtocolError) and "disconnected without" in str(error):
        return FetchError("protocol", f"{url} hung up before it gave an answer.")
    return FetchError("protocol", f"{url} gave an answer that is not proper HTTP.")


def _find_tls(error: BaseException | None) -> ssl.SSLError | None:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return error
        error = error.__cause__ or error.__context__
    return None


def _tls_words(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message.rstrip(".")
    return (error.reason or "the secure connection failed").replace("_", " ").lower()


def _os_words(error: OSError) -> str:
    return (error.strerror or str(error) or "the connection failed").lower()


def _has_input(sock: socket.socket) -> bool:
    """Whether reading would not block: data, or the end, has come."""
    with selectors.DefaultSelector() as selector:
        selector.register(sock, selectors.EVENT_READ)
        return bool(selector.select(0))
