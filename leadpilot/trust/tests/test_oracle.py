"""The oracle, over real sockets: strict, able to answer anything, and its log is on the disk before the 250."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from leadpilot.trust import ledgerbook
from leadpilot.trust.control import Helper, HelperError
from leadpilot.trust.ledgerbook import Ledgerbook
from leadpilot.trust.oracle import Oracle
from leadpilot.trust.sent import MailStore
from leadpilot.trust.tests.conftest import LOGIN, USERS, Client, log_of
from leadpilot.trust.wire import Answer

MAIL = b"Message-ID: <1@firm.example>\r\nSubject: Hello you\r\n\r\nhello\r\n..dot\r\n.\r\n"


@pytest.fixture(scope="module")
def server(helpers: Callable[..., Helper]) -> Helper:
    return helpers("oracle", users=USERS, size_limit=5000)


@pytest.fixture
def oracle(server: Helper) -> Helper:
    server.ask(do="clear")
    return server


@pytest.fixture
def client(oracle: Helper, clients: Callable[[int], Client]) -> Client:
    return clients(oracle.ports["smtp"])


def before_and_after(oracle: Helper) -> Callable[[], list[dict[str, Any]]]:
    """A function that gives what was accepted since now."""
    already = len(log_of(oracle))
    return lambda: log_of(oracle)[already:]


def test_what_it_accepts_it_writes_down(oracle: Helper, client: Client) -> None:
    accepted = before_and_after(oracle)
    client.log_in()
    begun = time.time()
    assert client.send(MAIL).startswith(b"250 ")
    (line,) = accepted()
    content = b"Message-ID: <1@firm.example>\r\nSubject: Hello you\r\n\r\nhello\r\n.dot\r\n"
    assert line["sha256"] == hashlib.sha256(content).hexdigest()
    assert (line["user"], line["mail_from"]) == ("ada@firm.example", "ada@firm.example")
    assert (line["rcpt_to"], line["message_id"]) == (["bob@other.example"], "<1@firm.example>")
    assert (line["subject"], line["size"]) == ("Hello you", len(content))
    assert begun <= line["at"] <= time.time()


def test_a_second_mail_on_the_same_connection_stands_for_itself(oracle: Helper, client: Client) -> None:
    accepted = before_and_after(oracle)
    client.log_in()
    client.send(MAIL, to=b"bob@other.example")
    client.send(MAIL.replace(b"<1@", b"<2@"), to=b"eve@other.example")
    assert [(line["message_id"], line["rcpt_to"]) for line in accepted()] == [
        ("<1@firm.example>", ["bob@other.example"]),
        ("<2@firm.example>", ["eve@other.example"]),
    ]


def test_an_identifier_in_the_body_is_not_the_mail_s_own(oracle: Helper, client: Client) -> None:
    accepted = before_and_after(oracle)
    client.log_in()
    client.send(b"Subject: x\r\n\r\nMessage-ID: <forged@firm.example>\r\n.\r\n")
    assert accepted()[0]["message_id"] == ""


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"Subject: x\r\n\r\nbare\nfeed\r\n.\r\n", b"550"),
        (b"Subject: x\r\n\r\nnul \x00\r\n.\r\n", b"550"),
        (b"Subject: x\r\n\r\n" + b"l" * 1000 + b"\r\n.\r\n", b"550"),
        (b"Subject: x\r\n\r\n\xc3\xa9\r\n.\r\n", b"554"),
        (b"Subject: x\r\n\r\nx\r\n.\r\nMAIL FROM:<smuggled@firm.example>\r\n", b"554"),
        (b"Subject: x\r\n\r\nx\n.\nMAIL FROM:<smuggled@firm.example>\r\n.\r\n", b"550"),
        (b"Subject: x\r\n\r\n" + (b"l" * 70 + b"\r\n") * 100 + b".\r\n", b"552"),
    ],
)
def test_data_that_break_a_rule_are_refused_and_not_written_down(
    oracle: Helper, client: Client, data: bytes, code: bytes
) -> None:
    accepted = before_and_after(oracle)
    client.log_in()
    assert client.send(data)[:3] == code
    assert accepted() == []


def test_data_may_be_empty_and_a_far_too_big_mail_is_read_to_its_end(oracle: Helper, client: Client) -> None:
    accepted = before_and_after(oracle)
    client.log_in()
    assert client.send(b".\r\n").startswith(b"250")
    assert accepted()[0]["size"] == 0
    assert client.send((b"l" * 70 + b"\r\n") * 5000 + b".\r\n").startswith(b"552")
    assert client.say(b"NOOP\r\n").startswith(b"250")


def test_a_client_that_does_not_wait_for_the_answer_is_sent_away(oracle: Helper, client: Client) -> None:
    before = oracle.ask(do="state")["offences"]
    client.log_in()
    assert client.say(b"NOOP\r\nNOOP\r\n").startswith(b"503")
    assert client.hear() == b""
    assert oracle.ask(do="state")["offences"] == before + 1


@pytest.mark.parametrize(
    "line", [b"NOOP\n", b"BLAH\r\n", b"MAIL FROM:<a@b.example>\r\n", b"N" * 3000 + b"\r\n"]
)
def test_offences_are_answered_and_counted(oracle: Helper, client: Client, line: bytes) -> None:
    before = oracle.ask(do="state")["offences"]
    assert client.hear().startswith(b"220")
    assert client.say(line)[:1] == b"5"
    assert oracle.ask(do="state")["offences"] == before + 1


VERBS = [
    ("EHLO", [b"EHLO me\r\n"]),
    ("HELO", [b"HELO me\r\n"]),
    ("AUTH", [b"EHLO me\r\n", LOGIN]),
    ("MAIL", [b"EHLO me\r\n", LOGIN, b"MAIL FROM:<ada@firm.example>\r\n"]),
    ("RCPT", [b"EHLO me\r\n", LOGIN, b"MAIL FROM:<a@b.example>\r\n", b"RCPT TO:<c@d.example>\r\n"]),
    ("RSET", [b"EHLO me\r\n", b"RSET\r\n"]),
    ("NOOP", [b"NOOP\r\n"]),
    ("QUIT", [b"QUIT\r\n"]),
]


@pytest.mark.parametrize(("verb", "lines"), VERBS)
def test_any_verb_can_be_answered_in_any_way_once(
    oracle: Helper, clients: Callable[[int], Client], verb: str, lines: list[bytes]
) -> None:
    oracle.ask(do="plan", verb=verb, say="451-4.3.0 first\r\n451 4.3.0 later \xe9", id=7)
    client = clients(oracle.ports["smtp"])
    assert client.hear().startswith(b"220")
    assert client.say(*lines) == b"451-4.3.0 first\r\n451 4.3.0 later \xe9\r\n"
    state = oracle.ask(do="state")
    assert state["used"][-1] == 7
    assert state["waiting"] == 0
    if verb != "QUIT":
        assert client.say(lines[-1])[:1] in (b"2", b"3")


def test_the_greeting_and_the_word_before_the_data_can_be_refused(
    oracle: Helper, clients: Callable[[int], Client]
) -> None:
    oracle.ask(do="plan", verb="connect", say="421 4.3.2 too busy", then="cut")
    busy = clients(oracle.ports["smtp"])
    assert busy.hear().startswith(b"421")
    assert busy.hear() == b""
    client = clients(oracle.ports["smtp"])
    client.log_in()
    oracle.ask(do="plan", verb="DATA", say="451 4.3.0 later")
    assert client.send(MAIL).startswith(b"451")
    assert client.say(b"RSET\r\n").startswith(b"250")


@pytest.mark.parametrize("code", ["421", "450", "451", "452", "550", "552", "554"])
def test_a_refusal_after_the_dot_means_that_nothing_was_accepted(
    oracle: Helper, client: Client, code: str
) -> None:
    accepted = before_and_after(oracle)
    client.log_in()
    oracle.ask(do="plan", verb="dot", say=f"{code} 4.0.0 no")
    assert client.send(MAIL).startswith(code.encode())
    assert accepted() == []


@pytest.mark.parametrize("accept", [True, False])
def test_it_can_fall_silent_or_cut_after_the_dot_with_or_without_having_accepted(
    oracle: Helper, clients: Callable[[int], Client], accept: bool
) -> None:
    for then in ("silence", "cut"):
        accepted = before_and_after(oracle)
        client = clients(oracle.ports["smtp"])
        client.log_in()
        oracle.ask(do="plan", verb="dot", then=then, accept=accept)
        client.sock.settimeout(0.5)
        with pytest.raises((TimeoutError, ConnectionResetError)) as raised:
            client.send(MAIL)
        assert isinstance(raised.value, ConnectionResetError) == (then == "cut")
        assert len(accepted()) == int(accept)


def test_it_can_accept_and_answer_nonsense(oracle: Helper, client: Client) -> None:
    accepted = before_and_after(oracle)
    client.log_in()
    oracle.ask(do="plan", verb="dot", say="hello?", accept=True)
    assert client.send(MAIL) == b"hello?\r\n"
    assert len(accepted()) == 1


def test_it_can_answer_one_byte_after_the_other(oracle: Helper, client: Client) -> None:
    client.hear()
    oracle.ask(do="plan", verb="NOOP", say="250 slow", drip=0.05)
    client.sock.sendall(b"NOOP\r\n")
    assert client.sock.recv(100) == b"2"
    assert client.hear() == b"50 slow\r\n"


def test_it_can_wait_before_it_looks_at_the_mail(oracle: Helper, client: Client) -> None:
    accepted = before_and_after(oracle)
    client.log_in()
    oracle.ask(do="plan", verb="dot", delay=0.7)
    begun = time.time()
    assert client.send(MAIL).startswith(b"250")
    assert accepted()[0]["at"] >= begun + 0.7


def test_a_plan_does_not_excuse_an_offence(oracle: Helper, client: Client) -> None:
    client.hear()
    oracle.ask(do="plan", verb="MAIL", say="250 fine")
    assert client.say(b"MAIL FROM:<a@b.example>\r\n").startswith(b"503")
    assert oracle.ask(do="state")["waiting"] == 1


@pytest.mark.parametrize(
    "order", [{"do": "dance"}, {"do": "plan", "verb": "dot", "then": "explode"}, {"do": "plan"}]
)
def test_an_order_that_makes_no_sense_is_refused(oracle: Helper, order: dict[str, Any]) -> None:
    with pytest.raises(HelperError):
        oracle.ask(**order)


def test_a_helper_that_cannot_start_says_where_to_look(tmp_path: Path) -> None:
    with (
        pytest.raises(HelperError, match="errors"),
        Helper("leadpilot.trust.oracle", {}, tmp_path / "errors"),
    ):
        pass
    assert "KeyError" in (tmp_path / "errors").read_text()


# On the disk first


def test_a_line_is_written_whole_and_synced_before_add_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    book = Ledgerbook(tmp_path / "log.jsonl")
    real = os.fsync

    def fsync(handle: int) -> None:
        synced.append((tmp_path / "log.jsonl").read_text())
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    book.add(message_id="<1@x>")
    assert synced == ['{"message_id": "<1@x>"}\n']
    book.add(message_id="<2@x>")
    assert [line["message_id"] for line in ledgerbook.read(book.path)] == ["<1@x>", "<2@x>"]
    book.close()


def test_a_damaged_log_is_not_guessed_at(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text('{"a": 1}\n{"b": ')
    with pytest.raises(ValueError):
        ledgerbook.read(tmp_path / "log.jsonl")
    assert ledgerbook.read(tmp_path / "none.jsonl") == []


def test_nobody_is_told_before_the_line_is_on_the_disk_and_the_copy_in_sent(tmp_path: Path) -> None:
    order: list[str] = []

    class Book(Ledgerbook):
        def add(self, **entry: Any) -> None:
            super().add(**entry)
            order.append("log")

    class Store(MailStore):
        def file(self, *args: Any) -> Path:
            order.append("sent")
            return super().file(*args)

    class Wire:
        async def say(self, text: str, drip: float = 0.0) -> None:
            order.append(text[:3])

    (tmp_path / "mail").mkdir()
    oracle = Oracle(tmp_path / "log.jsonl", USERS, Store(tmp_path / "mail"), 1000)
    oracle.log = Book(tmp_path / "other.jsonl")
    session: Any = type("S", (), {"user": "ada@firm.example", "mail_from": "a@b", "rcpt_to": ["c@d"]})
    for plan in (None, Answer("dot", say="250 yes")):
        if plan:
            oracle.planned["dot"] = deque([plan])
        asyncio.run(oracle._dot(Wire(), session, b"Subject: x\r\n\r\n"))  # type: ignore[arg-type]
    assert order == ["log", "sent", "250", "log", "sent", "250"]
    assert len(list((tmp_path / "mail" / "ada@firm.example" / ".Sent" / "new").iterdir())) == 2


def test_a_mail_lies_in_a_folder_whole_or_not_at_all(tmp_path: Path) -> None:
    store = MailStore(tmp_path)
    inbox = store.file("ada@firm.example", "INBOX", "1.x", b"one")
    sent = store.file("ada@firm.example", "Sent", "2.x", b"two")
    assert inbox == tmp_path / "ada@firm.example" / "new" / "1.x"
    assert sent == tmp_path / "ada@firm.example" / ".Sent" / "new" / "2.x"
    assert sent.read_bytes() == b"two"
    assert list((tmp_path / "ada@firm.example" / ".Sent" / "tmp").iterdir()) == []
