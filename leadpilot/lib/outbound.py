"""The one rule about where LeadPilot may connect: public addresses, known ports, and to the address that was checked."""

from __future__ import annotations

import ipaddress
import queue
import socket
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Literal

from django.conf import settings

from leadpilot.lib import upstream
from leadpilot.lib.addresses import BadHost, clean_host, is_public, why_not_public
from leadpilot.lib.errors import DomainError

__all__ = [
    "MAIL_PORTS",
    "WEB_PORTS",
    "NameUnknown",
    "OutboundError",
    "OutboundRefused",
    "Target",
    "check_target",
    "connect",
    "connect_to",
    "is_public",
    "resolve",
]

WEB_PORTS = frozenset({80, 443, 8080, 8443})
MAIL_PORTS = frozenset({25, 465, 587, 2525, 143, 993})
Purpose = Literal["web", "mail"]
Resolver = Callable[[str, int, float], list[str]]
_PORTS: dict[str, frozenset[int]] = {"web": WEB_PORTS, "mail": MAIL_PORTS}
_SANDBOX_PORTS = {80: "web", 25: "smtp", 465: "smtp", 587: "smtp", 2525: "smtp", 143: "imap", 993: "imap"}


class OutboundError(DomainError):
    """A connection that was not made. `str()` is a sentence for people; `permanent` means asking again will not help."""

    def __init__(self, host: str, reason: str, *, permanent: bool) -> None:
        super().__init__(reason)
        self.host = host
        self.reason = reason
        self.permanent = permanent


class OutboundRefused(OutboundError):
    """The rule forbids this host or port."""

    def __init__(self, host: str, reason: str) -> None:
        super().__init__(host, reason, permanent=True)


class NameUnknown(OutboundError):
    """The name has no address: it does not exist (permanent), or the name servers did not answer in time."""


@dataclass(frozen=True)
class Target:
    """An address that passed the check; connect to it and never to the name again."""

    address: str
    port: int


def check_target(
    host: str,
    port: int,
    *,
    ports: Collection[int] = WEB_PORTS,
    resolver: Resolver | None = None,
    timeout: float = 5.0,
) -> list[Target]:
    """Resolve a host once and return its addresses, every one of them public.

    `timeout` is for the name lookup, in seconds. Raises OutboundRefused or NameUnknown, both with a sentence.
    """
    opened = _opened_by_settings(host, port, resolver or resolve, timeout)
    if opened:
        return opened
    try:
        name = clean_host(host)
    except BadHost as error:
        raise OutboundRefused(host, f"{_shown(host)} is refused: {error}.") from None
    sandboxed = _sandbox_target(name, port)
    if sandboxed:
        return [sandboxed]
    if _is_ip(name):
        _require_public(name, name)
    if port not in ports:
        allowed = ", ".join(str(p) for p in sorted(ports))
        raise OutboundRefused(host, f"Port {port} of {name} is refused; only {allowed} are open for this.")
    addresses = [name] if _is_ip(name) else (resolver or resolve)(name, port, timeout)
    if not addresses:
        raise NameUnknown(host, f"{name} has no address.", permanent=True)
    for address in addresses:
        _require_public(name, address)
    return [Target(address, port) for address in addresses]


def connect(host: str, port: int, *, timeout: float, purpose: Purpose) -> socket.socket:
    """Open a TCP connection to the address that was checked; `timeout` seconds cover lookup and connecting.

    Raises OutboundRefused, NameUnknown, or the OSError of the last address tried (TimeoutError among them).
    """
    deadline = time.monotonic() + timeout
    targets = check_target(host, port, ports=_PORTS[purpose], timeout=timeout)
    return connect_to(targets, timeout=max(0.001, deadline - time.monotonic()))


def connect_to(targets: list[Target], *, timeout: float) -> socket.socket:
    """Connect to the first of some checked targets that answers, in `timeout` seconds for all of them.

    Goes through the proxy of `upstream.route()` if there is one; that too is told the address, never the name.
    """
    deadline = time.monotonic() + timeout
    failure: OSError = TimeoutError("timed out")
    route = upstream.route()
    for position, target in enumerate(targets[:4]):
        left = deadline - time.monotonic()
        if left <= 0:
            break
        share = left / (min(len(targets), 4) - position)
        try:
            if route and is_public(target.address):
                return upstream.tunnel(route, target.address, target.port, timeout=share)
            return socket.create_connection((target.address, target.port), timeout=share)
        except OSError as error:
            failure = error
    raise failure


def resolve(name: str, port: int, timeout: float) -> list[str]:
    """Ask the system's resolver, in a thread of its own because `getaddrinfo` knows no time limit."""
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put([info[4][0] for info in socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)])
        except (OSError, UnicodeError) as error:
            answers.put(error)

    threading.Thread(target=ask, name="resolve", daemon=True).start()
    try:
        answer = answers.get(timeout=max(0.001, timeout))
    except queue.Empty:
        raise NameUnknown(
            name, f"The name servers did not answer for {name} in time.", permanent=False
        ) from None
    if isinstance(answer, Exception):
        temporary = isinstance(answer, socket.gaierror) and answer.errno == socket.EAI_AGAIN
        said = (
            f"The name servers have no answer for {name} now."
            if temporary
            else f"There is no host named {name}."
        )
        raise NameUnknown(name, said, permanent=not temporary) from None
    return list(dict.fromkeys(answer))


def _require_public(name: str, address: str) -> None:
    why = why_not_public(address)
    if not why:
        return
    subject = f"{name} is" if name == address else f"{name} points to {address},"
    raise OutboundRefused(name, f"{subject} {why}; LeadPilot connects to the public internet only.")


def _opened_by_settings(host: str, port: int, resolver: Resolver, timeout: float) -> list[Target]:
    """The exact `host:port` pairs of OUTBOUND_ALLOW: servers of tests and of this machine's sandbox."""
    if f"{host}:{port}" not in getattr(settings, "OUTBOUND_ALLOW", ()):
        return []
    bare = host.strip("[]")
    return [Target(address, port) for address in ([bare] if _is_ip(bare) else resolver(bare, port, timeout))]


def _sandbox_target(name: str, port: int) -> Target | None:
    """Where the invented people's names lead to when OUTBOUND_SANDBOX is set (development and tests)."""
    sandbox = getattr(settings, "OUTBOUND_SANDBOX", None)
    if not sandbox or not name.endswith(sandbox["suffix"]):
        return None
    if port in (443, 8443):
        raise OutboundRefused(name, f"{name} lives in the sandbox, and the sandbox speaks http, not https.")
    place = sandbox.get(_SANDBOX_PORTS.get(port, ""))
    if not place:
        raise OutboundRefused(name, f"{name} lives in the sandbox, where nothing listens on port {port}.")
    address, _, real_port = place.rpartition(":")
    return Target(address.strip("[]"), int(real_port))


def _is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _shown(host: str) -> str:
    """A host as it may stand in a message: short and printable."""
    return "".join(c if c.isprintable() else "?" for c in host[:80]) or "The empty host"
