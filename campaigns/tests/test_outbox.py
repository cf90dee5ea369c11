"""From approval to the queue: the right message, once, with its bytes, at its moment."""

from __future__ import annotations

import email
from datetime import time, timedelta
from email import policy

import pytest

from campaigns.models import InboundMessage, Message, MessageEvent
from campaigns.rendering import content_hash
from campaigns.services import campaigns, delivery, outbox
from campaigns.services import enrollment as service
from campaigns.windows import window_for
from leadpilot.lib import clock
from leadpilot.lib.errors import Conflict, DomainError

pytestmark = pytest.mark.django_db


def drain(mailbox):
    """Send what is due now."""
    return delivery.drain(org_id=mailbox.org_id, mailbox_id=mailbox.pk)


def release(world):
    with world.context():
        return outbox.release_due(org=world.org)


@pytest.fixture
def enrolled(world):
    mailbox = world.mailbox()
    return world.enroll(world.campaign(mailbox), world.lead()), mailbox


def test_the_first_step_is_queued_with_its_bytes_when_it_is_approved(world, enrolled):
    message = world.approve(enrolled[0])
    assert message.status == "queued"
    assert message.raw is not None
    assert message.scheduled_for <= clock.now()
    assert message.message_id == f"<{message.pk.hex}@northbeam.example>"


def test_it_waits_until_it_can_no_longer_be_undone(world, enrolled, settings, sink):
    settings.UNDO_SECONDS = 10
    enrollment, mailbox = enrolled
    message = world.approve(enrollment)
    assert drain(mailbox).counts == {}
    with world.context():
        outbox.cancel_message(message=message, reason="Taken back.")
    with clock.travel(timedelta(seconds=11)):
        assert drain(mailbox).counts == {}
    assert sink.accepted == []


def test_later_steps_are_held_until_their_turn(world, enrolled, sink):
    enrollment, mailbox = enrolled
    first, second = world.approve(enrollment, 1), world.approve(enrollment, 2, subject="Re: Step 1")
    assert (first.status, second.status, second.raw) == ("queued", "held", None)
    assert release(world) == 0
    drain(mailbox)
    assert release(world) == 0
    due = world.fresh(enrollment).next_step_at - clock.now()
    with clock.travel(due + timedelta(hours=1)):
        assert release(world) == 1
    with clock.travel(due + timedelta(hours=2)):
        assert drain(mailbox).counts == {"sent": 1}
    mail = email.message_from_bytes(sink.accepted[1].data, policy=policy.default)
    assert mail["Subject"] == "Re: Step 1"
    assert mail["In-Reply-To"] == first.message_id
    assert mail["References"] == first.message_id


def test_a_whole_sequence_leaves_step_by_step_and_completes(world, enrolled, sink):
    enrollment, mailbox = enrolled
    for step in range(1, 6):
        world.approve(enrollment, step)
    travelled = timedelta()
    for _ in range(5):
        with clock.travel(travelled):
            release(world)
        with clock.travel(travelled + timedelta(hours=1)):
            drain(mailbox)
        with clock.travel(travelled):
            row = world.fresh(enrollment)
            if row.next_step_at:
                travelled += row.next_step_at - clock.now() + timedelta(hours=1)
    assert [f"Step {n}" in mail.data.decode() for n, mail in enumerate(sink.accepted, 1)] == [True] * 5
    assert (row.status, row.next_step_at) == ("completed", None)
    assert row.finished_at is not None


def test_other_words_than_those_shown_are_not_approved(world, enrolled):
    enrollment, mailbox = enrolled
    with world.context(), pytest.raises(Conflict):
        outbox.approve_message(
            org=world.org,
            lead=enrollment.lead,
            mailbox=mailbox,
            subject="Hi",
            body="Other words.",
            content_hash=content_hash(
                from_email=mailbox.email, to_email=enrollment.lead.email, subject="Hi", body="The words."
            ),
        )


def test_a_step_is_approved_once(world, enrolled):
    world.approve(enrolled[0])
    with pytest.raises(Conflict):
        world.approve(enrolled[0])


def test_a_step_that_was_taken_back_can_be_approved_again(world, enrolled):
    first = world.approve(enrolled[0])
    with world.context():
        outbox.cancel_message(message=first, reason="Taken back.")
    second = world.approve(enrolled[0])
    assert (second.revision, second.status) == (2, "queued")
    assert second.message_id != first.message_id


def test_the_same_address_gets_a_step_once_also_as_another_lead(world, enrolled):
    enrollment, _ = enrolled
    world.approve(enrollment)
    other = world.lead()
    second = world.enroll(enrollment.campaign, other)
    world.change(enrollment.lead, email="gone@firm.example")
    world.change(other, email=enrollment.lead.email)
    with pytest.raises(Conflict):
        world.approve(second)


def test_what_cannot_become_a_mail_is_said_to_the_approver(world, enrolled):
    with pytest.raises(DomainError) as found:
        world.approve(enrolled[0], subject="Hello\r\nBcc: x@y.example")
    assert found.value.field == "subject"
    with pytest.raises(DomainError) as found:
        world.approve(enrolled[0], body="   ")
    assert found.value.field == "body"
    with world.context():
        assert not Message.objects.exists()


def test_a_sent_message_cannot_be_taken_back(world, enrolled):
    enrollment, mailbox = enrolled
    message = world.approve(enrollment)
    drain(mailbox)
    with world.context(), pytest.raises(Conflict, match="sent"):
        outbox.cancel_message(message=message, reason="Too late.")


def test_outside_the_window_it_is_queued_for_the_next_opening(world):
    mailbox = world.mailbox()
    tomorrow = (clock.now() + timedelta(days=1)).strftime("%A").lower()
    campaign = world.campaign(mailbox, window_days=[tomorrow], window_start=time(9), window_end=time(17))
    enrollment = world.enroll(campaign, world.lead())
    message = world.approve(enrollment)
    assert message.status == "queued"
    assert window_for(campaign, enrollment.lead, world.org).is_open(message.scheduled_for)
    assert "window" in message.status_reason
    assert drain(mailbox).counts == {}


def test_nothing_is_released_for_a_campaign_that_is_not_active(world):
    mailbox = world.mailbox()
    campaign = world.campaign(mailbox, active=False)
    enrollment = world.enroll(campaign, world.lead())
    message = world.approve(enrollment)
    assert message.status == "held"
    with world.context():
        campaigns.activate(campaign=campaign)
    assert world.fresh(message).status == "queued"


def test_bytes_that_can_no_longer_be_built_pause_the_sequence_with_the_reason(world, enrolled):
    enrollment, mailbox = enrolled
    _, second = world.approve(enrollment, 1), world.approve(enrollment, 2)
    drain(mailbox)
    world.change(mailbox, signature="\x07")
    with clock.travel(timedelta(days=30)):
        assert release(world) == 0
    assert world.fresh(second).status == "cancelled"
    row = world.fresh(enrollment)
    assert row.status == "paused"
    assert "control characters" in row.next_reason


def answer(world, enrollment, mailbox, **fields):
    with world.context():
        inbound = InboundMessage.objects.create(
            org=world.org,
            mailbox=mailbox,
            lead=enrollment.lead,
            source_key=str(fields),
            header_message_id="<question@firm.example>",
            from_email=enrollment.lead.email,
            subject="Pricing?",
            headers={"references": "<a@northbeam.example> broken"},
        )
        return outbox.approve_message(
            org=world.org,
            lead=enrollment.lead,
            mailbox=mailbox,
            in_reply_to=inbound,
            subject="Re: Pricing?",
            body="It costs nothing.",
            content_hash=content_hash(
                from_email=mailbox.email,
                to_email=enrollment.lead.email,
                subject="Re: Pricing?",
                body="It costs nothing.",
            ),
            **fields,
        ), inbound


def test_an_answer_leaves_at_once_in_its_thread_and_says_when_nobody_read_it(world, enrolled, sink, alice):
    enrollment, mailbox = enrolled
    answer(world, enrollment, mailbox)
    assert drain(mailbox).counts == {"sent": 1}
    mail = email.message_from_bytes(sink.accepted[0].data, policy=policy.default)
    assert mail["In-Reply-To"] == "<question@firm.example>"
    assert mail["References"].split() == ["<a@northbeam.example>", "<question@firm.example>"]
    assert mail["Auto-Submitted"] == "auto-replied"
    assert mail["List-Unsubscribe"] is None


def test_a_mail_is_answered_once(world, enrolled, alice):
    enrollment, mailbox = enrolled
    message, inbound = answer(world, enrollment, mailbox, approved_by=alice)
    with world.context(), pytest.raises(Conflict):
        outbox.approve_message(
            org=world.org,
            lead=enrollment.lead,
            mailbox=mailbox,
            in_reply_to=inbound,
            subject=message.subject,
            body=message.body,
            content_hash=message.approved_hash,
        )


def unknown(world, enrollment, mailbox, sink):
    message = world.approve(enrollment)
    sink.answers["dot"] = [b"what?\r\n"]
    drain(mailbox)
    return message


def test_a_person_settles_an_unknown_message_as_sent_and_the_sequence_goes_on(world, enrolled, sink, alice):
    enrollment, mailbox = enrolled
    message = unknown(world, enrollment, mailbox, sink)
    with world.context():
        outbox.settle_unknown(message=message, sent=True, by=alice, note="The lead has it.")
    assert world.fresh(message).status == "sent"
    assert world.fresh(enrollment).next_step == 2
    with world.context(), pytest.raises(Conflict):
        outbox.settle_unknown(message=message, sent=False, by=alice, note="No.")


def test_a_person_settles_an_unknown_message_as_not_sent_and_may_approve_again(world, enrolled, sink, alice):
    enrollment, mailbox = enrolled
    message = unknown(world, enrollment, mailbox, sink)
    with world.context():
        outbox.settle_unknown(message=message, sent=False, by=alice, note="Not in Sent.")
        kinds = set(MessageEvent.objects.filter(message=message).values_list("kind", flat=True))
    assert {"unknown", "settled"} <= kinds
    assert world.fresh(message).status == "not_sent"
    assert world.fresh(enrollment).next_step == 1
    assert world.approve(enrollment).revision == 2


def test_pausing_holds_what_is_queued_and_resuming_lets_it_go(world, enrolled):
    enrollment, mailbox = enrolled
    message = world.approve(enrollment)
    raw = bytes(message.raw)
    with world.context():
        assert service.pause(enrollment=enrollment, reason="A break.")
    assert world.fresh(message).status == "held"
    assert drain(mailbox).counts == {}
    with world.context():
        assert service.resume(enrollment=enrollment, reason="On we go.")
    assert release(world) == 1
    assert bytes(world.fresh(message).raw) == raw
    assert drain(mailbox).counts == {"sent": 1}
