"""Notes: one unread a subject, shown to those they are for, read by members, gone when their matter is over."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse

from campaigns.models import Mailbox, Message
from campaigns.services import inbound as inbox
from campaigns.services import mailboxes, outbox, outcomes
from campaigns.tests.conftest import World
from campaigns.tests.pages import sent
from leadpilot.lib import clock
from leadpilot.orgs import notes
from leadpilot.orgs.models import Notification
from leadpilot.orgs.services import notify
from leadpilot.orgs.tenancy import org_context

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true", "HX-Target": "notes"}
ALL = "/notes/read/"


@pytest.fixture
def world(org: Any) -> World:
    return World(org)


def tell(org: Any, title: str = "A mailbox stopped", **fields: Any) -> Notification:
    with org_context(org.pk):
        return notify(org=org, type="mailbox_paused", title=title, **fields)


def unread(org: Any) -> list[str]:
    with org_context(org.pk):
        return list(Notification.objects.for_org(org).filter(read_at=None).values_list("title", flat=True))


def one(note: Notification) -> str:
    return reverse("orgs:note_read", args=[note.pk])


def test_the_same_matter_is_one_unread_note_that_comes_up_again(org: Any) -> None:
    first = tell(org, message="Refused once.")
    with clock.travel(timedelta(hours=1)):
        again = tell(org, message="Refused twice.", priority="high")
    assert again.pk == first.pk
    assert (again.message, again.priority) == ("Refused twice.\nRefused once.", "high")
    assert again.created_at > first.created_at
    assert tell(org, message="Refused twice.").message == "Refused twice.\nRefused once."


def test_another_subject_or_a_read_one_is_a_new_note(org: Any, alice: Any) -> None:
    first = tell(org)
    tell(org, "Another mailbox stopped")
    with org_context(org.pk):
        assert notes.mark_read(org=org, user=alice, pk=first.pk) == 1
        assert notes.mark_read(org=org, user=alice, pk=first.pk) == 0
    assert tell(org).pk != first.pk


def test_a_growing_message_has_an_end(org: Any) -> None:
    for number in range(20):
        note = tell(org, message=f"{number} " + "x" * 300)
    assert note.message.startswith("19 ")
    assert len(note.message) <= notes.LONGEST


def test_a_note_for_one_person_is_shown_to_them_alone(
    org: Any, alice: Any, mia: Any, client_for: Any
) -> None:
    note = tell(org, "Only for Mia", user=mia)
    assert "Only for Mia" in client_for(mia).get("/").content.decode()
    assert "Only for Mia" not in client_for(alice).get("/").content.decode()
    assert client_for(alice).post(one(note)).status_code == 404
    client_for(alice).post(ALL)
    assert unread(org) == ["Only for Mia"]


def test_today_shows_the_urgent_first_in_word_and_colour(org: Any, alice: Any, client_for: Any) -> None:
    tell(org, "Burning", priority="high", action_url="/mailboxes/", message="Look now.")
    tell(org, "Smouldering")
    page = client_for(alice).get("/").content.decode()
    assert page.index("Burning") < page.index("Smouldering")
    assert '<span class="badge badge-danger">Urgent</span> <a href="/mailboxes/">Burning</a>' in page
    assert "Look now." in page
    assert 'For you <span class="count">2</span>' in page


def test_many_notes_are_counted_and_the_newest_shown(org: Any, alice: Any, client_for: Any) -> None:
    for number in range(9):
        tell(org, f"Matter {number}")
    page = client_for(alice).get("/").content.decode()
    assert "6 of 9 shown" in page
    assert "Matter 8" in page
    assert "Matter 0" not in page


def test_a_member_reads_one_and_then_all(org: Any, mia: Any, client_for: Any) -> None:
    note, member = tell(org), client_for(mia)
    tell(org, "Another")
    left = member.post(one(note), headers=HTMX)
    assert left.status_code == 200
    assert "Another" in left.content.decode()
    assert unread(org) == ["Another"]
    assert member.post(ALL).url == reverse("agent:today")
    assert unread(org) == []
    assert "hidden" in member.post(ALL, headers=HTMX).content.decode().split(">")[0]


def test_who_may_not_read_them(
    org: Any, bob: Any, charlie: Any, other_org: Any, mia: Any, client_for: Any
) -> None:
    note = tell(org)
    assert "Mark all read" not in client_for(bob).get("/").content.decode()
    assert client_for(bob).post(one(note)).status_code == 403
    assert client_for(bob).post(ALL).status_code == 403
    assert client_for(charlie).post(one(note)).status_code == 404
    client_for(charlie).post(ALL)
    assert unread(org) == ["A mailbox stopped"]
    assert client_for(mia).get(one(note)).status_code == 405
    assert client_for(mia).get(ALL).status_code == 405


def test_what_became_of_a_mail_that_may_have_left_settles_its_note(
    world: World, org: Any, alice: Any
) -> None:
    message = sent(world, world.campaign(world.mailbox()))
    world.change(message, status="unknown", sent_at=None)
    with world.context():
        outcomes.unknown(message=Message.objects.get(pk=message.pk), said="The line was cut.")
    assert unread(org) == ["A mail may have left, or not"]
    with world.context():
        found = Message.objects.select_related("org", "lead", "campaign").get(pk=message.pk)
        outbox.settle_unknown(message=found, sent=True, by=alice, note="I saw it.")
    assert unread(org) == []


def test_a_mailbox_that_sends_again_settles_its_note(world: World, org: Any, alice: Any) -> None:
    mailbox = world.mailbox()
    with world.context():
        outcomes.mailbox_at_fault(org_id=org.pk, mailbox_id=mailbox.pk, said="Sign-in failed.")
    assert unread(org) == [f"{mailbox.email} stopped sending"]
    with world.context():
        mailboxes.resume_mailbox(mailbox=Mailbox.objects.select_related("org").get(pk=mailbox.pk), by=alice)
    assert unread(org) == []


def test_people_hear_of_a_complaint(world: World, org: Any) -> None:
    message = sent(world, world.campaign(world.mailbox()), "Ann Li")
    with world.context():
        inbox.reports._complained(
            Message.objects.select_related("org", "lead", "campaign").get(pk=message.pk)
        )
    assert unread(org) == ["Ann Li marked our mail as spam"]
