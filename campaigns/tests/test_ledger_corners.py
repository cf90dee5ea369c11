"""The ledger where something else happened meanwhile: nothing is done that the world no longer asks for."""

from __future__ import annotations

import pytest

from campaigns import clearance
from campaigns.models import InboundMessage, Message
from campaigns.rendering import content_hash
from campaigns.services import advancing, batches, delivery, ledger, outbox, quota, settling, steps
from campaigns.services.ledger import claiming, obstacles
from campaigns.services.outbox import releasing
from campaigns.smtp import Outcome, Result
from leadpilot.lib import clock, encryption
from leadpilot.lib import verdict as verdicts
from leadpilot.lib.errors import Conflict
from leadpilot.lib.ids import new_id

pytestmark = pytest.mark.django_db


def drain(mailbox):
    return delivery.drain(org_id=mailbox.org_id, mailbox_id=mailbox.pk)


def claim(world, mailbox, **options):
    return ledger.claim_batch(org_id=world.org.pk, mailbox_id=mailbox.pk, owner="me", **options)


def test_a_mailbox_that_is_gone_sends_nothing(world):
    done = delivery.drain(org_id=world.org.pk, mailbox_id=new_id())
    assert (done.counts, done.problem) == ({}, "")


@pytest.mark.parametrize("status", ["queued", "deferred"])
def test_a_message_that_may_go_after_all_is_not_turned_down(world, ready, status):
    message, _ = ready()
    world.change(message, status=status)
    obstacles.turn_down(org_id=world.org.pk, message_id=message.pk)
    assert world.fresh(message).status == status


def test_a_message_that_somebody_took_back_is_not_turned_down_again(world, ready):
    message, _ = ready()
    with world.context():
        outbox.cancel_message(message=message, reason="Undone.")
    world.change(world.fresh(message).lead, status="archived")
    obstacles.turn_down(org_id=world.org.pk, message_id=message.pk)
    message = world.fresh(message)
    assert (message.status, message.status_reason) == ("cancelled", "Undone.")
    assert message.enrollment.status == "active"


def test_words_that_were_not_approved_cancel_the_mail_and_pause_the_sequence(world, ready):
    message, mailbox = ready()
    world.change(message, body="Other words.")
    assert drain(mailbox).counts == {}
    message = world.fresh(message)
    assert message.status == "cancelled"
    assert message.enrollment.status == "paused"
    assert "not the one that was approved" in message.enrollment.next_reason


def test_an_answer_that_was_overtaken_leaves_the_sequence_alone(world, ready, sink):
    message, mailbox = ready()
    message = world.fresh(message)
    with world.context():
        asked = InboundMessage.objects.create(
            org=world.org, mailbox=mailbox, lead=message.lead, thread=message.thread, source_key="1",
            from_email=message.lead.email, header_message_id="<q@firm.example>",
        )  # fmt: skip
        shown = content_hash(
            from_email=mailbox.email, to_email=message.lead.email, subject="Re: Step 1", body="Yes."
        )
        answer = outbox.approve_message(
            org=world.org, lead=message.lead, mailbox=mailbox, enrollment=message.enrollment, in_reply_to=asked,
            subject="Re: Step 1", body="Yes.", content_hash=shown,
        )  # fmt: skip
        InboundMessage.objects.create(
            org=world.org, mailbox=mailbox, lead=message.lead, source_key="2", from_email=message.lead.email
        )
    drain(mailbox)
    answer = world.fresh(answer)
    assert (answer.status, answer.clearance["reasons"][0]["code"]) == ("cancelled", "answered_again")
    assert world.fresh(message).enrollment.status == "active"


def test_a_claim_gives_up_after_some_rounds_and_the_next_goes_on(world, ready, monkeypatch):
    first, mailbox = ready()
    monkeypatch.setattr(claiming, "ROUNDS", 1)
    world.change(first, approved_at=None, scheduled_for=clock.now())
    world.change(mailbox, next_send_at=None)
    monkeypatch.setattr(
        claiming.clearance, "judge", lambda situation: verdicts.defer(None, "rule", "A rule says no.")
    )
    assert claim(world, mailbox, limit=1) == []
    waiting = world.fresh(first)
    assert (waiting.status, waiting.status_reason) == ("queued", "A rule says no.")
    assert waiting.scheduled_for > clock.now()


def test_a_worker_given_up_on_that_knows_nothing_new_changes_nothing(world, ready):
    message, mailbox = ready()
    [held] = claim(world, mailbox)
    ledger.begin(held)
    world.change(message, status="unknown")
    assert ledger.finish(held, Result(Outcome.DEFERRED, "rcpt", 451, "later")) == "unknown"
    world.change(message, status="not_sent")
    assert ledger.finish(held, Result(Outcome.SENT, "after_dot", 250, "ok")) == ""


def test_giving_back_places_of_any_kind_is_exact(world):
    with world.context():
        places = [["leads", "2026-11-21"], ["org", "2026-11-21"], ["cap:x", "2026-11-21"]]
        for scope, period in places:
            quota.reserve(org_id=world.org.pk, scope=scope, period=period, limit=9, n=3)
        quota.give_back(org_id=world.org.pk, taken=[*places, ["org", "2026-11-21"]])
        left = {
            scope: quota.used(org_id=world.org.pk, scope=scope, period=period) for scope, period in places
        }
        assert left == {"leads": 2, "org": 1, "cap:x": 2}
        quota.give_back(org_id=world.org.pk, taken=[])
        nothing = quota.Places(org_id=world.org.pk, caps=[])
        assert nothing.take([]) is None
        nothing.write()


@pytest.fixture
def unknown(world, ready):
    message, mailbox = ready(world.mailbox(inbound_kind="imap", imap_host="127.0.0.1", imap_port=1))
    world.change(message, status="unknown")
    return world.fresh(message), mailbox


def settle(world, mailbox):
    return settling.settle_mailbox(org_id=world.org.pk, mailbox_id=mailbox.pk)


def test_a_mailbox_whose_sent_folder_cannot_be_read_proves_nothing(world, unknown, settings):
    message, mailbox = unknown
    assert settle(world, mailbox) == {"unknown": 1}
    settings.ENCRYPTION_KEYS = encryption.parse_keys([f"other:{encryption.generate_key()}"])
    with world.context():
        mailbox.write_secret("imap_password", "x")
        mailbox.save()
    settings.ENCRYPTION_KEYS = encryption.parse_keys([f"third:{encryption.generate_key()}"])
    assert settle(world, mailbox) == {"unknown": 1}
    world.change(mailbox, inbound_kind="none")
    assert settle(world, mailbox) == {}
    assert world.fresh(message).status == "unknown"


def test_what_a_person_settled_while_the_folder_was_searched_stays_so(world, unknown, alice):
    message, _ = unknown
    with world.context():
        outbox.settle_unknown(message=Message.objects.get(pk=message.pk), sent=False, by=alice, note="No.")
    assert settling._conclude([message], [], {message.message_id})["sent"] == 0
    assert world.fresh(message).status == "not_sent"


def of_no_campaign(world, mailbox, **fields):
    lead = world.lead()
    with world.context():
        shown = content_hash(from_email=mailbox.email, to_email=lead.email, subject="Hi", body="Hello.")
        return outbox.approve_message(
            org=world.org,
            lead=lead,
            mailbox=mailbox,
            subject="Hi",
            body="Hello.",
            content_hash=shown,
            **fields,
        )


def test_a_mail_of_no_sequence_advances_none_and_waits_for_no_step(world, sink):
    message = world.fresh(of_no_campaign(world, world.mailbox()))
    with world.context():
        advancing.advance(message=message)
        assert not releasing.is_due(message, clock.now())


def test_a_mail_of_no_sequence_that_is_refused_for_its_words_stops_none(world, sink):
    mailbox = world.mailbox()
    message = of_no_campaign(world, mailbox)
    sink.answers["dot"] = [b"554 5.7.1 Message rejected as spam\r\n"]
    assert drain(mailbox).counts == {"refused": 1}
    assert world.fresh(world.fresh(message).lead).status == "new"


def test_a_mail_of_no_sequence_that_cannot_be_built_any_more_is_cancelled_with_the_reason(world, sink):
    mailbox = world.mailbox()
    message = of_no_campaign(world, mailbox)
    world.change(message, status="held", raw=None)
    world.change(mailbox, from_name="Alex\r\nBcc: x@y.example")
    with world.context():
        assert not releasing.release(world.fresh(message), clock.now())
    message = world.fresh(message)
    assert message.status == "cancelled"
    assert "line break" in message.status_reason


def test_a_message_that_was_taken_back_is_not_released_by_whoever_still_holds_it_as_held(world, ready):
    message, _ = ready()
    stale = world.fresh(message)
    with world.context():
        outbox.cancel_message(message=message, reason="Undone.")
        assert not releasing.release(stale, clock.now())
    assert world.fresh(message).status == "cancelled"


def test_a_message_without_thread_continues_nothing_and_can_be_settled(world, ready, alice):
    message, _ = ready()
    world.change(message, thread=None, status="unknown")
    message = world.fresh(message)
    with world.context():
        assert outbox.conversation(message).in_reply_to == ""
        outbox.settle_unknown(message=message, sent=True, by=alice, note="They have it.")
    assert world.fresh(message).enrollment.next_step == 2


def test_settling_one_of_two_leaves_the_other_open(world, ready, alice):
    (first, _), (second, _) = ready(), ready(name="Another")
    for message in (first, second):
        world.change(message, status="unknown")
    with world.context():
        outbox.settle_unknown(message=Message.objects.get(pk=first.pk), sent=False, by=alice, note="No.")
    assert (world.fresh(first).status, world.fresh(second).status) == ("not_sent", "unknown")


def test_a_step_that_was_taken_out_is_not_approved(world):
    mailbox = world.mailbox()
    enrollment = world.enroll(world.campaign(mailbox), world.lead())
    with world.context():
        steps.remove_last_step(campaign=enrollment.campaign)
    with pytest.raises(Conflict, match="taken out"):
        world.approve(enrollment, 5)


def test_answers_are_no_steps_when_the_order_is_checked(world, ready):
    message = world.fresh(ready()[0])
    second = world.approve(message.enrollment, 2)
    for one, fields in ((message, {"status": "sent"}), (second, {"raw": b"x", "status": "queued"})):
        world.change(one, **fields)
    other = of_no_campaign(world, world.mailbox())
    world.change(other, enrollment=message.enrollment, status="sent")
    with world.context():
        found = clearance.gather(org_id=world.org.pk, messages=[world.fresh(second)], now=clock.now())
    assert found[0].steps_sent == {1}


def test_an_intent_whose_commit_was_not_heard_of_is_taken_back(world, ready):
    message, mailbox = ready()
    [held] = claim(world, mailbox)
    assert ledger.begin(held)
    batches._take_back(held)
    message = world.fresh(message)
    assert (message.status, message.reserved) == ("queued", [])
    with world.context():
        assert message.send_attempts.get().outcome == "not_sent"
