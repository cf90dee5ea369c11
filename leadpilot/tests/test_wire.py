"""Servers that stop taking, in the middle of what we say to them; and what the wire's failures are called."""

from __future__ import annotations

import socket
import struct
import time
from typing import Any

import pytest

from leadpilot.lib import outbound
from leadpilot.lib.http import FetchError, api_client, fetch
from leadpilot.lib.wire import explain
from leadpilot.tests.servers import raw_server

BODY = b"x" * 20_000_000  # more than the system's buffers hold


def silent(connection: socket.socket) -> None:
    """Takes the connection and nothing that is said on it."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    time.sleep(10)


def rude(connection: socket.socket) -> None:
    """Reads a little, then resets."""
    connection.recv(1000)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def failure(act: Any) -> tuple[FetchError, float]:
    began = time.monotonic()
    with pytest.raises(FetchError) as caught:
        act()
    return caught.value, time.monotonic() - began


def test_a_server_that_takes_no_body_is_given_up_in_time(settings: Any) -> None:
    with raw_server(silent) as port, api_client(f"http://127.0.0.1:{port}", timeout=1) as service:
        settings.OUTBOUND_ALLOW = [f"127.0.0.1:{port}"]
        error, took = failure(lambda: service.post("/", content=BODY))
    assert error.kind == "timeout"
    assert not error.permanent
    assert took < 8


def test_a_server_that_never_shakes_hands_is_given_up_in_time(settings: Any) -> None:
    with raw_server(silent) as port:
        settings.OUTBOUND_ALLOW = [f"127.0.0.1:{port}"]
        error, took = failure(lambda: fetch(f"https://127.0.0.1:{port}/", timeout=1))
    assert error.kind == "timeout"
    assert took < 8


def test_a_server_that_hangs_up_during_the_handshake_is_said_to_be_unreachable(settings: Any) -> None:
    with raw_server(rude) as port:
        settings.OUTBOUND_ALLOW = [f"127.0.0.1:{port}"]
        error, _ = failure(lambda: fetch(f"https://127.0.0.1:{port}/", timeout=8))
    assert error.kind == "connection"
    assert "could not be reached" in str(error)


def test_a_server_that_resets_while_we_talk_is_said_to_have_hung_up(settings: Any) -> None:
    with raw_server(rude) as port, api_client(f"http://127.0.0.1:{port}", timeout=8) as service:
        settings.OUTBOUND_ALLOW = [f"127.0.0.1:{port}"]
        error, _ = failure(lambda: service.post("/", content=BODY))
    assert "hung up before it gave an answer" in str(error) or "could not be reached" in str(error)
    assert not error.permanent


def test_what_was_explained_already_stays_as_it_is() -> None:
    first = FetchError("status", "It said 500.", status=500)
    assert explain(first, "http://a.example", 3) is first


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (TimeoutError(), "timeout", "within 2.5 seconds"),
        (ValueError("odd"), "protocol", "not proper HTTP"),
        (
            outbound.NameUnknown("a.example", "no such name", permanent=True),
            "dns",
            "was not found: no such name",
        ),
    ],
)
def test_failures_have_a_kind_for_programs_and_a_sentence_for_people(
    error: Exception, kind: str, words: str
) -> None:
    told = explain(error, "http://a.example", 2.5)
    assert told.kind == kind
    assert "http://a.example" in str(told)
    assert words in str(told)
