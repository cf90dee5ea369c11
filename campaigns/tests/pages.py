"""What the tests of the pages share: rows to show, and the three questions asked of each route."""

from __future__ import annotations

from dataclasses import dataclass
from email import message_from_bytes, policy
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from campaigns.models import InboundMessage, Mailbox, Message, Thread
from campaigns.services import inbound as inbounds
from campaigns.tests.conftest import World
from campaigns.tests.mails import reply
from leadpilot.lib import clock


@dataclass
class Talk:
    """A lead that was written to and has answered."""

    message: Message
    inbound: InboundMessage

    @property
    def thread(self) -> Thread:
        assert self.message.thread is not None
        return self.message.thread


def sent(world: World, campaign: Any, name: str = "", *, step: int = 1, **lead: Any) -> Message:
    """A mail of ours that left, to a new lead."""
    message = world.approve(world.enroll(campaign, world.lead(name, **lead)), step)
    world.change(message, status="sent", sent_at=clock.now())
    return world.fresh(message)


def talk(
    world: World,
    campaign: Any,
    text: str = "Sounds good, call me.",
    *,
    name: str = "",
    kind: str = "interested",
    html: str = "",
) -> Talk:
    """A mail that left and the answer to it, classified as `kind` ("" leaves it unread by the Reader)."""
    message = sent(world, campaign, name)
    with world.context():
        mailbox = Mailbox.objects.select_related("org").get(pk=message.mailbox_id)
        raw = reply(message, text, Message_ID=f"<{message.pk}@firm.example>")
        raw = _with_html(raw, html) if html else raw
        found = inbounds.receive(mailbox=mailbox, raw=raw, source_key=str(message.pk))
        assert found is not None
        if kind:
            inbounds.record_classification(
                inbound=found, classification=kind, confidence=0.9, reason="It says so.", by="rules"
            )
    return Talk(message, world.fresh(found))


def _with_html(raw: bytes, html: str) -> bytes:
    mail = message_from_bytes(raw, policy=policy.default)
    mail.add_alternative(html, subtype="html")  # type: ignore[attr-defined]
    return mail.as_bytes()


def assert_only_for_members(client_for: Any, url: str, *, charlie: Any, method: str = "get") -> None:
    """Somebody of another organization gets the 404 of a missing row; nobody signed in is sent to sign in."""
    answer = getattr(client_for(charlie), method)(url)
    assert answer.status_code == 404, (url, answer.status_code)


def assert_viewers_may_not(client_for: Any, url: str, *, bob: Any) -> None:
    """A viewer's POST is refused."""
    answer = client_for(bob).post(url)
    assert answer.status_code == 403, (url, answer.status_code)


def assert_post_only(client: Any, url: str) -> None:
    """A GET changes nothing."""
    assert client.get(url).status_code == 405, url


def assert_get_only(client: Any, url: str) -> None:
    """There is nothing to post to."""
    assert client.post(url).status_code == 405, url


def queries_of(client: Any, url: str) -> int:
    """How many statements a page takes; asked once before, so that nothing is made on first use."""
    assert client.get(url).status_code == 200
    with CaptureQueriesContext(connection) as captured:
        client.get(url)
    return len(captured)


def at(name: str, row: Any = None, query: str = "") -> str:
    """The address of a page of campaigns, about a row."""
    return reverse(f"campaigns:{name}", args=[row.pk] if row is not None else []) + query


def said(answer: Any) -> list[str]:
    """The messages the next page will show."""
    return [str(message) for message in answer.wsgi_request._messages]
