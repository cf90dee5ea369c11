"""A11: mailbox passwords, with mail servers that repeat what they were told in every answer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from campaigns import tasks
from campaigns.models import Campaign, Mailbox, Message
from leadpilot.lib import clock
from leadpilot.orgs.tenancy import org_context
from leadpilot.tests.probing.callers import BACKEND
from leadpilot.tests.probing.fingerprints import texts
from leadpilot.tests.probing.planted import QUEUE_TABLES, SECRETS, captured_logs, rows_of, search
from leadpilot.tests.probing.planted_world import plant, telling_servers
from leadpilot.tests.probing.world import Furnished

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORDS = [name for name in SECRETS if name.startswith("smtp password")]


@pytest.fixture
def world() -> Furnished:
    return plant()


@pytest.fixture
def owner(world: Furnished) -> Client:
    client = Client()
    client.force_login(world.owner, backend=BACKEND)
    return client


def filled_in(smtp_port: int, imap_port: int, smtp_password: str, imap_password: str) -> dict[str, Any]:
    return {
        "email": "new@heron.example",
        "from_name": "New",
        "smtp_host": "127.0.0.1",
        "smtp_port": smtp_port,
        "smtp_security": "none",
        "smtp_username": "alex",
        "smtp_password": smtp_password,
        "inbound_kind": "imap",
        "imap_host": "127.0.0.1",
        "imap_port": imap_port,
        "imap_security": "none",
        "imap_username": "alex",
        "imap_password": imap_password,
        "daily_cap": 10,
        "min_spacing_seconds": 60,
        "ramp_start": 1,
        "ramp_step": 1,
    }


@pytest.mark.parametrize("name", PASSWORDS)
def test_a_refused_password_is_not_repeated(
    name: str, world: Furnished, owner: Client, settings: Any
) -> None:
    other = name.replace("smtp", "imap")
    imap_password = SECRETS.get(other, SECRETS["imap password"])
    with telling_servers(settings) as ports, captured_logs() as log:
        form = filled_in(*ports, SECRETS[name], imap_password)
        page = owner.post(reverse("campaigns:mailbox_create"), form)
        assert page.status_code == 422
        assert page.content.count(b"does not accept this user name and password") >= 2, "both were asked"
        saved = owner.post(reverse("campaigns:mailbox_create"), {**form, "save_paused": "1"})
        assert saved.status_code == 302
        again = owner.post(reverse("campaigns:mailbox_test", args=[_new(world).pk]), follow=True)
        assert b"does not accept" in again.content
    found = search("the form", page.content.decode(), SECRETS)
    found += search("the list", again.content.decode(), SECRETS)
    found += search("the log", log.getvalue(), SECRETS)
    found += search("the organization's rows", texts(world.org), SECRETS)
    assert found == []


def _new(world: Furnished) -> Mailbox:
    with org_context(world.org.pk):
        return Mailbox.objects.get(email="new@heron.example")


def test_jobs_that_are_refused_keep_the_password_to_themselves(
    world: Furnished, owner: Client, settings: Any
) -> None:
    with telling_servers(settings) as (smtp_port, imap_port), captured_logs() as log:
        with org_context(world.org.pk):
            Mailbox.objects.filter(pk=world.ids["mailbox"]).update(
                smtp_port=smtp_port,
                inbound_kind="imap",
                imap_host="127.0.0.1",
                imap_port=imap_port,
                imap_security="none",
            )
            Campaign.objects.for_org(world.org).update(window_start="00:00", window_end="23:59:59")
            Message.objects.filter(pk=world.ids["message"]).update(
                status="queued",
                raw=b"Subject: x\r\n\r\nx\r\n",
                scheduled_for=clock.now() - timedelta(minutes=1),
            )
        for _ in range(3):
            tasks.drain_mailbox(str(world.org.pk), str(world.ids["mailbox"]))
            tasks.poll_mailbox(str(world.org.pk), str(world.ids["mailbox"]))
            tasks.settle_mailbox(str(world.org.pk), str(world.ids["mailbox"]))
        pages = [
            owner.get(reverse(f"campaigns:{name}")).content.decode()
            for name in ("mailbox_list", "message_list")
        ]
    with org_context(world.org.pk):
        mailbox = Mailbox.objects.get(pk=world.ids["mailbox"])
    assert "does not accept" in mailbox.poll_problem + mailbox.status_reason
    found = search("the log", log.getvalue())
    found += search("the queue", rows_of(QUEUE_TABLES))
    found += search("the organization's rows", texts(world.org), SECRETS)
    found += search("the pages", "".join(pages), SECRETS)
    assert found == []
