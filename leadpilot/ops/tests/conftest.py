"""A campaign that can really send, and a Sent folder on a real IMAP server."""

from __future__ import annotations

import imaplib
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections

from campaigns.models import Mailbox
from campaigns.services import inbound
from campaigns.tests.conftest import World
from campaigns.tests.dovecot import Dovecot
from campaigns.tests.sink import Sink


@pytest.fixture
def sink(settings: Any) -> Iterator[Sink]:
    """An SMTP server that takes everything."""
    server = Sink()
    settings.OUTBOUND_ALLOW = [*settings.OUTBOUND_ALLOW, f"127.0.0.1:{server.port}"]
    settings.UNDO_SECONDS = 0
    yield server
    server.close()


@pytest.fixture
def world(org: Any, sink: Sink) -> World:
    """Alice's organization with a sink to send to."""
    return World(org, sink.port)


@pytest.fixture
def server(settings: Any) -> Iterator[Dovecot]:
    """One account on an IMAP server."""
    with Dovecot() as running:
        settings.OUTBOUND_ALLOW = [*settings.OUTBOUND_ALLOW, f"127.0.0.1:{running.port}"]
        yield running


@pytest.fixture
def mailbox(world: World, server: Dovecot, monkeypatch: pytest.MonkeyPatch) -> Mailbox:
    """A mailbox that sends to the sink and is read from the server; no floor above is told of what comes in."""
    monkeypatch.setattr(inbound.keeping, "_LISTENERS", [])
    found = world.mailbox(
        email=server.user,
        inbound_kind="imap",
        imap_host=server.host,
        imap_port=server.port,
        imap_security="none",
        imap_username=server.user,
    )
    with world.context():
        found.write_secret("imap_password", server.password)
        found.save()
    return found


def put_into_sent(server: Dovecot, raw: bytes, *flags: str) -> None:
    """Keep a mail in the Sent folder, as a mail server does that has passed it on."""
    with imaplib.IMAP4(server.host, server.port) as client:
        client.login(server.user, server.password)
        client.append("Sent", None, None, raw)


@pytest.fixture
def all_roles(db: None) -> Iterator[None]:
    """Let the test use the owner's and the system's connections, too.

    Named in the mark, each would have the one database cleaned once more, which takes seconds.
    """
    with pytest.MonkeyPatch.context() as patch:
        for alias in ("owner", "system"):
            connection = connections[alias]
            for name in ("connect", "temporary_connection", "cursor", "chunked_cursor"):
                method = getattr(connection, name)
                patch.setattr(connection, name, getattr(method, "wrapped", method))
            patch.setattr(connection, "ensure_connection", _ensure(connection))
        yield


def _ensure(connection: Any) -> Any:
    def ensure() -> None:
        if connection.connection is None:
            with connection.wrap_database_errors:
                connection.connect()

    return ensure
