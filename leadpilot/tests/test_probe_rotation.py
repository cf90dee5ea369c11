"""A12: keys are changed while people read and write secrets; nobody is turned away and nothing is lost."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections

from campaigns.models import Mailbox
from leadpilot.lib.encryption import generate_key
from leadpilot.orgs.tenancy import org_context
from leadpilot.tests.probing.world import Furnished, furnish

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "system"])
MAILBOXES, ROUNDS = 4, 3


def secret(mailbox_id: Any, number: int) -> str:
    """What may stand in a mailbox: it says whose it is, and which writing it was."""
    return f"secret {number} of {mailbox_id}"


def connect(world: Furnished, n: int) -> Mailbox:
    with org_context(world.org.pk):
        mailbox = Mailbox(
            org=world.org, email=f"n{n}@{world.word}.example", from_name="N", smtp_host="x.test"
        )
        mailbox.write_secret("smtp_password", secret(mailbox.pk, 0))
        mailbox.save()
    return mailbox


class Crowd:
    """Threads that each do one thing again and again until they are told to stop; what goes wrong is kept."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.done: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.threads: list[threading.Thread] = []

    def start(self, name: str, act: Callable[[], None]) -> None:
        def run() -> None:
            try:
                while not self.stop.is_set():
                    act()
                    self.done[name] += 1
            except Exception as error:
                self.wrong.append(f"{name}: {type(error).__name__}: {error}")
            finally:
                connections.close_all()

        self.threads.append(threading.Thread(target=run, name=name, daemon=True))
        self.threads[-1].start()

    def wait_for(self, times: int) -> None:
        """Until each has done its thing so often more, or one has failed; the test's own time limit is a minute."""
        goal = {thread.name: self.done[thread.name] + times for thread in self.threads}
        for _ in range(6000):
            if self.wrong or all(self.done[name] >= number for name, number in goal.items()):
                return
            self.stop.wait(0.01)
        raise AssertionError(f"too slow: {self.done}")

    def end(self) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join(30)


def reading(mailbox: Mailbox) -> Callable[[], None]:
    def read() -> None:
        with org_context(mailbox.org_id):
            found = Mailbox.objects.get(pk=mailbox.pk).read_secret("smtp_password")
        assert found.startswith("secret "), found
        assert found.endswith(f" of {mailbox.pk}"), found

    return read


def writing(mailbox: Mailbox, last: dict[Any, int]) -> Callable[[], None]:
    def write() -> None:
        with org_context(mailbox.org_id):
            row = Mailbox.objects.get(pk=mailbox.pk)
            row.write_secret("smtp_password", secret(mailbox.pk, last[mailbox.pk] + 1))
            row.save(update_fields=["smtp_password"])
        last[mailbox.pk] += 1

    return write


def rotate() -> str:
    out = StringIO()
    call_command("rotate_keys", stdout=out, batch_size=2)
    return out.getvalue()


def test_keys_rotate_under_readers_and_writers(settings: Any) -> None:
    ring = [f"k0:{generate_key()}"]
    settings.ENCRYPTION_KEYS = list(ring)
    worlds = [furnish("quagga"), furnish("okapi")]
    mailboxes = [connect(world, n) for world in worlds for n in range(MAILBOXES // 2)]
    last = {mailbox.pk: 0 for mailbox in mailboxes}
    crowd = Crowd()
    for n, mailbox in enumerate(mailboxes):
        crowd.start(f"reader {n}", reading(mailbox))
        if n % 2:
            crowd.start(f"writer {n}", writing(mailbox, last))
    try:
        for round_ in range(1, ROUNDS + 1):
            ring.insert(0, f"k{round_}:{generate_key()}")
            settings.ENCRYPTION_KEYS = list(ring)
            crowd.wait_for(3)
            assert f"under key k{round_}." in rotate()
            crowd.wait_for(3)
    finally:
        crowd.end()
    assert crowd.wrong == []
    rotate()  # what a writer had in hand when the ring changed
    settings.ENCRYPTION_KEYS = ring[:1]
    for mailbox in mailboxes:
        with org_context(mailbox.org_id):
            row = Mailbox.objects.get(pk=mailbox.pk)
            assert str(row.smtp_password).startswith(f"v1.k{ROUNDS}.")
            assert row.read_secret("smtp_password") == secret(mailbox.pk, last[mailbox.pk])
    assert min(crowd.done.values()) >= 6 * ROUNDS
