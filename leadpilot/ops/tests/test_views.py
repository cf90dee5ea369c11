"""`/restored/`: which mailboxes are locked after a restore, and who may decide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from campaigns.models import Mailbox
from leadpilot.lib import clock
from leadpilot.ops import locking, searching
from leadpilot.ops.models import SentCheck
from leadpilot.orgs.models import AuditEntry
from leadpilot.orgs.tenancy import org_context

pytestmark = pytest.mark.django_db


@pytest.fixture
def lock(org: Any) -> SentCheck:
    """A locked mailbox of Alice's organization."""
    with org_context(org.pk):
        mailbox = Mailbox.objects.create(org=org, email="alex@acme.example", from_name="Alex", smtp_host="x")
        return SentCheck.objects.create(
            org=org, mailbox=mailbox, backup_at=clock.now(), problem=searching.NO_IMAP, found=2
        )


def release(client: Client, lock: SentCheck, reason: str = "I looked.") -> Any:
    return client.post(f"/restored/{lock.pk}/release/", {"reason": reason}, follow=True)


def waits(org: Any) -> bool:
    with org_context(org.pk):
        return bool(locking.waiting(org.pk))


def test_the_page_says_which_mailbox_waits_and_why(
    client_for: Callable[[Any], Client], alice: Any, lock: SentCheck
) -> None:
    page = client_for(alice).get(locking.PAGE).content.decode()
    assert "alex@acme.example" in page
    assert searching.NO_IMAP in page
    assert "2 waiting and 0 unknown mails had left" in page
    assert "Let it send" in page


def test_without_a_lock_there_is_nothing_to_do(
    client_for: Callable[[Any], Client], alice: Any, org: Any
) -> None:
    assert "No mailbox is locked" in client_for(alice).get("/restored/").content.decode()


def test_the_owner_decides_and_the_reason_is_kept(
    client_for: Callable[[Any], Client], alice: Any, org: Any, lock: SentCheck
) -> None:
    client = client_for(alice)
    answer = release(client, lock)
    assert "may send again once Start is pressed" in answer.content.decode()
    assert not waits(org)
    with org_context(org.pk):
        entry = AuditEntry.objects.get(action="mailbox.released")
        assert (entry.actor_id, "I looked." in entry.message) == (alice.pk, True)
        assert SentCheck.objects.get().finished_by_id == alice.pk
    assert "does not wait any more" in release(client, lock).content.decode()


def test_a_reason_is_needed(
    client_for: Callable[[Any], Client], alice: Any, org: Any, lock: SentCheck
) -> None:
    assert "Say how you know" in release(client_for(alice), lock, "  ").content.decode()
    assert waits(org)


def test_members_may_look_and_not_decide(
    client_for: Callable[[Any], Client], mia: Any, org: Any, lock: SentCheck
) -> None:
    client = client_for(mia)
    page = client.get("/restored/").content.decode()
    assert "alex@acme.example" in page
    assert "Let it send" not in page
    assert release(client, lock).status_code == 403
    assert waits(org)


def test_another_organization_sees_nothing_of_it(
    client_for: Callable[[Any], Client], charlie: Any, other_org: Any, org: Any, lock: SentCheck
) -> None:
    client = client_for(charlie)
    assert "alex@acme.example" not in client.get("/restored/").content.decode()
    assert release(client, lock).status_code == 404
    assert waits(org)


def test_only_a_post_decides(client_for: Callable[[Any], Client], alice: Any, lock: SentCheck) -> None:
    assert client_for(alice).get(f"/restored/{lock.pk}/release/").status_code == 405
    assert client_for(alice).post("/restored/").status_code == 405
