"""Three hundred ways to write a place that is not the public internet."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator


def _words(*lines: str) -> list[str]:
    return " ".join(lines).split()


# Each stands for one kind: this machine, private, shared, metadata, benchmark, multicast, reserved…
V4 = _words(
    "0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 100.127.255.255 127.0.0.1 127.0.1.1 127.1.2.3",
    "127.255.255.255 168.63.129.16 169.254.0.1 169.254.169.254 169.254.170.2 172.16.0.1 172.17.0.1 172.31.255.255",
    "192.0.0.1 192.0.0.170 192.0.0.192 192.0.2.1 192.88.99.1 192.168.0.1 192.168.255.255 198.18.0.1 198.51.100.1",
    "203.0.113.1 224.0.0.1 224.0.0.251 239.255.255.250 240.0.0.1 255.255.255.255",
)
V6 = _words(
    ":: ::1 100::1 2001::1 2001:10::1 2001:20::1 2001:db8::1 2620:4f:8000::1 3fff::1 4000::1 5f00::1 fc00::1 fd00::1",
    "fd00:ec2::254 fd12:3456:789a::1 fe80::1 febf::1 fec0::1 ff01::1 ff02::1 ff02::fb ff05::2 ff0e::1 0::1",
    "0:0:0:0:0:0:0:1 0000:0000:0000:0000:0000:0000:0000:0001 ::0.0.0.1",
)
# What an address can hide in, of which a translator or a careless stack makes IPv4 again.
INNER = ("127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.0.1")
NUMBERED = _words("127.0.0.1 169.254.169.254 10.0.0.1 192.168.0.1 0.0.0.0 172.16.0.1 100.100.100.200")
NAMES = _words(
    "localhost LOCALHOST localhost. localhost.localdomain ip6-localhost foo.localhost localhost.foo.localhost db",
    "intranet router printer.local nas.lan wiki.corp host.internal metadata metadata.google.internal kubernetes",
    "kubernetes.default.svc.cluster.local host.docker.internal box.home nas.home.arpa hidden.onion instance-data",
)
# Names that are spelled well and resolve to somewhere private; see `internet.resolve`.
POINTING = [
    f"to-{ipaddress.IPv4Address(a).packed.hex()}.inward.test" for a in (*INNER, "100.64.0.1", "0.0.0.0")
]
POINTING += [f"both-{n}.inward.test" for n in range(3)] + [f"six-{n}.inward.test" for n in range(6)]
LOOK_ALIKE = _words(
    "１２７.0.0.1 127.０.0.1 ①②⑦.0.0.1 127。0。0。1 127．0．0．1 １２７。０。０。１ 𝟏𝟐𝟕.0.0.1 𝟙𝟚𝟟.𝟘.𝟘.𝟙 ⒈27.0.0.1",
    "ⅼocalhost ｌocalhost ⓛⓞⓒⓐⓛⓗⓞⓢⓣ loc\u00adalhost loc\u200dalhost lo\u200bcalhost 127.0.0.1\u2024 169。254。169。254",
)
BENT = _words(
    "127.0.0.1. 127.0.0.1.. .127.0.0.1 127..0.1 127.0.0.1%00 127.0.0.1%20 127%2e0%2e0%2e1 %31%32%37.0.0.1",
    "127.0.0.1%2f 127.0.0.01 127.0.0.1.example 1.127.0.0.1 [::1 ::1] [[::1]] [::1]. [::1%25lo] [::1%lo] [fe80::1%25eth0]",
    "[::ffff:127.0.0.1]. [127.0.0.1] [v1.7f000001] [0x7f000001] [::127.1] [::ffff:0x7f.1] [::1/128] 127.0.0.1/32",
)


def v4_spellings(address: str) -> Iterator[str]:
    """Every notation that inet_aton or a browser would take for this address."""
    number = int(ipaddress.IPv4Address(address))
    a, b, c, d = ipaddress.IPv4Address(address).packed
    yield from (
        str(number),
        hex(number),
        hex(number).upper(),
        f"0{number:o}",
        f"0x{number:016x}",
        f"00{number:o}",
    )
    yield from (f"{a}.{(b << 16) + (c << 8) + d}", f"{a}.{b}.{(c << 8) + d}", f"0x{a:x}.{b}.{c}.{d}")
    yield from (f"0{a:o}.0{b:o}.0{c:o}.0{d:o}", f"0x{a:02x}.0x{b:02x}.0x{c:02x}.0x{d:02x}")
    yield from (
        f"{a:04o}.{b}.{c}.{d}",
        f"{a}.{b}.0{c:o}.{d}",
        f"{a + 256}.{b}.{c}.{d}",
        f"{number + (1 << 32)}",
    )
    yield from (f"0x{a:x}.{(b << 16) + (c << 8) + d}", f"0{a:o}.{b}.{(c << 8) + d}", f"{a}.{b}.{c}.0x{d:x}")


def v6_wrappings(address: str) -> Iterator[str]:
    """IPv6 addresses that carry this one: mapped, compatible, translated, 6to4, Teredo, ISATAP, NAT64."""
    high, low = (ipaddress.IPv4Address(address).packed[i : i + 2].hex() for i in (0, 2))
    inverse = ipaddress.IPv4Address(int(ipaddress.IPv4Address(address)) ^ 0xFFFFFFFF).packed.hex()
    yield from (f"::ffff:{address}", f"::ffff:{high}:{low}", f"0:0:0:0:0:ffff:{high}:{low}")
    yield from (f"::{address}", f"::ffff:0:{address}", f"64:ff9b::{address}", f"64:ff9b::{high}:{low}")
    yield from (f"64:ff9b:1::{address}", f"2002:{high}:{low}::", f"2002:{high}:{low}::1")
    yield from (f"2001:0:4136:e378:8000:63bf:{inverse[:4]}:{inverse[4:]}", f"fe80::5efe:{high}:{low}")


def hosts() -> list[str]:
    """All of them as a host is written in an address: IPv6 in brackets."""
    wrapped = [f"[{v6}]" for inner in INNER for v6 in v6_wrappings(inner)]
    spelled = [text for address in NUMBERED for text in v4_spellings(address)]
    plain = [*V4, *(f"[{v6}]" for v6 in V6), *own_addresses()]
    found = [*plain, *wrapped, *spelled, *NAMES, *POINTING, *LOOK_ALIKE, *BENT]
    return list(dict.fromkeys(found))


def own_addresses() -> list[str]:
    """This machine's addresses and its name, as they are here."""
    name = socket.gethostname()
    found = {info[4][0] for info in socket.getaddrinfo(name, None)} if name else set()
    return [name, *(f"[{a}]" if ":" in a else str(a) for a in sorted(map(str, found)))]


def tricks(port: int) -> list[str]:
    """Whole addresses in which the place is not where it seems to be; all of them mean this machine, or nothing."""
    here = f"127.0.0.1:{port}"
    return [
        *(
            f"http://public.test@{here}/",
            f"http://public.test:80@{here}/",
            f"http://a:b@{here}/",
            f"http://@{here}/",
        ),
        *(f"http://{here}#@public.test/", f"http://{here}\\@public.test/", f"http://public.test\\@{here}/"),
        *(f"http://public.test%40{here}/", f"http://public.test%23@{here}/", f"http://{here}?@public.test/"),
        *(
            f"http:{here}/",
            f"http:/{here}/",
            f"http:///{here}/",
            f"http:\\\\{here}\\",
            f"HTTP://{here}/",
            f"//{here}/",
        ),
        *(
            f"http://127.0.0.1\t:{port}/",
            f"http://127.0.0.1\n:{port}/",
            f" http://{here}/",
            f"ht\ttp://{here}/",
        ),
        *(f"https://{here}/", f"ws://{here}/", f"wss://{here}/", f"ftp://{here}/", f"gopher://{here}/_GET"),
        *("file:///etc/passwd", "file://127.0.0.1/etc/passwd", f"dict://{here}/info", f"ldap://{here}/"),
        *(
            f"jar:http://{here}!/",
            f"view-source:http://{here}/",
            "data:text/html,x",
            "about:blank",
            "javascript:0",
        ),
        *(
            "http://127.0.0.1:22/",
            "http://public.test:22/",
            "http://public.test:25/",
            "http://public.test:0/",
        ),
        *(
            "http://public.test:65536/",
            "http://public.test:-1/",
            f"http://127.0.0.1:0{port}/",
            "http://public.test:8x/",
        ),
    ]


def addresses(port: int) -> list[str]:
    """Everything above as addresses of the web."""
    return [*(f"http://{host}:{port}/" for host in hosts()), *tricks(port)]
