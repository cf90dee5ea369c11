"""A12: ciphertext that was moved, cut or changed opens nowhere, and what needed it stops and says so."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from campaigns import tasks
from campaigns.models import Campaign, Mailbox, Message
from leadpilot.lib import clock
from leadpilot.lib.encryption import DecryptionError
from leadpilot.lib.secrets import Sealed
from leadpilot.orgs.tenancy import org_context
from leadpilot.tests.probing.callers import BACKEND
from leadpilot.tests.probing.planted import captured_logs
from leadpilot.tests.probing.world import Furnished, furnish
from leadpilot.tests.servers import raw_server

COLUMNS = ("smtp_password", "imap_password")
pytestmark = pytest.mark.django_db


@pytest.fixture
def worlds() -> list[Furnished]:
    return [furnish("quagga"), furnish("okapi")]


def place(world: Furnished, name: str) -> Mailbox:
    """A mailbox with two secrets, which say whose they are."""
    with org_context(world.org.pk):
        mailbox = Mailbox(
            org=world.org, email=f"{name}@{world.word}.example", from_name=name, smtp_host="x.test"
        )
        for column in COLUMNS:
            mailbox.write_secret(column, f"{column} of {name} of {world.word}")
        mailbox.save()
    return mailbox


def stored(mailbox: Mailbox, column: str, token: str | None = None) -> str:
    """The ciphertext as it lies in the database, or put there past the application."""
    with org_context(mailbox.org_id), connection.cursor() as cursor:
        if token is not None:
            cursor.execute(f"UPDATE campaigns_mailbox SET {column} = %s WHERE id = %s", [token, mailbox.pk])
        cursor.execute(f"SELECT {column} FROM campaigns_mailbox WHERE id = %s", [mailbox.pk])
        return str(cursor.fetchone()[0])


def opened(mailbox: Mailbox, column: str) -> str:
    with org_context(mailbox.org_id):
        return Mailbox.objects.get(pk=mailbox.pk).read_secret(column)


def test_a_ciphertext_opens_in_its_own_place_and_in_no_other(worlds: list[Furnished]) -> None:
    mailboxes = [place(world, name) for world in worlds for name in ("one", "two")]
    places = [(mailbox, column) for mailbox in mailboxes for column in COLUMNS]
    tokens = {each: stored(*each) for each in places}
    assert len(places) == 8
    for here, there in permutations(places, 2):
        stored(*here, tokens[there])
        with pytest.raises(DecryptionError):
            opened(*here)
        stored(*here, tokens[here])
    assert len({opened(*each) for each in places}) == 8


def broken(token: str) -> Iterator[str]:
    """The token cut at each length, grown, and with each bit of each of its bytes changed."""
    yield from (token[:length] for length in range(1, len(token)))
    yield from (
        token + "A",
        token + "=",
        token + "\n",
        f" {token}",
        token.upper(),
        token.swapcase(),
        token[::-1],
    )
    for position in range(len(token)):
        for bit in range(7):
            yield token[:position] + chr(ord(token[position]) ^ 1 << bit) + token[position + 1 :]


def test_a_damaged_ciphertext_opens_nothing_whatever_was_changed(worlds: list[Furnished]) -> None:
    mailbox = place(worlds[0], "one")
    whole, tried = str(mailbox.smtp_password), 0
    for token in broken(whole):
        mailbox.smtp_password = Sealed(token)
        with pytest.raises(DecryptionError):
            mailbox.read_secret("smtp_password")
        tried += 1
    mailbox.smtp_password = Sealed(whole)
    assert mailbox.read_secret("smtp_password") == "smtp_password of one of quagga"
    assert tried > 8 * len(whole)


@pytest.fixture
def mail_server(settings: Any) -> Iterator[tuple[int, list[bytes]]]:
    """A port that the door is open for, and what came in through it."""
    heard: list[bytes] = []

    def listen(client: socket.socket) -> None:
        client.sendall(b"220 hello\r\n")
        while data := client.recv(4096):
            heard.append(data)
            client.sendall(b"250-hello\r\n250 AUTH PLAIN\r\n" if data.startswith(b"EHLO") else b"250 ok\r\n")

    with raw_server(listen) as port:
        settings.OUTBOUND_ALLOW = [f"127.0.0.1:{port}"]
        yield port, heard


@pytest.mark.parametrize("how", ["moved", "cut", "changed", "of a key that is gone"])
def test_a_mailbox_whose_password_does_not_open_sends_and_reads_nothing(
    how: str, worlds: list[Furnished], mail_server: tuple[int, list[bytes]]
) -> None:
    world, (port, heard) = worlds[0], mail_server
    token = stored(place(worlds[1], "one"), "smtp_password")
    broken = {
        "cut": token[:-9],
        "changed": f"{token[:-5]}AAAAA",
        "of a key that is gone": f"v1.gone.{token[6:]}",
    }
    with org_context(world.org.pk):
        late = clock.now() - timedelta(minutes=1)
        mine = Mailbox.objects.get(pk=world.ids["mailbox"])
        mail = {"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_username": "alex", "inbound_kind": "imap"}
        mail |= {"imap_host": "127.0.0.1", "imap_port": port, "imap_security": "none"}
        Mailbox.objects.filter(pk=mine.pk).update(**mail)
        Campaign.objects.for_org(world.org).update(window_start="00:00", window_end="23:59:59")
        Message.objects.filter(pk=world.ids["message"]).update(
            status="queued", raw=b"Subject: x\r\n\r\nx\r\n", scheduled_for=late
        )
        for column in COLUMNS:
            stored(mine, column, broken.get(how, token))
    with captured_logs() as log:
        for job in (tasks.drain_mailbox, tasks.poll_mailbox, tasks.settle_mailbox):
            job(str(world.org.pk), str(mine.pk))
        client = Client()
        client.force_login(world.owner, backend=BACKEND)
        for method, name in [("get", "edit"), ("post", "test"), ("post", "resume"), ("post", "pause")]:
            answer = getattr(client, method)(reverse(f"campaigns:mailbox_{name}", args=[mine.pk]))
            assert answer.status_code < 500, name
    assert not any(b"AUTH" in each or b"LOGIN" in each or b"DATA" in each for each in heard)
    assert token not in log.getvalue()
    with org_context(world.org.pk):
        assert Message.objects.get(pk=world.ids["message"]).status in ("queued", "deferred", "held")
