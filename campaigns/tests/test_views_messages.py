"""The list of what leaves: filters, taking back, and settling what became of a mail whose answer was lost."""

from __future__ import annotations

import pytest

from campaigns.models import SendAttempt
from campaigns.tests.pages import (
    assert_get_only,
    assert_only_for_members,
    assert_post_only,
    assert_viewers_may_not,
    at,
    queries_of,
    said,
    sent,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nobody_listens")]


@pytest.fixture
def queued(world, campaign):
    """An approved mail that waits to leave."""
    return world.approve(world.enroll(campaign, world.lead("Quinn Ode")))


@pytest.fixture
def unknown(world, campaign):
    """A mail whose answer was lost."""
    message = world.approve(world.enroll(campaign, world.lead("Uma Noor")))
    world.change(message, status="unknown", status_reason="The connection was cut.")
    with world.context():
        SendAttempt.objects.create(
            org=world.org, message=message, number=1, lease_owner="w", outcome="unknown", phase="data"
        )
    return message


@pytest.fixture
def client(client_for, alice):
    return client_for(alice)


def test_it_lists_what_waits_and_what_left_with_state_and_sender(client, world, campaign, queued):
    left = sent(world, campaign, "Lou Ash")
    text = client.get(at("message_list")).content.decode()
    assert "Quinn Ode" in text
    assert "Lou Ash" in text
    assert "2 messages" in text
    assert left.from_email in text
    assert at("thread", left.thread) in text


def test_an_empty_list_says_what_will_be_here(client, org):
    assert "Nothing has been written yet" in client.get(at("message_list")).content.decode()


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("?status=queued", ["Quinn Ode"]),
        ("?status=sent", ["Lou Ash"]),
        ("?status=waiting", ["Quinn Ode"]),
        ("?status=nonsense", ["Lou Ash", "Quinn Ode"]),
        ("?q=lou", ["Lou Ash"]),
        ("?campaign=nonsense", ["Lou Ash", "Quinn Ode"]),
        ("?status=refused", []),
    ],
)
def test_the_filters_narrow_it(client, world, campaign, queued, query, shown):
    sent(world, campaign, "Lou Ash")
    text = client.get(at("message_list", query=query)).content.decode()
    assert [name for name in ("Lou Ash", "Quinn Ode") if name in text] == shown


def test_it_narrows_to_a_campaign_or_a_mailbox(client, world, campaign, queued):
    other = world.campaign(world.mailbox(), name="Winter")
    sent(world, other, "Lou Ash")
    text = client.get(at("message_list", query=f"?campaign={other.pk}")).content.decode()
    assert "Lou Ash" in text
    assert "Quinn Ode" not in text
    text = client.get(at("message_list", query=f"?mailbox={queued.mailbox_id}")).content.decode()
    assert "Lou Ash" not in text
    assert "Quinn Ode" in text


def test_the_reasons_of_the_second_gate_are_shown(client, world, queued):
    world.change(
        queued,
        status_reason="Outside the sending window.",
        clearance={"outcome": "defer", "reasons": [{"code": "window", "text": "It is night in Lisbon."}]},
    )
    text = client.get(at("message_list")).content.decode()
    assert "Outside the sending window." in text
    assert "It is night in Lisbon." in text


def test_it_takes_no_more_queries_for_more_rows(client, world, campaign):
    for _ in range(10):
        sent(world, campaign)
    few = queries_of(client, at("message_list"))
    for _ in range(10):
        sent(world, campaign)
    assert queries_of(client, at("message_list")) == few


# taking back


def test_a_waiting_mail_is_taken_back(client, world, queued):
    answer = client.post(at("message_cancel", queued))
    assert answer.url == at("message_list")
    assert said(answer) == ["Taken back. It was not sent."]
    assert world.fresh(queued).status == "cancelled"


def test_a_mail_that_left_cannot_be_taken_back_and_it_says_why(client, world, campaign):
    left = sent(world, campaign)
    answer = client.post(at("message_cancel", left))
    assert "cannot be taken back" in said(answer)[0]
    assert world.fresh(left).status == "sent"


# what became of it is unknown


def test_an_unknown_mail_is_announced_and_shows_what_to_look_for(client, unknown):
    assert "What became of some mails is unknown" in client.get(at("message_list")).content.decode()
    text = client.get(at("message_list", query="?status=unknown")).content.decode()
    assert "What became of some mails is unknown" not in text
    assert "Attempt 1" in text
    assert unknown.message_id.strip("<>") in text
    assert "It was sent" in text


@pytest.mark.parametrize(("outcome", "status"), [("sent", "sent"), ("not_sent", "not_sent")])
def test_a_person_settles_it_once(client, world, unknown, outcome, status):
    answer = client.post(at("message_settle", unknown), {"outcome": outcome})
    assert said(answer) == ["Settled. It is never sent again."]
    message = world.fresh(unknown)
    assert message.status == status
    assert "Alice looked and decided" in message.status_reason
    again = client.post(at("message_settle", unknown), {"outcome": "sent"})
    assert "settled already" in said(again)[-1]
    assert world.fresh(unknown).status == status


def test_an_outcome_that_does_not_exist_settles_nothing(client, world, unknown):
    answer = client.post(at("message_settle", unknown), {"outcome": "maybe"})
    assert said(answer) == ["outcome: “maybe” is neither sent nor not_sent."]
    assert world.fresh(unknown).status == "unknown"


# who may


def test_strangers_viewers_and_wrong_methods_are_refused(
    client_for, client, bob, charlie, other_org, world, queued, unknown
):
    for name, row in (("message_settle", unknown), ("message_cancel", queued)):
        assert_only_for_members(client_for, at(name, row), charlie=charlie, method="post")
        assert_viewers_may_not(client_for, at(name, row), bob=bob)
        assert_post_only(client, at(name, row))
    assert_get_only(client, at("message_list"))
    assert "Quinn Ode" not in client_for(charlie).get(at("message_list")).content.decode()
    assert world.fresh(queued).status == "queued"


def test_a_viewer_sees_the_list_without_its_buttons(client_for, bob, queued, unknown):
    text = client_for(bob).get(at("message_list")).content.decode()
    assert "Quinn Ode" in text
    assert at("message_cancel", queued) not in text
    assert at("message_settle", unknown) not in text
