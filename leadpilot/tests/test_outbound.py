from __future__ import annotations

import socket
import time
from typing import Any

import pytest

from leadpilot.lib import outbound
from leadpilot.lib.addresses import BadHost, clean_host
from leadpilot.lib.outbound import (
    MAIL_PORTS,
    NameUnknown,
    OutboundRefused,
    Target,
    check_target,
    connect,
    is_public,
)
from leadpilot.tests.servers import Canary


def words(text: str) -> list[str]:
    return text.split()


PRIVATE = words("""
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 127.0.0.1 127.1.2.3 127.255.255.255
168.63.129.16 169.254.0.1 169.254.169.254 169.254.170.2 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.8 192.0.0.9
192.0.0.192 192.0.2.1 192.31.196.1 192.52.193.1 192.88.99.1 192.168.0.1 192.168.255.255 192.175.48.1 198.18.0.1
198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 224.0.0.251 239.255.255.250 240.0.0.1 255.255.255.255
:: ::1 ::127.0.0.1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:7f00:1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:8.8.8.8
::ffff:0:127.0.0.1 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b::8.8.8.8 64:ff9b:1::1 100::1 2001::1 2001:0:7f00:1::
2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1:: 2002:a9fe:a9fe:: 2002:808:808:: 2620:4f:8000::1 3fff::1 4000::1
5f00::1 fc00::1 fd00::1 fd00:ec2::254 fd12:3456:789a::1 fe80::1 fe80::1%eth0 fec0::1 ff01::1 ff02::1 ff0e::1
""")
PUBLIC = words(
    "1.1.1.1 8.8.8.8 93.184.216.34 172.15.0.1 172.32.0.1 100.128.0.1 2606:4700::1111 2a00:1450:4001::200e"
)
ODD = [
    "0", "127", "127.1", "127.0.1", "2130706433", "0x7f000001", "0X7F000001", "0x7f.0.0.1", "0x7f.1", "017700000001",
    "0177.0.0.1", "0177.1", "127.0.0.01", "127.0.0.1.", "127.0.0.1..", "localhost.", "example.com.", "1.2.3.4.5",
    "256.1.1.1", "1.1.1.256", "127.0.0.0x1", "example.0x1", "example.123", "１２７.0.0.1", "①②⑦.0.0.1", "127。0。0。1",
    "ｌocalhost", "loc\u00adalhost", "loc\u200dalhost", "localhost", "LOCALHOST", "foo.localhost", "db", "intranet",
    "printer.local", "metadata.google.internal", "nas.home.arpa", "router.lan", "wiki.corp", "abc.onion",
    "user@example.com", "127.0.0.1@example.com", "example.com:80", "example.com/", "exam ple.com", "example.com\n",
    "example.com\x00.evil", "example.com%00", "example%2ecom", "exa_mple..com", ".example.com", "-a.com", "a-.com",
    "[::1", "::1]", "[::1%lo]", "fe80::1%eth0", "[fe80::1%25eth0]", "::1%lo", "[v1.fe80]", "[127.0.0.1]",
    "a" * 64 + ".com", "a." * 130 + "com", "", " ", "\\\\host", "example.com\\@127.0.0.1", "xn--.com..",
    "１.1.1.1", "ⓔxample.com",
]  # fmt: skip


def answers(*addresses: str) -> Any:
    """A resolver with one answer for every name."""
    return lambda name, port, timeout: list(addresses)


@pytest.mark.parametrize("address", PRIVATE)
def test_it_refuses_an_address_that_is_not_public(address: str) -> None:
    assert not is_public(address)
    with pytest.raises(OutboundRefused) as caught:
        check_target("shop.example.com", 80, resolver=answers(address))
    assert address.split("%")[0] in str(caught.value)
    with pytest.raises(OutboundRefused):
        check_target(address, 80)


@pytest.mark.parametrize("address", PUBLIC)
def test_it_lets_a_public_address_pass(address: str) -> None:
    assert is_public(address)
    assert check_target(address, 443) == [Target(address, 443)]


def test_text_that_is_no_address_is_not_public() -> None:
    assert not is_public("example.com")
    assert not is_public("")


@pytest.mark.parametrize("host", ODD)
def test_it_refuses_an_odd_notation_without_asking_anyone(host: str) -> None:
    def nobody(name: str, port: int, timeout: float) -> list[str]:
        raise AssertionError(f"asked for {name}")

    with pytest.raises(OutboundRefused) as caught:
        check_target(host, 80, resolver=nobody)
    assert "refused" in str(caught.value)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def test_it_writes_hosts_in_one_spelling() -> None:
    assert clean_host("Example.COM") == "example.com"
    assert clean_host("[2606:4700:0:0::1111]") == "2606:4700::1111"
    assert clean_host("bücher.de") == "xn--bcher-kva.de"
    assert clean_host("8.8.8.8") == "8.8.8.8"
    assert clean_host("_dmarc.a-b.co.uk") == "_dmarc.a-b.co.uk"


def test_a_bad_host_says_what_is_wrong_with_it() -> None:
    with pytest.raises(BadHost, match="ends with a dot"):
        clean_host("example.com.")
    with pytest.raises(BadHost, match="unusual notation"):
        clean_host("0x7f000001")


def test_the_sentence_names_host_address_and_reason() -> None:
    with pytest.raises(OutboundRefused) as caught:
        check_target("127.0.0.1", 80)
    assert str(caught.value) == (
        "127.0.0.1 is a private address of this machine; LeadPilot connects to the public internet only."
    )
    with pytest.raises(OutboundRefused, match=r"wiki\.acme\.com points to 10\.0\.0\.5, a private address; "):
        check_target("wiki.acme.com", 80, resolver=answers("10.0.0.5"))
    assert caught.value.permanent
    assert caught.value.host == "127.0.0.1"


def test_one_private_address_among_public_ones_refuses_the_host() -> None:
    with pytest.raises(OutboundRefused, match=r"10\.0\.0\.5"):
        check_target("mixed.example.com", 80, resolver=answers("8.8.8.8", "10.0.0.5"))


def test_every_public_address_is_offered() -> None:
    targets = check_target("two.example.com", 443, resolver=answers("8.8.8.8", "1.1.1.1"))
    assert targets == [Target("8.8.8.8", 443), Target("1.1.1.1", 443)]


@pytest.mark.parametrize("port", [0, 22, 25, 81, 5432, 6379, 11211, 65536])
def test_it_refuses_ports_that_are_not_of_the_web(port: int) -> None:
    with pytest.raises(OutboundRefused, match=f"Port {port} "):
        check_target("8.8.8.8", port)


@pytest.mark.parametrize("port", sorted(MAIL_PORTS))
def test_mail_ports_are_open_for_mail_alone(port: int) -> None:
    assert check_target("8.8.8.8", port, ports=MAIL_PORTS) == [Target("8.8.8.8", port)]
    with pytest.raises(OutboundRefused):
        check_target("8.8.8.8", port)


def test_a_name_without_address_is_unknown() -> None:
    with pytest.raises(NameUnknown) as caught:
        check_target("gone.example.com", 80, resolver=answers())
    assert caught.value.permanent
    with pytest.raises(NameUnknown, match=r"no host named nothing\.invalid"):
        check_target("nothing.invalid", 80)


def test_a_name_server_that_hangs_is_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: time.sleep(5) or [])
    began = time.monotonic()
    with pytest.raises(NameUnknown) as caught:
        check_target("slow.example.com", 80, timeout=0.2)
    assert time.monotonic() - began < 1
    assert not caught.value.permanent


def test_a_name_server_in_trouble_is_no_permanent_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(NameUnknown) as caught:
        check_target("later.example.com", 80)
    assert not caught.value.permanent


def test_it_connects_to_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch, canary: Canary) -> None:
    """A rebinding name server answers with a public address first and a private one ever after."""
    replies = iter([["8.8.8.8"]] + [["127.0.0.1"]] * 10)
    asked: list[str] = []
    tried: list[tuple[str, int]] = []

    def rebinding(name: str, port: int, timeout: float) -> list[str]:
        asked.append(name)
        return next(replies)

    def unreachable(address: tuple[str, int], timeout: float) -> socket.socket:
        tried.append(address)
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(outbound, "resolve", rebinding)
    monkeypatch.setattr(socket, "create_connection", unreachable)
    with pytest.raises(ConnectionRefusedError):
        connect("rebind.example.com", 80, timeout=1, purpose="web")
    assert asked == ["rebind.example.com"]
    assert tried == [("8.8.8.8", 80)]
    with pytest.raises(OutboundRefused):
        connect("rebind.example.com", 80, timeout=1, purpose="web")


def test_the_next_address_is_tried_when_the_first_is_dead() -> None:
    open_one = socket.create_server(("127.0.0.1", 0))
    closed = socket.create_server(("127.0.0.1", 0))
    dead = closed.getsockname()[1]
    closed.close()
    targets = [Target("127.0.0.1", dead), Target("127.0.0.1", open_one.getsockname()[1])]
    with outbound.connect_to(targets, timeout=2) as connection:
        assert connection.getpeername() == open_one.getsockname()
    open_one.close()


def test_connecting_ends_at_its_time_limit() -> None:
    full = socket.create_server(("127.0.0.1", 0), backlog=0)
    waiting = [socket.socket() for _ in range(4)]
    for connection in waiting:
        connection.setblocking(False)
        connection.connect_ex(full.getsockname())
    began = time.monotonic()
    with pytest.raises(OSError):
        outbound.connect_to([Target("127.0.0.1", full.getsockname()[1])] * 2, timeout=0.6)
    assert time.monotonic() - began < 2
    for connection in [*waiting, full]:
        connection.close()


def test_only_the_exact_pair_of_the_settings_is_opened(settings: Any, canary: Canary) -> None:
    settings.OUTBOUND_ALLOW = [f"127.0.0.1:{canary.port + 1}", "[::1]:8025"]
    for host, port in [
        ("127.0.0.1", canary.port),
        ("127.0.0.2", canary.port + 1),
        ("0x7f.1", canary.port + 1),
    ]:
        with pytest.raises(OutboundRefused):
            connect(host, port, timeout=1, purpose="web")
    assert check_target("127.0.0.1", canary.port + 1) == [Target("127.0.0.1", canary.port + 1)]
    assert check_target("[::1]", 8025) == [Target("::1", 8025)]


def test_an_opened_name_is_resolved(settings: Any) -> None:
    settings.OUTBOUND_ALLOW = ["mailhost:1025"]
    assert check_target("mailhost", 1025, resolver=answers("10.0.0.9")) == [Target("10.0.0.9", 1025)]


SANDBOX = {"suffix": ".example", "web": "127.0.0.1:8001", "smtp": "127.0.0.1:8002"}


def test_sandbox_names_lead_to_the_sandbox(settings: Any) -> None:
    settings.OUTBOUND_SANDBOX = SANDBOX
    assert check_target("northbeam.example", 80) == [Target("127.0.0.1", 8001)]
    for port in (25, 465, 587, 2525):
        assert check_target("mx.northbeam.example", port, ports=MAIL_PORTS) == [Target("127.0.0.1", 8002)]


@pytest.mark.parametrize(
    ("port", "said"), [(443, "speaks http"), (8443, "speaks http"), (993, "nothing listens"), (22, "nothing")]
)
def test_the_sandbox_refuses_what_it_does_not_have(settings: Any, port: int, said: str) -> None:
    settings.OUTBOUND_SANDBOX = SANDBOX
    with pytest.raises(OutboundRefused, match=said):
        check_target("northbeam.example", port, ports={port})


def test_without_a_sandbox_its_names_are_ordinary(settings: Any) -> None:
    settings.OUTBOUND_SANDBOX = None
    assert check_target("northbeam.example", 80, resolver=answers("8.8.8.8")) == [Target("8.8.8.8", 80)]


@pytest.mark.parametrize(
    "host", ["example", "notexample.com", "northbeam.example.com", "northbeam.example.", "127.0.0.1"]
)
def test_the_sandbox_opens_its_own_names_alone(settings: Any, host: str) -> None:
    settings.OUTBOUND_SANDBOX = SANDBOX
    with pytest.raises(OutboundRefused):
        check_target(host, 80, resolver=answers("127.0.0.1"))
