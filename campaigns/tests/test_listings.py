"""Why a lead has not been written to yet: the nearest obstacle, in one sentence."""

from __future__ import annotations

from datetime import timedelta

import pytest

from campaigns import listings
from leadpilot.lib import clock

pytestmark = pytest.mark.django_db


def why(world, campaign):
    with world.context():
        campaign.refresh_from_db()
        return listings.why_not_yet(listings.enrollment_list(campaign).get())


def test_a_mail_nobody_approved_asks_for_it(world, campaign):
    world.enroll(campaign, world.lead())
    found = why(world, campaign)
    assert found.reason == "Step 1 is due; its mail is not approved yet."
    assert found.asks
    assert found.at is None


def test_a_mail_on_its_way_says_what_it_waits_for(world, campaign):
    message = world.approve(world.enroll(campaign, world.lead()))
    world.change(message, status_reason="The mailbox has reached its cap of 10 for today.")
    found = why(world, campaign)
    assert found.reason == "The mailbox has reached its cap of 10 for today."
    assert not found.asks


def test_a_step_of_the_future_says_when_and_why_then(world, campaign):
    row = world.enroll(campaign, world.lead())
    later = clock.now() + timedelta(days=3)
    world.change(
        row, next_step=2, next_step_at=later, next_reason="Step 2 follows 3 working days after step 1."
    )
    found = why(world, campaign)
    assert (found.reason, found.at) == ("Step 2 follows 3 working days after step 1.", later)


def test_a_campaign_that_does_not_run_is_the_nearest_obstacle(world, campaign):
    world.approve(world.enroll(campaign, world.lead()))
    world.change(campaign, status="paused")
    assert why(world, campaign).reason == "The campaign is paused."


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"status": "paused", "next_reason": "Ann is away until Monday."}, "Ann is away until Monday."),
        ({"status": "completed", "next_reason": "The last mail left."}, "The last mail left."),
        ({"status": "stopped", "stop_reason": "replied"}, "The lead answered"),
        ({"status": "stopped", "stop_reason": "rule", "stop_note": "Rule 3."}, "Rule 3."),
    ],
)
def test_a_sequence_that_does_not_run_keeps_its_own_reason(world, campaign, fields, reason):
    world.change(world.enroll(campaign, world.lead()), **fields)
    assert why(world, campaign).reason == reason


def test_a_mail_taken_back_has_to_be_approved_again(world, campaign):
    message = world.approve(world.enroll(campaign, world.lead()))
    world.change(message, status="cancelled")
    assert why(world, campaign).asks


def test_a_conversation_is_in_the_order_it_happened_and_what_waits_comes_last(world, campaign):
    first = world.approve(world.enroll(campaign, world.lead()))
    world.change(first, status="sent", sent_at=clock.now())
    waiting = world.approve(world.fresh(first).enrollment, 2)
    world.change(waiting, scheduled_for=clock.now() - timedelta(days=2), status="deferred", raw=b"x")
    with world.context():
        turns = listings.conversation(world.fresh(first).thread)
    assert [turn.message.pk for turn in turns if turn.message] == [first.pk, waiting.pk]
    assert [turn.is_last for turn in turns] == [False, True]


@pytest.mark.parametrize("text", ["", "x", "1234", "../etc"])
def test_what_is_no_id_filters_nothing(text):
    assert listings.uuid_or_empty(text) == ""
