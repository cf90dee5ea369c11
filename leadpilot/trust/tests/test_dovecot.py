"""A mail that the oracle files is found in Sent over real IMAP, by the application's own search."""

from __future__ import annotations

from typing import Any

import pytest

from campaigns.imap import ImapServer, Inbox
from leadpilot.trust import dovecot
from leadpilot.trust.dovecot import Dovecot

pytestmark = pytest.mark.skipif(not dovecot.is_installed(), reason="Dovecot is not installed")
USERS = {"ada@firm.example": "secret", "bob@firm.example": "other"}


@pytest.fixture(scope="module")
def server() -> Any:
    with Dovecot(USERS) as running:
        yield running


def inbox(server: Dovecot, settings: Any, user: str) -> Inbox:
    settings.OUTBOUND_ALLOW = [f"127.0.0.1:{server.port}"]
    return Inbox(ImapServer("127.0.0.1", server.port, "none", user, USERS[user]), seconds=20)


def test_each_account_finds_its_own_mail_in_sent(server: Dovecot, settings: Any) -> None:
    server.store.file("ada@firm.example", "Sent", "1.x", b"Message-ID: <1@firm.example>\r\n\r\nhello\r\n")
    server.store.file("bob@firm.example", "Sent", "2.x", b"Message-ID: <2@firm.example>\r\n\r\nhello\r\n")
    asked = ["<1@firm.example>", "<2@firm.example>"]
    with inbox(server, settings, "ada@firm.example") as ada:
        assert ada.in_sent(asked) == {"<1@firm.example>"}
    with inbox(server, settings, "bob@firm.example") as bob:
        assert bob.in_sent(asked) == {"<2@firm.example>"}


def test_what_comes_in_is_read_from_the_inbox(server: Dovecot, settings: Any) -> None:
    with inbox(server, settings, "ada@firm.example") as ada:
        _, before = ada.inbox_state()
    server.store.file("ada@firm.example", "INBOX", "3.x", b"Message-ID: <3@x.example>\r\n\r\nhi\r\n")
    with inbox(server, settings, "ada@firm.example") as ada:
        ada.inbox_state()
        ((_, raw),) = list(ada.fetch(ada.uids_after(before - 1)))
    assert b"<3@x.example>" in raw


def test_it_is_gone_when_the_block_ends() -> None:
    with Dovecot(USERS) as running:
        home, process = running.home, running.process
    assert process.poll() is not None
    assert not home.exists()
