"""One transaction a mail: what was accepted is written down with the next one's intent, and each stands by itself."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from campaigns.models import Message, MessageEvent, SendAttempt
from campaigns.services import batches, campaigns, delivery, ledger
from campaigns.services.steps import remove_last_step
from campaigns.smtp import Limits, Outcome, Result
from leadpilot.lib import clock
from leadpilot.orgs.services import halt
from leads.models import LeadStatus

pytestmark = pytest.mark.django_db(transaction=True)
TAKEN = Result(Outcome.SENT, "after_dot", 250, "2.0.0 taken")


@pytest.fixture
def two(world, sink):
    """Two claims of one drain: the first is being sent."""
    mailbox = world.mailbox()
    made = world.campaign(mailbox)
    for _ in range(2):
        world.approve(world.enroll(made, world.lead()))
    first, second = ledger.claim_batch(org_id=world.org.pk, mailbox_id=mailbox.pk, owner="me")
    assert ledger.begin(first)
    return first, second


def status(world, claim):
    with world.context():
        return Message.objects.get(pk=claim.message_id).status


def attempts(world, claim):
    with world.context():
        return list(SendAttempt.objects.filter(message_id=claim.message_id).values_list("outcome", flat=True))


def test_the_outcome_and_the_next_intent_are_committed_together(world, two):
    first, second = two
    assert ledger.hand_over(first, TAKEN, second) == ("sent", True)
    assert (status(world, first), status(world, second)) == ("sent", "sending")
    assert (attempts(world, first), attempts(world, second)) == (["sent"], ["intent"])
    with world.context():
        message = Message.objects.select_related("lead", "enrollment", "thread", "mailbox").get(
            pk=first.message_id
        )
        event = MessageEvent.objects.get(message=message, kind="sent")
        assert message.lead.status == LeadStatus.EMAILED
    assert message.enrollment.next_step == 2
    assert "3 working days after step 1" in message.enrollment.next_reason
    assert message.sent_at == message.thread.last_message_at == message.mailbox.last_sent_at
    assert event.data == {"proof": "250 2.0.0 taken"}
    assert (message.status_reason, message.lease_until) == ("2.0.0 taken", None)


def test_what_stands_in_the_nexts_way_does_not_touch_the_outcome(world, two):
    first, second = two
    with world.context():
        halt(org=world.org, by=None)
    assert ledger.hand_over(first, TAKEN, second) == ("sent", False)
    assert (status(world, first), status(world, second)) == ("sent", "queued")
    assert attempts(world, second) == []


def test_a_next_one_whose_day_is_over_goes_back(world, two):
    first, second = two
    with clock.travel(timedelta(days=1)):
        assert ledger.hand_over(first, TAKEN, second) == ("sent", False)
    assert (status(world, first), status(world, second)) == ("sent", "queued")


def test_an_outcome_that_is_no_longer_ours_to_tell_does_not_keep_the_next_one(world, two):
    first, second = two
    with world.context():
        Message.objects.filter(pk=first.message_id).update(lease_owner="another")
    assert ledger.hand_over(first, TAKEN, second) == ("", True)
    assert (status(world, first), status(world, second)) == ("sending", "sending")


def test_steps_that_were_changed_meanwhile_are_followed_as_they_are_now(world, two):
    first, second = two
    with world.context():
        campaign = Message.objects.get(pk=first.message_id).campaign
        while campaign.steps.filter(org=world.org).count() > 1:
            remove_last_step(campaign=campaign)
    assert ledger.hand_over(first, TAKEN, second) == ("sent", True)
    with world.context():
        enrollment = Message.objects.get(pk=first.message_id).enrollment
    assert (enrollment.status, enrollment.next_step_at) == ("completed", None)


def test_the_last_step_completes_the_sequence(world, sink):
    mailbox = world.mailbox()
    made = world.campaign(mailbox, steps=campaigns.DEFAULT_STEPS[:1])
    message = world.approve(world.enroll(made, world.lead()))
    [held] = ledger.claim_batch(org_id=world.org.pk, mailbox_id=mailbox.pk, owner="me")
    assert ledger.begin(held)
    assert ledger.finish(held, TAKEN) == "sent"
    enrollment = world.fresh(message).enrollment
    assert (enrollment.status, enrollment.next_step, enrollment.next_step_at) == ("completed", 1, None)
    assert enrollment.next_reason.startswith("The last mail left on")
    assert enrollment.finished_at is not None


def test_a_paused_sequence_keeps_its_reason_and_moves_on_all_the_same(world, two):
    first, _ = two
    with world.context():
        message = Message.objects.select_related("enrollment").get(pk=first.message_id)
        type(message.enrollment).objects.filter(pk=message.enrollment_id).update(
            status="paused", next_reason="They answered."
        )
    assert ledger.finish(first, TAKEN) == "sent"
    enrollment = world.fresh(message).enrollment
    assert (enrollment.status, enrollment.next_step, enrollment.next_reason) == (
        "paused",
        2,
        "They answered.",
    )


def test_a_lead_that_came_further_stays_there(world, two):
    first, _ = two
    with world.context():
        lead = Message.objects.get(pk=first.message_id).lead
    world.change(lead, status="meeting")
    ledger.finish(first, TAKEN)
    assert world.fresh(lead).status == LeadStatus.MEETING
    assert world.fresh(lead).last_interaction_at is not None


def test_losing_the_database_between_two_mails_loses_no_outcome_and_sends_the_next_later(
    world, sink, monkeypatch
):
    mailbox = world.mailbox()
    made = world.campaign(mailbox)
    for _ in range(3):
        world.approve(world.enroll(made, world.lead()))
    real, cut = ledger.hand_over, []

    def hand_over(done, result, to):
        if not cut:
            cut.append(to)
            raise OperationalError("the database was away")
        return real(done, result, to)

    monkeypatch.setattr(batches.ledger, "hand_over", hand_over)
    done = delivery.drain(org_id=world.org.pk, mailbox_id=mailbox.pk, limits=Limits(5, 5, 5))
    assert done.counts == {"sent": 3}  # what was taken back was due at once: it had not been begun
    assert len({mail.message_id for mail in sink.accepted}) == len(sink.accepted) == 3


def test_a_drain_commits_once_a_mail_and_a_few_times_a_batch(world, sink):
    mailbox = world.mailbox()
    made = world.campaign(mailbox)
    for _ in range(12):
        world.approve(world.enroll(made, world.lead()))

    def asked():
        with CaptureQueriesContext(connection) as captured:
            done = delivery.drain(org_id=world.org.pk, mailbox_id=mailbox.pk, batch=6, limits=Limits(5, 5, 5))
        return done.counts, len(captured)

    counts, queries = asked()
    assert counts == {"sent": 12}
    assert queries < 60  # three claims; what is asked for each mail is one round trip, and not among these
