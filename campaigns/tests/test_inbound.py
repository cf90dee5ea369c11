"""What comes back is kept once, matched, and acted on in the same transaction."""

from __future__ import annotations

from datetime import timedelta

import pytest

from campaigns.models import EnrollmentStatus, InboundMessage, Mailbox, Message, MessageEvent, Thread
from campaigns.services import delivery, inbound, outcomes, threads
from campaigns.tests.mails import bounce, complaint, reply
from leadpilot.lib import clock
from leadpilot.lib.errors import DomainError
from leads.models import LeadStatus, Suppression
from leads.services.leads import set_status

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nobody_listens")]


@pytest.fixture
def sent(world, ready):
    """A message that left, fresh from the database."""
    message, mailbox = ready()
    delivery.drain(org_id=world.org.pk, mailbox_id=mailbox.pk)
    return world.fresh(message)


def receive(world, message, raw, key="1"):
    with world.context():
        mailbox = Mailbox.objects.select_related("org").get(pk=message.mailbox_id)
        return inbound.receive(mailbox=mailbox, raw=raw, source_key=key)


def count(world):
    with world.context():
        return InboundMessage.objects.count()


def test_a_persons_answer_pauses_the_sequence_at_once_and_marks_everything(world, sent):
    second = world.approve(sent.enrollment, 2)
    found = receive(world, sent, reply(sent))
    assert (found.lead_id, found.message_id, found.thread_id) == (sent.lead_id, sent.pk, sent.thread_id)
    assert found.new_text == "Sounds good, call me."
    assert found.header_message_id == "<answer@firm.example>"
    assert not found.is_automatic
    message = world.fresh(sent)
    assert message.replied
    assert message.replied_at is not None
    assert message.lead.status == LeadStatus.REPLIED
    assert message.enrollment.status == EnrollmentStatus.PAUSED
    assert "answered" in message.enrollment.next_reason
    assert message.thread.unread
    assert world.fresh(second).status == "held"
    with world.context():
        assert MessageEvent.objects.filter(message=sent, kind="replied").count() == 1


def test_the_same_mail_is_kept_once_wherever_it_is_found_again(world, sent):
    first = receive(world, sent, reply(sent), "imap:1:7")
    assert receive(world, sent, reply(sent), "imap:1:7") == first
    assert receive(world, sent, reply(sent), "imap:2:1") == first
    assert count(world) == 1


def test_a_repeated_or_missing_message_id_hides_no_mail(world, sent):
    receive(world, sent, reply(sent, "One."), "a")
    receive(world, sent, reply(sent, "Two."), "b")
    receive(world, sent, reply(sent, "Three.", Message_ID=""), "c")
    assert count(world) == 3


def test_it_is_matched_by_address_when_the_headers_are_lost(world, sent):
    found = receive(world, sent, reply(sent, In_Reply_To="", References=""))
    assert found.message_id == sent.pk


def test_an_answer_from_another_address_is_matched_by_its_headers(world, sent):
    found = receive(world, sent, reply(sent, From="Colleague <bob@firm.example>"))
    assert found.lead_id == sent.lead_id
    assert found.from_email == "bob@firm.example"


def test_strangers_and_leads_never_written_to_are_left_alone(world, sent):
    world.lead(email="unwritten@firm.example")
    for sender in ("stranger@elsewhere.example", "unwritten@firm.example", "nonsense", ""):
        assert receive(world, sent, reply(sent, From=sender, In_Reply_To="<x@y>", References="<x@y>")) is None
    assert count(world) == 0


def test_our_own_mail_is_not_an_answer(world, sent):
    assert receive(world, sent, reply(sent, From=sent.from_email)) is None


def test_an_automatic_answer_pauses_but_is_no_reply(world, sent):
    found = receive(world, sent, reply(sent, "I am away.", Auto_Submitted="auto-replied"))
    assert found.is_automatic
    message = world.fresh(sent)
    assert not message.replied
    assert message.lead.status == LeadStatus.EMAILED
    assert message.enrollment.status == EnrollmentStatus.PAUSED


def test_an_answer_proves_that_an_unknown_message_left(world, ready, sink):
    message, mailbox = ready()
    sink.answers["dot"] = [b"what?\r\n"]
    delivery.drain(org_id=world.org.pk, mailbox_id=mailbox.pk)
    assert world.fresh(message).status == "unknown"
    receive(world, message, reply(message))
    message = world.fresh(message)
    assert message.status == "sent"
    assert message.enrollment.next_step == 2
    assert message.enrollment.status == EnrollmentStatus.PAUSED


@pytest.mark.parametrize("original", [True, False])
def test_a_hard_bounce_suppresses_and_stops(world, sent, original):
    found = receive(world, sent, bounce(sent, original=original))
    assert (found.classification, found.is_automatic, found.classified_by) == ("bounce", True, "headers")
    message = world.fresh(sent)
    assert (message.bounced, message.bounce_type) == (True, "hard")
    assert message.lead.status == LeadStatus.BOUNCED
    assert message.enrollment.stop_reason == "bounced"
    with world.context():
        assert Suppression.objects.filter(value=sent.to_email, reason="bounced").exists()


@pytest.mark.parametrize(
    ("status", "said", "action"),
    [
        ("4.2.2", "452 4.2.2 mailbox full", "failed"),
        ("5.2.2", "552 5.2.2 over quota", "failed"),
        ("5.7.1", "550 5.7.1 blocked by policy", "failed"),
    ],
)
def test_a_soft_bounce_is_counted_and_the_sequence_goes_on(world, sent, status, said, action):
    receive(world, sent, bounce(sent, status=status, said=said, action=action))
    message = world.fresh(sent)
    assert (message.bounced, message.bounce_type) == (True, "soft")
    assert message.lead.status == LeadStatus.EMAILED
    assert message.enrollment.status == EnrollmentStatus.ACTIVE


def test_a_notice_of_delay_changes_nothing(world, sent):
    found = receive(world, sent, bounce(sent, status="4.4.1", said="timed out", action="delayed"))
    assert found.classification == "auto_reply"
    assert not world.fresh(sent).bounced


def test_repeated_soft_bounces_count_as_a_hard_one(world, sent):
    for step in (2, 3):
        extra = world.approve(sent.enrollment, step)
        world.change(extra, bounced=True, bounce_type="soft")
    receive(world, sent, bounce(sent, status="4.2.2", said="452 full"))
    assert world.fresh(sent).bounce_type == "hard"
    assert world.fresh(sent).lead.status == LeadStatus.BOUNCED


def test_a_bounce_about_somebody_else_is_left_alone(world, sent):
    raw = bounce(sent, original=False, recipient="someone@else.example")
    assert receive(world, sent, raw) is None
    assert not world.fresh(sent).bounced


def test_a_complaint_suppresses(world, sent):
    receive(world, sent, complaint(sent))
    message = world.fresh(sent)
    assert message.lead.status == LeadStatus.UNSUBSCRIBED
    assert message.enrollment.status == EnrollmentStatus.STOPPED
    with world.context():
        assert Suppression.objects.get().reason == "complained"


def test_too_many_bounces_pause_the_mailbox_and_say_so(world, sent, monkeypatch):
    monkeypatch.setattr(outcomes, "BOUNCE_LEAST", 1)
    receive(world, sent, bounce(sent))
    mailbox = world.fresh(sent.mailbox)
    assert mailbox.status == "paused"
    assert "1 of the last 1 mails bounced" in mailbox.status_reason


def classify(world, found, kind, **fields):
    with world.context():
        found = InboundMessage.objects.select_related("lead", "message").get(pk=found.pk)
        return inbound.record_classification(inbound=found, classification=kind, by="test", **fields)


@pytest.mark.parametrize(
    "kind", ["interested", "not_interested", "question", "objection", "wrong_person", "referral"]
)
def test_a_persons_answer_ends_the_sequence_once_it_is_understood(world, sent, kind):
    held = world.approve(sent.enrollment, 2)
    found = classify(world, receive(world, sent, reply(sent)), kind, reason="They say so.", confidence=0.9)
    assert (found.classification, found.classified_by, found.confidence) == (kind, "test", 0.9)
    enrollment = world.fresh(sent.enrollment)
    assert (enrollment.status, enrollment.stop_reason) == ("stopped", "replied")
    assert world.fresh(held).status == "cancelled"


def test_what_is_not_understood_leaves_it_paused_for_a_person(world, sent):
    classify(world, receive(world, sent, reply(sent)), "other")
    assert world.fresh(sent.enrollment).status == "paused"


def test_an_opt_out_by_reply_is_an_opt_out(world, sent):
    classify(world, receive(world, sent, reply(sent, "Remove me.")), "unsubscribe")
    message = world.fresh(sent)
    assert message.lead.status == LeadStatus.UNSUBSCRIBED
    assert message.unsubscribed
    assert message.enrollment.stop_reason == "unsubscribed"


def away(world, sent, **extracted):
    found = receive(world, sent, reply(sent, "I am away.", Auto_Submitted="auto-replied"))
    classify(world, found, "out_of_office", extracted=extracted)
    return world.fresh(sent.enrollment)


def test_an_absence_moves_the_next_step_behind_the_return(world, sent):
    back = (clock.now() + timedelta(days=30)).date()
    row = away(world, sent, return_date=back.isoformat())
    assert row.status == "active"
    assert row.next_step_at.date() > back
    assert "away until" in row.next_reason


@pytest.mark.parametrize("date", ["", "soon", None, "2999-01-01"])
def test_an_absence_without_a_sensible_date_waits_five_working_days(world, sent, date):
    row = away(world, sent, return_date=date)
    assert row.status == "active"
    assert row.next_step_at > clock.now() + timedelta(days=4)


def test_another_automatic_answer_lets_the_sequence_go_on_as_planned(world, sent):
    planned = world.fresh(sent.enrollment).next_step_at
    found = receive(world, sent, reply(sent, Auto_Submitted="auto-replied"))
    classify(world, found, "auto_reply")
    row = world.fresh(sent.enrollment)
    assert (row.status, row.next_step_at) == ("active", planned)


def test_a_robots_answer_does_not_resume_what_a_persons_answer_paused(world, sent):
    receive(world, sent, reply(sent), "person")
    found = receive(world, sent, reply(sent, "Away.", Auto_Submitted="auto-replied"), "robot")
    classify(world, found, "auto_reply")
    assert world.fresh(sent.enrollment).status == "paused"


def test_a_mail_first_taken_for_a_persons_stops_to_count_when_it_is_an_absence(world, sent):
    found = receive(world, sent, reply(sent, "I am not in."))
    assert not found.is_automatic
    classify(world, found, "out_of_office")
    assert world.fresh(sent.enrollment).status == "active"


def test_a_bounce_recognised_only_when_read_is_soft(world, sent):
    found = receive(world, sent, reply(sent, "could not deliver", Auto_Submitted="auto-generated"))
    classify(world, found, "bounce")
    assert world.fresh(sent).bounce_type == "soft"


def test_a_meeting_is_not_undone_by_an_answer(world, sent):
    with world.context():
        set_status(lead=sent.lead, status=LeadStatus.MEETING)
    receive(world, sent, reply(sent))
    assert world.fresh(sent).lead.status == LeadStatus.MEETING


def test_handling_everything_in_a_thread_makes_it_read(world, sent):
    one = receive(world, sent, reply(sent, "One."), "a")
    two = receive(world, sent, reply(sent, "Two."), "b")
    with world.context():
        inbound.mark_handled(inbound=one)
        assert Thread.objects.get(pk=sent.thread_id).unread
        inbound.mark_handled(inbound=two)
        assert not Thread.objects.get(pk=sent.thread_id).unread


def test_a_thread_can_be_given_away_and_put_to_sleep_until_something_comes(world, sent, alice):
    with world.context():
        threads.assign_thread(thread=sent.thread, to=alice)
        threads.snooze_thread(thread=sent.thread, until=clock.now() + timedelta(days=1))
        with pytest.raises(DomainError):
            threads.snooze_thread(thread=sent.thread, until=clock.now() - timedelta(days=1))
    assert world.fresh(sent).thread.assigned_to_id == alice.pk
    receive(world, sent, reply(sent))
    assert world.fresh(sent).thread.snoozed_until is None


def test_a_listener_that_fails_loses_no_mail(world, sent):
    heard = []

    def broken(found):
        raise ValueError("broken")

    inbound.on_received(broken)
    inbound.on_received(heard.append)
    found = receive(world, sent, reply(sent))
    assert heard == [found]
    assert count(world) == 1


def test_hostile_html_is_harmless_when_it_is_kept(world, sent):
    raw = (
        reply(sent, quoted=False)
        .replace(b"text/plain", b"text/html")
        .replace(
            b"Sounds good, call me.",
            b"<p onclick=x()>Hi</p><script>alert(1)</script><img src=http://e.example/p>",
        )
    )
    found = receive(world, sent, raw)
    assert "script" not in found.body_html
    assert "onclick" not in found.body_html
    assert "img" not in found.body_html
    assert found.new_text == "Hi"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00\xff\xfe",
        b"no headers at all",
        b"From: \r\n\r\n",
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n",
    ],
)
def test_mails_of_any_shape_do_no_harm(world, sent, raw):
    assert receive(world, sent, raw) is None


def test_messages_of_another_organization_are_never_matched(world, sent, other_org):
    from campaigns.tests.conftest import World

    stranger = World(other_org)
    mailbox = stranger.mailbox(email="eve@evil.example")
    with stranger.context():
        mailbox = Mailbox.objects.select_related("org").get(pk=mailbox.pk)
        assert inbound.receive(mailbox=mailbox, raw=reply(sent), source_key="1") is None
    with world.context():
        assert Message.objects.get(pk=sent.pk).replied is False
