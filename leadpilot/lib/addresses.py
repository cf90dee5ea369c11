"""Which network addresses are on the public internet, and which spellings of a host are honest. Pure functions."""

from __future__ import annotations

import ipaddress
import re

import idna

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

# `ipaddress.is_global` calls these global; nothing a customer would publish lives there (RFC 6890 and its registry).
_V4_NOT_PUBLIC = [
    (ipaddress.ip_network("192.0.0.0/24"), "a reserved address"),
    (ipaddress.ip_network("192.31.196.0/24"), "a reserved address"),
    (ipaddress.ip_network("192.52.193.0/24"), "a reserved address"),
    (ipaddress.ip_network("192.88.99.0/24"), "a 6to4 relay address"),
    (ipaddress.ip_network("192.175.48.0/24"), "a reserved address"),
    (ipaddress.ip_network("168.63.129.16/32"), "a cloud provider's internal address"),
]
_V4_NAMED = [
    (ipaddress.ip_network("0.0.0.0/8"), "a private address of this machine"),
    (ipaddress.ip_network("10.0.0.0/8"), "a private address"),
    (ipaddress.ip_network("172.16.0.0/12"), "a private address"),
    (ipaddress.ip_network("192.168.0.0/16"), "a private address"),
    (ipaddress.ip_network("100.64.0.0/10"), "a private address"),
    (ipaddress.ip_network("169.254.0.0/16"), "a link-local or cloud metadata address"),
]
# Only 2000::/3 is handed out as global unicast; inside it these carry IPv4, documentation or protocols.
_V6_GLOBAL = ipaddress.ip_network("2000::/3")
_V6_NOT_PUBLIC = [
    (ipaddress.ip_network("2001::/23"), "a Teredo or protocol address"),
    (ipaddress.ip_network("2001:db8::/32"), "a documentation address"),
    (ipaddress.ip_network("2002::/16"), "a 6to4 address"),
    (ipaddress.ip_network("2620:4f:8000::/48"), "a reserved address"),
    (ipaddress.ip_network("3fff::/20"), "a documentation address"),
]
_V6_NAMED = [
    (ipaddress.ip_network("::ffff:0:0/96"), "an IPv4 address in disguise"),
    (ipaddress.ip_network("64:ff9b::/32"), "an IPv4 address in disguise"),
    (ipaddress.ip_network("fc00::/7"), "a private address"),
    (ipaddress.ip_network("fe80::/10"), "a link-local address"),
]

_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)")
_INTERNAL_NAMES = (
    "localhost",
    "localdomain",
    "local",
    "internal",
    "intranet",
    "lan",
    "home",
    "corp",
    "home.arpa",
    "onion",
)


class BadHost(ValueError):
    """A host that is misspelled or spelled to deceive; the message is a sentence without the host's name."""


def why_not_public(address: str | IPAddress) -> str:
    """Say what keeps an IP address from being plain public unicast ("a private address"), or "" when nothing does."""
    try:
        ip = ipaddress.ip_address(address) if isinstance(address, str) else address
    except ValueError:
        return "not an IP address"
    if isinstance(ip, ipaddress.IPv6Address) and ip.scope_id:
        return "an address with a network zone"
    if ip.is_loopback:
        return "a private address of this machine"
    if ip.is_multicast:
        return "a multicast address"
    if ip.version == 4:
        return _first(ip, _V4_NOT_PUBLIC + _V4_NAMED) or ("" if ip.is_global else "a reserved address")
    if ip not in _V6_GLOBAL:
        return _first(ip, _V6_NAMED) or "not an address of the public internet"
    return _first(ip, _V6_NOT_PUBLIC) or ("" if ip.is_global else "a reserved address")


def is_public(address: str | IPAddress) -> bool:
    """True only for plain, globally routable unicast; unlike `ipaddress.is_global` also for NAT64, 6to4, multicast."""
    return not why_not_public(address)


def clean_host(host: str) -> str:
    """Return a host in its one canonical spelling: dotted IPv4, bare compressed IPv6, or a lower-case ASCII name.

    Raises BadHost for everything a lenient parser could read differently: numbers for IPv4, zones, trailing dots,
    user names, percent signs, look-alike letters that turn into plain ones, names of one label.
    """
    if not host or len(host) > 260:
        raise BadHost("the host name is missing or too long")
    if host.startswith("[") or ":" in host:
        return _clean_v6(host)
    name = _to_ascii(host)
    if name.endswith("."):
        raise BadHost("the host name ends with a dot")
    labels = name.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return _clean_v4(name)
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise BadHost("the host name is not spelled as host names are")
    if len(labels) == 1 or any(
        name == internal or name.endswith(f".{internal}") for internal in _INTERNAL_NAMES
    ):
        raise BadHost("it is the name of a machine on a private network")
    return name


def _clean_v6(host: str) -> str:
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if "%" in bare:
        raise BadHost("the address has a network zone")
    try:
        return ipaddress.IPv6Address(bare).compressed
    except ValueError:
        raise BadHost("the host name is not spelled as host names are") from None


def _clean_v4(name: str) -> str:
    """Strictly four decimal numbers: `2130706433`, `0x7f.1`, `0177.0.0.1` and `127.1` are all refused."""
    try:
        return ipaddress.IPv4Address(name).compressed
    except ValueError:
        raise BadHost("the address is written in an unusual notation") from None


def _to_ascii(host: str) -> str:
    if host.isascii():
        return host.lower()
    try:
        name = idna.encode(host, uts46=True, std3_rules=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        raise BadHost("the host name has letters that host names cannot have") from None
    # Full-width digits, circled letters and ideographic dots fold into plain ASCII: nobody types those by accident.
    if not any(label.startswith("xn--") for label in name.split(".")):
        raise BadHost("the host name has letters that only look like plain ones")
    return name


def _first(ip: IPAddress, networks: list[tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, str]]) -> str:
    return next(
        (reason for network, reason in networks if ip.version == network.version and ip in network), ""
    )
