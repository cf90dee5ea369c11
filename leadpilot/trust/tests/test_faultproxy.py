"""The proxy, between a real client and a real server: each fault comes about, once, at its place, and is written down."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from leadpilot.trust.control import Helper, HelperError
from leadpilot.trust.rule import Rule
from leadpilot.trust.tests.conftest import log_of

numbers = itertools.count(1)


class Echo:
    """Answers each line with the line; remembers what arrived and how each connection ended."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.heard: list[bytes] = []
        self.ends: list[str] = []
        self.open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.open.append(sock)
            threading.Thread(target=self._talk, args=(sock,), daemon=True).start()

    def _talk(self, sock: socket.socket) -> None:
        try:
            while data := sock.recv(1000):
                self.heard.append(data)
                sock.sendall(data)
            self.ends.append("fin")
            sock.sendall(b"goodbye\n")
            sock.close()
        except OSError:
            self.ends.append("reset")


def eventually(true: Callable[[], Any]) -> bool:
    deadline = time.monotonic() + 10
    while not true() and time.monotonic() < deadline:
        time.sleep(0.01)
    return bool(true())


@pytest.fixture(scope="module")
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.listener.close()


@pytest.fixture(scope="module")
def helper(helpers: Callable[..., Helper], echo: Echo) -> Helper:
    return helpers("faultproxy", lines={"echo": f"127.0.0.1:{echo.port}", "nobody": "127.0.0.1:1"})


@pytest.fixture
def proxy(helper: Helper, echo: Echo) -> Helper:
    helper.ask(do="clear")
    echo.heard.clear()
    echo.ends.clear()
    return helper


@pytest.fixture
def line(proxy: Helper) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.ports["echo"]), timeout=10) as sock:
        yield sock


def rule(proxy: Helper, **more: Any) -> int:
    number = next(numbers)
    proxy.ask(do="rule", id=number, line="echo", **more)
    return number


def say(sock: socket.socket, data: bytes) -> bytes:
    sock.sendall(data)
    return sock.recv(1000)


def test_without_a_rule_everything_passes_both_ways(line: socket.socket, echo: Echo) -> None:
    assert say(line, b"one\n") == b"one\n"
    line.shutdown(socket.SHUT_WR)
    assert line.recv(1000) == b"goodbye\n"
    assert line.recv(1000) == b""
    assert echo.ends == ["fin"]


def test_a_cut_resets_both_sides_before_the_pattern_passes(
    proxy: Helper, line: socket.socket, echo: Echo
) -> None:
    number = rule(proxy, action="cut", pattern="DATA")
    assert say(line, b"one\n") == b"one\n"
    line.sendall(b"two DATA three\n")
    with pytest.raises(ConnectionResetError):
        while line.recv(1000):
            pass
    assert eventually(lambda: echo.ends)
    assert echo.heard in ([b"one\n", b"two "], [b"one\n"])
    assert proxy.ask(do="state")["fired"][-1] == number


def test_a_cut_can_let_the_whole_message_arrive_first(proxy: Helper, line: socket.socket, echo: Echo) -> None:
    rule(proxy, action="cut", pattern="DATA", forward=True, seconds=0.2)
    line.sendall(b"two DATA three\n")
    with pytest.raises(ConnectionResetError):
        while line.recv(1000):
            pass
    assert echo.heard == [b"two DATA three\n"]


def test_a_rule_acts_once(proxy: Helper, line: socket.socket) -> None:
    rule(proxy, action="cut", pattern="x")
    line.sendall(b"x")
    with pytest.raises(ConnectionResetError):
        line.recv(1000)
    with socket.create_connection(("127.0.0.1", proxy.ports["echo"]), timeout=10) as other:
        assert say(other, b"x") == b"x"
    assert proxy.ask(do="state")["waiting"] == []


def test_the_nth_occurrence_counts_over_pieces_and_connections(proxy: Helper, line: socket.socket) -> None:
    rule(proxy, action="cut", pattern="COMMIT", nth=3)
    assert say(line, b"COMMIT;") == b"COMMIT;"
    with socket.create_connection(("127.0.0.1", proxy.ports["echo"]), timeout=10) as other:
        assert say(other, b"COM") == b"COM"
        assert say(other, b"MIT;") == b"MIT;"
    line.sendall(b"COMMIT;")
    with pytest.raises(ConnectionResetError):
        line.recv(1000)


def test_a_pattern_is_found_across_two_pieces(proxy: Helper, line: socket.socket, echo: Echo) -> None:
    rule(proxy, action="cut", pattern="\r\n.\r\n")
    assert say(line, b"body\r\n.") == b"body\r\n."
    line.sendall(b"\r\n")
    with pytest.raises(ConnectionResetError):
        line.recv(1000)


def test_a_cut_after_so_many_bytes_lets_them_through(proxy: Helper, line: socket.socket, echo: Echo) -> None:
    rule(proxy, action="cut", after=5, seconds=0.2)
    assert say(line, b"abc") == b"abc"
    line.sendall(b"defgh")
    with pytest.raises(ConnectionResetError):
        while line.recv(1000):
            pass
    assert b"".join(echo.heard) == b"abcde"


def test_a_delay_holds_what_comes_after_and_nothing_is_lost(
    proxy: Helper, line: socket.socket, echo: Echo
) -> None:
    rule(proxy, action="delay", pattern="slow", seconds=0.6)
    begun = time.monotonic()
    line.sendall(b"first slow\n")
    assert eventually(lambda: b"".join(echo.heard) == b"first ")
    assert time.monotonic() - begun < 0.6
    assert eventually(lambda: b"".join(echo.heard) == b"first slow\n")
    assert time.monotonic() - begun >= 0.6


def test_a_half_close_ends_one_way_and_leaves_the_other(
    proxy: Helper, line: socket.socket, echo: Echo
) -> None:
    rule(proxy, action="half_close", pattern="stop", forward=True)
    line.sendall(b"one stop two\n")
    received = b""
    while data := line.recv(1000):
        received += data
    assert b"".join(echo.heard) == b"one stop two\n"
    assert received == b"one stop two\ngoodbye\n"
    assert echo.ends == ["fin"]


def test_a_half_close_downwards_hides_the_answers(proxy: Helper, line: socket.socket, echo: Echo) -> None:
    rule(proxy, action="half_close", direction="down", pattern="two")
    assert say(line, b"one\n") == b"one\n"
    line.sendall(b"two\n")
    assert line.recv(1000) == b""
    assert eventually(lambda: echo.heard == [b"one\n", b"two\n"])


def test_one_answer_can_be_dropped_and_the_conversation_goes_on(
    proxy: Helper, line: socket.socket, echo: Echo
) -> None:
    rule(proxy, action="drop_reply", pattern="two")
    assert say(line, b"one\n") == b"one\n"
    line.sendall(b"two\n")
    assert eventually(lambda: b"two\n" in echo.heard)
    line.settimeout(0.3)
    with pytest.raises(TimeoutError):
        line.recv(1000)
    line.settimeout(10)
    assert say(line, b"three\n") == b"three\n"


def test_what_is_on_its_way_down_can_be_dropped_from_a_place_on(proxy: Helper, line: socket.socket) -> None:
    rule(proxy, action="drop", direction="down", pattern=" taken")
    assert say(line, b"250 taken\n") == b"250"
    assert say(line, b"again\n") == b"again\n"


def test_all_connections_of_a_line_can_be_cut_at_once(proxy: Helper) -> None:
    socks = [socket.create_connection(("127.0.0.1", proxy.ports["echo"]), timeout=10) for _ in range(3)]
    for sock in socks:
        assert say(sock, b"here\n") == b"here\n"
    assert proxy.ask(do="cut", line="echo")["cut"] >= 3
    for sock in socks:
        with pytest.raises(ConnectionResetError):
            sock.recv(1000)
        sock.close()


def test_a_rule_can_be_taken_back(proxy: Helper, line: socket.socket) -> None:
    first, second = rule(proxy, action="cut", pattern="x"), rule(proxy, action="cut", pattern="y")
    proxy.ask(do="clear", id=first)
    assert proxy.ask(do="state")["waiting"] == [second]
    assert say(line, b"x\n") == b"x\n"


def test_what_struck_is_written_down_with_its_time(proxy: Helper, line: socket.socket) -> None:
    begun = time.time()
    number = rule(proxy, action="delay", pattern="z", seconds=0.01)
    say(line, b"z\n")
    entry = log_of(proxy)[-1]
    assert (entry["id"], entry["line"], entry["action"], entry["pattern"]) == (number, "echo", "delay", "z")
    assert begun <= entry["at"] <= time.time()


def test_a_server_that_is_away_looks_like_one(proxy: Helper) -> None:
    address = ("127.0.0.1", proxy.ports["nobody"])
    with socket.create_connection(address, timeout=10) as sock, suppress(ConnectionResetError):
        assert sock.recv(10) == b""


@pytest.mark.parametrize(
    "order",
    [
        {"do": "rule", "id": 1, "line": "echo", "action": "explode"},
        {"do": "rule", "id": 1, "line": "echo", "action": "cut", "direction": "sideways"},
        {"do": "rule", "id": 1, "line": "no such line", "action": "cut"},
        {"do": "sing"},
    ],
)
def test_an_order_that_makes_no_sense_is_refused(proxy: Helper, order: dict[str, Any]) -> None:
    with pytest.raises(HelperError):
        proxy.ask(**order)


def test_a_rule_without_a_place_acts_on_the_next_bytes() -> None:
    assert Rule(1, "echo", "cut").place(b"", b"abc") == 0


def test_a_rule_by_bytes_counts_what_passed() -> None:
    made = Rule(1, "echo", "cut", after=5)
    assert [made.place(b"", b"abc"), made.place(b"", b"def")] == [None, 2]


def test_a_pattern_of_one_byte_needs_no_memory() -> None:
    made = Rule(1, "echo", "cut", pattern="x", nth=2)
    assert [made.place(b"xx", b"ax"), made.place(b"", b"bxc")] == [None, 1]
