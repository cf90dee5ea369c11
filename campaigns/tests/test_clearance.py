"""The second gate: every reason that keeps a mail back, and that each is found before anything leaves."""

from __future__ import annotations

from datetime import time, timedelta

import pytest

from campaigns import clearance, last_look, windows
from campaigns.models import InboundMessage, SendAttempt
from campaigns.rendering import content_hash
from campaigns.services import campaigns, delivery, enrollment, ledger, outbox, quota
from campaigns.services.unsubscribe import unsubscribe
from leadpilot.lib import clock
from leadpilot.lib import verdict as verdicts
from leadpilot.orgs.services import halt, resume
from leads.services.leads import set_status
from leads.services.suppression import suppress

pytestmark = pytest.mark.django_db


def drain(mailbox):
    return delivery.drain(org_id=mailbox.org_id, mailbox_id=mailbox.pk)


def say(world, message):
    with world.context():
        return clearance.clear(message, clock.now())


def codes(verdict):
    return [reason.code for reason in verdict.reasons]


def inbound(world, message, **fields):
    with world.context():
        values = {
            "is_automatic": False,
            "source_key": str(clock.now()),
            "from_email": message.lead.email,
        } | fields
        return InboundMessage.objects.create(
            org=world.org, mailbox=message.mailbox, lead=message.lead, **values
        )


def test_nothing_in_the_way_is_said_too(world, ready):
    message, _ = ready()
    verdict = say(world, message)
    assert verdict.allowed
    assert codes(verdict) == ["clear"]


def hold_by_halt(world, message):
    halt(org=world.org, by=None)


def hold_by_mailbox(world, message):
    world.change(message.mailbox, status="paused", status_reason="bad password")


def hold_by_campaign(world, message):
    campaigns.pause(campaign=message.campaign)


def hold_by_enrollment(world, message):
    type(message.enrollment).objects.filter(pk=message.enrollment_id).update(
        status="paused", next_reason="A break."
    )


def hold_by_window(world, message):
    tomorrow = (clock.now() + timedelta(days=1)).strftime("%A").lower()
    world.change(message.campaign, window_days=[tomorrow], window_start=time(9), window_end=time(17))


def hold_by_order(world, message):
    world.change(message, email_sequence=3)


def hold_by_answer(world, message):
    inbound(world, message)


DEFERRING = {
    "halted": hold_by_halt,
    "mailbox": hold_by_mailbox,
    "campaign": hold_by_campaign,
    "enrollment_paused": hold_by_enrollment,
    "window": hold_by_window,
    "not_its_turn": hold_by_order,
    "answered": hold_by_answer,
}


@pytest.mark.parametrize("code", DEFERRING)
def test_it_waits_for_what_passes(world, ready, sink, code):
    message, mailbox = ready()
    message = world.fresh(message)
    with world.context():
        DEFERRING[code](world, message)
    verdict = say(world, message)
    assert verdict.outcome == "defer"
    assert code in codes(verdict)
    assert drain(mailbox).counts == {}
    assert world.fresh(message).status == "queued"
    assert sink.accepted == []


def forbid_by_list(world, message):
    suppress(org=world.org, value=message.to_email, reason="manual")


def forbid_by_domain(world, message):
    suppress(org=world.org, value=message.to_email.partition("@")[2], reason="manual")


def forbid_by_status(world, message):
    set_status(lead=message.lead, status="archived")


def forbid_by_text(world, message):
    world.change(message, body="Other words.")


def forbid_by_bytes(world, message):
    world.change(message, raw=bytes(message.raw) + b"x")


def forbid_by_address(world, message):
    world.change(message.lead, email="new@firm.example")


def forbid_by_end(world, message):
    world.change(message.enrollment, status="completed")


def forbid_by_passed_step(world, message):
    world.change(message.enrollment, next_step=2)


FORBIDDING = {
    "suppressed": forbid_by_list,
    "suppressed ": forbid_by_domain,
    "lead_closed": forbid_by_status,
    "not_what_was_approved": forbid_by_text,
    "bytes_changed": forbid_by_bytes,
    "address_changed": forbid_by_address,
    "enrollment_over": forbid_by_end,
    "step_over": forbid_by_passed_step,
}


@pytest.mark.parametrize("code", FORBIDDING)
def test_it_is_cancelled_for_what_does_not_pass(world, ready, sink, code):
    message, mailbox = ready()
    message = world.fresh(message)
    with world.context():
        FORBIDDING[code](world, message)
    verdict = say(world, message)
    assert verdict.outcome == "deny"
    assert code.strip() in codes(verdict)
    assert drain(mailbox).counts == {}
    message = world.fresh(message)
    assert message.status == "cancelled"
    assert message.clearance["outcome"] == "deny"
    assert message.status_reason
    assert sink.accepted == []
    if code.strip() in ("suppressed", "lead_closed"):
        assert message.enrollment.status == "stopped"


def test_all_reasons_are_named_at_once(world, ready):
    message, _ = ready()
    message = world.fresh(message)
    with world.context():
        halt(org=world.org, by=None)
        suppress(org=world.org, value=message.to_email, reason="manual")
        campaigns.pause(campaign=message.campaign)
    verdict = say(world, message)
    assert {"halted", "campaign", "suppressed"} <= set(codes(verdict))
    assert verdict.outcome == "deny"


def test_a_follow_up_waits_while_answers_are_not_read(world, ready, sink):
    message, mailbox = ready()
    drain(mailbox)
    second = world.approve(world.fresh(message).enrollment, 2)
    world.change(mailbox, inbound_kind="imap", last_polled_at=clock.now() - timedelta(days=2))
    assert "answers_unread" in codes(say(world, second))
    world.change(mailbox, last_polled_at=clock.now())
    assert "answers_unread" not in codes(say(world, second))


def test_a_follow_up_waits_for_the_step_before_it_to_have_left(world, ready):
    message, _ = ready()
    second = world.approve(world.fresh(message).enrollment, 2)
    world.change(world.fresh(message).enrollment, next_step=2)
    assert "earlier_step" in codes(say(world, second))


def test_an_answer_from_before_the_approval_or_a_resumption_does_not_matter(world, ready):
    message, _ = ready()
    message = world.fresh(message)
    inbound(world, message, created_at=clock.now() - timedelta(minutes=5))
    assert say(world, message).allowed
    inbound(world, message, source_key="robot", is_automatic=True)
    assert say(world, message).allowed
    inbound(world, message, source_key="person")
    assert "answered" in codes(say(world, message))
    with world.context():
        enrollment.pause(enrollment=message.enrollment, reason="x")
        enrollment.resume(enrollment=message.enrollment, reason="Read; go on.")
    assert say(world, message).allowed


def test_full_caps_are_named_and_wait_for_the_next_day(world, ready):
    message, mailbox = ready()
    world.change(mailbox, daily_cap=0)
    verdict = say(world, message)
    assert codes(verdict) == ["cap"]
    assert verdict.until > clock.now()
    assert drain(mailbox).counts == {}
    message = world.fresh(message)
    assert "limit of 0" in message.status_reason
    assert message.scheduled_for <= clock.now() + ledger.obstacles.RECHECK


def test_a_full_campaign_lets_other_campaigns_of_the_mailbox_go(world, sink):
    mailbox = world.mailbox()
    small, large = world.campaign(mailbox, name="Small", daily_cap=2), world.campaign(mailbox, name="Large")
    for campaign in (small, small, small, small, large, large):
        world.approve(world.enroll(campaign, world.lead()))
    assert drain(mailbox).counts == {"sent": 4}
    assert drain(mailbox).counts == {}
    with world.context():
        waiting = type(small).objects.get(pk=small.pk).messages.filter(status="queued")
        assert waiting.count() == 2


def test_a_cap_that_is_raised_takes_effect(world, sink):
    mailbox = world.mailbox(daily_cap=1)
    campaign = world.campaign(mailbox)
    for _ in range(2):
        world.approve(world.enroll(campaign, world.lead()))
    assert drain(mailbox).counts == {"sent": 1}
    world.change(mailbox, daily_cap=5, next_send_at=None)
    with clock.travel(timedelta(minutes=11)):
        assert drain(mailbox).counts == {"sent": 1}


def test_an_upper_app_can_add_a_check_and_a_cap(world, ready, monkeypatch):
    message, mailbox = ready()
    monkeypatch.setattr(clearance, "_REGISTERED", [])
    monkeypatch.setattr(quota, "_EXTRA_CAPS", {})
    clearance.register_check(lambda m, now: verdicts.defer(None, "rule", "A rule says no."))
    assert "rule" in codes(say(world, message))
    assert drain(mailbox).counts == {}
    clearance._REGISTERED.clear()
    quota.register_cap("agent_messages", lambda org_id: 0)
    assert codes(say(world, message)) == ["cap"]
    quota.register_cap("agent_messages", lambda org_id: None)
    with clock.travel(timedelta(minutes=11)):
        assert drain(mailbox).counts == {"sent": 1}


def claimed(world, mailbox):
    [held] = ledger.claim_batch(org_id=world.org.pk, mailbox_id=mailbox.pk, owner="me")
    return held


STOPS = {
    "halt": lambda world, m: halt(org=world.org, by=None),
    "opt-out": lambda world, m: unsubscribe(lead=m.lead, origin="test"),
    "suppression": lambda world, m: suppress(org=world.org, value=m.to_email, reason="manual"),
    "answer": lambda world, m: inbound(world, m),
    "campaign": lambda world, m: campaigns.pause(campaign=m.campaign),
    "enrollment": lambda world, m: enrollment.pause(enrollment=m.enrollment, reason="x"),
    "mailbox": lambda world, m: world.change(m.mailbox, status="paused"),
    "archived": lambda world, m: set_status(lead=m.lead, status="archived"),
}


@pytest.mark.parametrize("stop", STOPS)
def test_whatever_comes_up_after_the_claim_is_seen_before_the_intent(world, ready, stop):
    message, mailbox = ready()
    held = claimed(world, mailbox)
    with world.context():
        STOPS[stop](world, world.fresh(message))
    assert ledger.begin(held) is False
    message = world.fresh(message)
    assert message.status in ("queued", "cancelled")
    assert message.reserved == []
    with world.context():
        assert not message.send_attempts.exists()
        assert {q.used for q in quota.Quota.objects.all()} == {0}


@pytest.mark.parametrize("stop", STOPS)
def test_whatever_comes_up_during_a_slow_conversation_is_seen_before_the_last_dot(world, ready, stop):
    message, mailbox = ready()
    held = claimed(world, mailbox)
    assert ledger.begin(held)
    assert ledger.may_still_go(held)
    with world.context():
        STOPS[stop](world, world.fresh(message))
    assert not ledger.may_still_go(held)


def test_a_claim_of_yesterday_is_not_sent_today(world, ready):
    message, mailbox = ready()
    held = claimed(world, mailbox)
    with clock.travel(timedelta(days=1)):
        assert ledger.begin(held) is False
    assert world.fresh(message).status == "queued"


def tried(world, message, times, phase="rcpt"):
    """The message was claimed so often, and each time something was tried."""
    world.change(message, attempts=times)
    with world.context():
        for number in range(1, times + 1):
            SendAttempt.objects.create(
                org=world.org,
                message=message,
                number=number,
                lease_owner="x",
                outcome="not_sent",
                phase=phase,
            )


def test_claims_that_came_to_nothing_and_servers_that_were_away_wear_no_message_out(world, ready):
    message, mailbox = ready()
    world.change(message, attempts=3 * ledger.MAX_TRIES)
    other, _ = ready(mailbox, name="Another")
    tried(world, other, 2 * ledger.MAX_TRIES, phase="connect")
    assert drain(mailbox).counts == {"sent": 2}


def test_a_message_that_was_tried_too_often_is_given_up(world, ready):
    message, mailbox = ready()
    tried(world, message, ledger.MAX_TRIES)
    assert drain(mailbox).counts == {}
    message = world.fresh(message)
    assert message.status == "refused"
    assert message.enrollment.stop_reason == "refused"


def test_after_the_halt_is_lifted_what_waited_goes(world, ready):
    _, mailbox = ready()
    with world.context():
        halt(org=world.org, by=None)
    assert drain(mailbox).counts == {}
    with world.context():
        resume(org=world.org, by=None)
    assert drain(mailbox).counts == {"sent": 1}


def test_the_values_that_would_forbid_an_address():
    assert last_look.suppression_values("Ann@Mail.Firm.example") == [
        "ann@mail.firm.example",
        "mail.firm.example",
        "firm.example",
        "example",
    ]


def single(world, mailbox, lead, **fields):
    """A message outside of any campaign: an answer when `in_reply_to` is given."""
    with world.context():
        content = content_hash(from_email=mailbox.email, to_email=lead.email, subject="Hi", body="Words.")
        return outbox.approve_message(
            org=world.org,
            lead=lead,
            mailbox=mailbox,
            subject="Hi",
            body="Words.",
            content_hash=content,
            **fields,
        )


def answer(world, mailbox, lead):
    with world.context():
        question = InboundMessage.objects.create(
            org=world.org, mailbox=mailbox, lead=lead, source_key="q", from_email=lead.email
        )
    return single(world, mailbox, lead, in_reply_to=question)


def test_an_answer_is_withheld_when_the_lead_wrote_again(world):
    message = answer(world, world.mailbox(), world.lead())
    message = world.fresh(message)
    assert say(world, message).allowed
    inbound(world, message, source_key="again")
    assert codes(say(world, message)) == ["answered_again"]
    assert drain(message.mailbox).counts == {}
    assert world.fresh(message).status == "cancelled"


def test_an_answer_follows_the_conversation_not_the_sequence(world, ready, sink):
    first, mailbox = ready()
    drain(mailbox)
    first = world.fresh(first)
    with world.context():
        campaigns.pause(campaign=first.campaign)
        enrollment.pause(enrollment=first.enrollment, reason="Answered.")
    tomorrow = (clock.now() + timedelta(days=1)).strftime("%A").lower()
    world.change(first.campaign, window_days=[tomorrow])
    answer(world, mailbox, first.lead)
    assert drain(mailbox).counts == {"sent": 1}


def test_a_message_of_no_campaign_obeys_everything_else(world, sink):
    mailbox, lead = world.mailbox(), world.lead()
    message = single(world, mailbox, lead)
    with world.context():
        suppress(org=world.org, value=lead.email, reason="manual")
    assert drain(mailbox).counts == {}
    assert world.fresh(message).status == "cancelled"
    other = single(world, mailbox, world.lead())
    tried(world, other, ledger.MAX_TRIES)
    assert drain(mailbox).counts == {}
    assert world.fresh(other).status == "refused"


def test_spacing_is_named(world, ready):
    message, mailbox = ready()
    world.change(mailbox, next_send_at=clock.now() + timedelta(seconds=40))
    assert codes(say(world, message)) == ["spacing"]


def test_the_same_check_counts_once(monkeypatch):
    monkeypatch.setattr(clearance, "_REGISTERED", [])

    def check(message, now):
        return None

    clearance.register_check(check)
    clearance.register_check(check)
    assert [clearance.Registered(check)] == clearance._REGISTERED


def test_a_check_that_allows_is_kept_among_the_reasons(world, ready, monkeypatch):
    message, _ = ready()
    monkeypatch.setattr(clearance, "_REGISTERED", [])
    clearance.register_check(lambda m, now: verdicts.allow("rule", "A rule says yes."))
    assert codes(say(world, message)) == ["rule", "clear"]


def test_a_claim_that_was_cancelled_meanwhile_is_not_begun(world, ready):
    message, mailbox = ready()
    held = claimed(world, mailbox)
    with world.context():
        outbox.cancel_message(message=message, reason="Undone.")
        assert {q.used for q in quota.Quota.objects.all()} == {0}
    assert ledger.begin(held) is False
    with world.context():
        ledger.release([held])
    assert world.fresh(message).status == "cancelled"


def test_a_claim_is_not_begun_after_the_sending_window_closed(world, ready):
    message, mailbox = ready()
    noon = windows.next_midnight(clock.now(), windows.zone_of(world.org.time_zone)) + timedelta(hours=12)
    world.change(world.fresh(message).campaign, window_end=time(12, 2))
    with clock.travel(noon - clock.now()):
        held = claimed(world, mailbox)
        with clock.travel(timedelta(minutes=3)):
            assert ledger.begin(held) is False
        assert world.fresh(message).status == "queued"
        assert ledger.begin(claimed(world, mailbox))


def test_a_deferred_message_of_a_bounced_lead_ends_its_sequence_as_bounced(world, ready):
    message, mailbox = ready()
    world.change(message, status="deferred")
    with world.context():
        set_status(lead=world.fresh(message).lead, status="bounced")
    assert drain(mailbox).counts == {}
    assert world.fresh(message).enrollment.stop_reason == "bounced"
