"""IMAP servers that are not Dovecot: other names, refusals in the middle, mails that vanish, silence."""

from __future__ import annotations

import base64
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from campaigns.imap import FAILURES, ImapServer, Inbox, failure
from leadpilot.tests.servers import raw_server

POLITE = {
    "CAPABILITY": b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\nTAG OK done\r\n",
    "LOGIN": b"TAG OK done\r\n",
    "EXAMINE": b"* 3 EXISTS\r\nTAG OK [READ-ONLY] done\r\n",
    "STATUS": b"* STATUS INBOX (UIDVALIDITY 7 UIDNEXT 12)\r\nTAG OK done\r\n",
    "LIST": b'* LIST () "/" INBOX\r\n* LIST () "/" "Archive/Sent Items"\r\nTAG OK done\r\n',
    "SEARCH": b"* SEARCH 11 4 9\r\nTAG OK done\r\n",
    "FETCH": b"* 1 FETCH (UID 9 BODY[]<0> {5}\r\nhello)\r\nTAG OK done\r\n",
    "LOGOUT": b"* BYE then\r\nTAG OK done\r\n",
}


class Server:
    """Answers by command; `said` are the lines it was sent."""

    def __init__(self, **answers: bytes) -> None:
        self.answers = {**POLITE, **answers}
        self.said: list[str] = []

    def talk(self, connection: socket.socket) -> None:
        lines = connection.makefile("rb")
        connection.sendall(b"* OK ready\r\n")
        for raw in lines:
            line = raw.decode().strip()
            self.said.append(line)
            tag, _, rest = line.partition(" ")
            command = rest.removeprefix("UID ").partition(" ")[0].upper()
            if command == "AUTHENTICATE":
                connection.sendall(b"+ \r\n")
                self.said.append(base64.b64decode(lines.readline()).decode())
                connection.sendall(tag.encode() + b" OK done\r\n")
                continue
            answer = self.answers[command]
            if not answer:  # hangs up
                return
            connection.sendall(answer.replace(b"TAG", tag.encode()))


@pytest.fixture
def opened(settings: Any) -> Any:
    @contextmanager
    def start(server: Server, *, password: str = "secret", seconds: float = 20) -> Iterator[Inbox]:
        with raw_server(server.talk) as port:
            settings.OUTBOUND_ALLOW = [f"127.0.0.1:{port}"]
            asked = ImapServer("127.0.0.1", port, "none", "alice", password)
            with Inbox(asked, seconds=seconds) as inbox:
                yield inbox

    return start


def test_new_mails_come_in_order_and_none_twice(opened: Any) -> None:
    server = Server()
    with opened(server) as inbox:
        assert inbox.inbox_state() == (7, 12)
        assert inbox.uids_after(4) == [9, 11]
        assert inbox.uids_since(datetime(2026, 11, 3, tzinfo=UTC)) == [4, 9, 11]
    assert any("SINCE 03-Nov-2026" in line for line in server.said)


def test_a_mail_that_vanished_meanwhile_is_left_out(opened: Any) -> None:
    with opened(Server()) as inbox:
        inbox.inbox_state()
        assert list(inbox.fetch([4, 9])) == [(9, b"hello")]  # the answer about 9 is none about 4


def test_the_sent_folder_is_known_by_its_name_where_no_flag_says_it(opened: Any) -> None:
    server = Server(SEARCH=b"* SEARCH 3\r\nTAG OK done\r\n")
    with opened(server) as inbox:
        assert inbox.in_sent(["<a@x.example>", '<"b"@x.example>', "<ü@x.example>"]) == {"<a@x.example>"}
    assert any("EXAMINE" in line and "Archive/Sent Items" in line for line in server.said)
    assert sum("SEARCH" in line for line in server.said) == 1


@pytest.mark.parametrize("answer", [b'* LIST () "/" INBOX\r\nTAG OK done\r\n', b"TAG NO not today\r\n"])
def test_without_a_sent_folder_nothing_is_known(opened: Any, answer: bytes) -> None:
    with opened(Server(LIST=answer)) as inbox:
        assert inbox.in_sent(["<a@x.example>"]) is None


def test_a_password_beyond_ascii_arrives_as_it_is(opened: Any) -> None:
    server = Server()
    with opened(server, password="pässwörd") as inbox:
        assert inbox.inbox_state() == (7, 12)
    assert "\0alice\0pässwörd" in server.said


@pytest.mark.parametrize(
    ("command", "act"),
    [
        ("SEARCH", lambda inbox: (inbox.inbox_state(), inbox.uids_after(1))),
        ("FETCH", lambda inbox: (inbox.inbox_state(), list(inbox.fetch([9])))),
        ("STATUS", lambda inbox: inbox.inbox_state()),
        ("EXAMINE", lambda inbox: inbox.inbox_state()),
    ],
)
@pytest.mark.parametrize("answer", [b"TAG NO not today\r\n", b"TAG BAD what?\r\n", b"gibberish\r\n", b""])
def test_a_refusal_in_the_middle_is_a_sentence_with_the_servers_name(
    opened: Any, command: str, act: Any, answer: bytes
) -> None:
    server = Server(**{command: answer})
    with opened(server) as inbox:
        with pytest.raises(FAILURES) as caught:
            act(inbox)
        told = failure(caught.value, inbox.server)
    assert "127.0.0.1" in str(told)
    assert told.kind in ("protocol", "connection")
    assert "illegal in state" not in str(told)  # it was the server that refused
    assert not told.permanent
    assert "secret" not in str(told)


def test_a_server_that_hangs_up_at_the_login_has_not_refused_the_password(opened: Any) -> None:
    with pytest.raises(FAILURES) as caught, opened(Server(LOGIN=b"")):
        pass
    told = failure(caught.value, ImapServer("127.0.0.1", 1, "none", "alice", "secret"))
    assert told.kind != "password"
    assert not told.permanent


def test_a_server_that_falls_silent_is_left_when_the_time_is_up(opened: Any) -> None:
    with opened(Server(SEARCH=b"* OK still here\r\n"), seconds=2) as inbox:
        inbox.inbox_state()
        with pytest.raises(FAILURES) as caught:
            inbox.uids_after(1)
        assert failure(caught.value, inbox.server, late=inbox.late).kind == "timeout"
