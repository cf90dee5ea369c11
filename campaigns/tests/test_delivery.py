"""A mailbox is drained over a real SMTP conversation: what the sink accepted is compared with what the ledger says."""

from __future__ import annotations

import hashlib
import socket

import pytest

from campaigns.models import EnrollmentStatus, Mailbox, MailboxStatus, Message, MessageEvent, SendAttempt
from campaigns.services import delivery, quota
from campaigns.smtp import ConnectFailed, Limits
from campaigns.tests.sink import accepting, drip, hang_up, silence
from campaigns.windows import local_day, zone_of
from leadpilot.lib import clock, encryption
from leads.models import LeadStatus, Suppression

pytestmark = pytest.mark.django_db
QUICK = Limits(connect=3, before_dot=2, after_dot=2)


def drain(mailbox, **options):
    return delivery.drain(org_id=mailbox.org_id, mailbox_id=mailbox.pk, limits=QUICK, **options)


def used_today(world, mailbox):
    with world.context():
        day = local_day(clock.now(), zone_of(world.org.time_zone))
        return quota.used(org_id=world.org.pk, scope=f"mailbox:{mailbox.pk}", period=day)


def attempts(world, message):
    with world.context():
        return list(SendAttempt.objects.filter(message=message).order_by("number"))


def test_an_approved_message_leaves_once_with_the_approved_bytes(world, ready, sink):
    message, mailbox = ready()
    assert drain(mailbox).counts == {"sent": 1}
    assert drain(mailbox).counts == {}
    message = world.fresh(message)
    assert [mail.message_id for mail in sink.accepted] == [message.message_id]
    assert sink.accepted[0].sha256 == message.raw_hash == hashlib.sha256(bytes(message.raw)).hexdigest()
    assert sink.accepted[0].rcpt_to == [message.to_email]
    assert sink.accepted[0].mail_from == mailbox.email
    assert message.status == "sent"
    assert message.sent_at is not None
    assert message.lease_until is None
    [attempt] = attempts(world, message)
    assert (attempt.outcome, attempt.phase, attempt.smtp_code) == ("sent", "after_dot", 250)
    assert used_today(world, mailbox) == 1


def test_after_the_first_mail_the_lead_is_emailed_and_the_next_step_is_planned_and_explained(world, ready):
    message, mailbox = ready()
    drain(mailbox)
    message = world.fresh(message)
    assert world.fresh(message.lead).status == LeadStatus.EMAILED
    enrollment = world.fresh(message.enrollment)
    assert (enrollment.status, enrollment.next_step) == ("active", 2)
    assert enrollment.next_step_at > clock.now()
    assert "3 working days after step 1" in enrollment.next_reason


def test_many_messages_go_over_one_connection(world, sink):
    mailbox = world.mailbox()
    campaign = world.campaign(mailbox)
    for _ in range(7):
        world.approve(world.enroll(campaign, world.lead()))
    assert drain(mailbox, batch=3).counts == {"sent": 7}
    assert sink.connections == 1
    assert len({mail.message_id for mail in sink.accepted}) == 7


def test_a_server_that_ends_the_connection_after_some_mails_is_called_again_at_once(world, sink):
    mailbox = world.mailbox()
    campaign = world.campaign(mailbox)
    for _ in range(3):
        world.approve(world.enroll(campaign, world.lead()))
    sink.answers["MAIL"] = [b"250 ok\r\n", b"421 4.7.0 enough for one connection\r\n"]
    assert drain(mailbox).counts == {"sent": 3}
    assert sink.connections == 2


BEFORE_THE_DOT = [
    ("MAIL", b"451 4.3.0 try later\r\n"),
    ("MAIL", b"421 4.3.2 going down\r\n"),
    ("RCPT", b"450 4.2.0 greylisted, come back\r\n"),
    ("RCPT", b"452 4.5.3 too many\r\n"),
    ("RCPT", b"421 4.7.0 slow down\r\n"),
    ("DATA", b"451 4.3.0 not now\r\n"),
    ("dot", b"451 4.3.0 local error\r\n"),
    ("dot", b"452 4.3.1 no space\r\n"),
    ("dot", b"421 4.3.2 going down\r\n"),
]


@pytest.mark.parametrize(("verb", "answer"), BEFORE_THE_DOT)
def test_a_4xx_at_any_verb_defers_with_the_same_bytes_and_gives_the_cap_back(
    world, ready, sink, verb, answer
):
    message, mailbox = ready()
    sink.answers[verb] = [answer]
    assert drain(mailbox).counts == {"deferred": 1}
    before = world.fresh(message)
    assert before.scheduled_for >= clock.now() + delivery.ledger.FIRST_WAIT / 2
    assert used_today(world, mailbox) == 0
    assert sink.accepted == []
    world.change(message, scheduled_for=clock.now())
    assert drain(mailbox).counts == {"sent": 1}
    assert sink.accepted[0].sha256 == before.raw_hash
    assert [a.outcome for a in attempts(world, message)] == ["deferred", "sent"]


HANGING_UP = [
    ("EHLO", hang_up),
    ("MAIL", hang_up),
    ("RCPT", hang_up),
    ("DATA", hang_up),
    ("connect", hang_up),
]
SILENT = [
    ("connect", silence),
    ("EHLO", silence),
    ("AUTH", silence),
    ("MAIL", silence),
    ("RCPT", silence),
    ("DATA", silence),
]
RUBBISH = [
    ("connect", b"HTTP/1.1 400 Bad\r\n\r\n"),
    ("MAIL", b"hello\r\n"),
    ("RCPT", b"250-a\r\n550 b\r\n"),
    ("DATA", b"250 what\r\n"),
]


@pytest.mark.parametrize(("verb", "action"), HANGING_UP + SILENT + RUBBISH)
def test_whatever_breaks_before_the_last_dot_means_not_sent(world, ready, sink, verb, action):
    message, mailbox = ready()
    sink.answers[verb] = [action]
    drain(mailbox)
    message = world.fresh(message)
    assert message.status == "queued"
    assert message.scheduled_for > clock.now()
    assert message.reserved == []
    assert used_today(world, mailbox) == 0
    assert [a.outcome for a in attempts(world, message)] == ["not_sent"]
    assert sink.accepted == []


@pytest.mark.parametrize(
    "action",
    [
        accepting(silence),
        accepting(hang_up),
        hang_up,
        b"hello?\r\n",
        b"250-one\r\n451 two\r\n",
        b"354 again\r\n",
        drip(b"250 2.0.0 taken, but one byte after the other\r\n"),
    ],
)
def test_a_lost_answer_after_the_last_dot_is_unknown_and_never_sent_again(world, ready, sink, action):
    message, mailbox = ready()
    sink.answers["dot"] = [action]
    assert drain(mailbox).counts == {"unknown": 1}
    accepted = len(sink.accepted)
    message = world.fresh(message)
    assert message.status == "unknown"
    assert message.lease_until is None
    assert [a.outcome for a in attempts(world, message)] == ["unknown"]
    world.change(message, scheduled_for=clock.now())
    assert drain(mailbox).counts == {}
    assert len(sink.accepted) == accepted
    assert used_today(world, mailbox) == 1


def test_a_multi_line_answer_of_8_mb_and_one_that_is_not_utf8_are_understood(world, ready, sink):
    long = b"250-" + b"x" * 70 + b"\r\n"
    message, mailbox = ready()
    sink.answers["RCPT"] = [b"250-na\xefve \xff\r\n250 ok\r\n"]
    sink.answers["dot"] = [long * (8_000_000 // len(long)) + b"250 2.0.0 done\r\n"]
    generous = Limits(connect=2, before_dot=2, after_dot=20)
    done = delivery.drain(org_id=mailbox.org_id, mailbox_id=mailbox.pk, limits=generous)
    assert done.counts == {"sent": 1}
    assert len(world.fresh(message).status_reason) <= 1000


@pytest.mark.parametrize(
    ("verb", "answer"),
    [
        ("RCPT", b"550 5.1.1 no such user\r\n"),
        ("RCPT", b"550 No such user here\r\n"),
        ("RCPT", b"553 5.1.3 bad address\r\n"),
        ("dot", b"550 5.1.1 user unknown\r\n"),
        ("RCPT", b"550 5.2.1 mailbox disabled\r\n"),
    ],
)
def test_the_recipients_fault_suppresses_the_lead_and_stops_the_sequence(world, ready, sink, verb, answer):
    message, mailbox = ready()
    sink.answers[verb] = [answer]
    assert drain(mailbox).counts == {"refused": 1}
    message = world.fresh(message)
    assert (message.status, message.bounced, message.bounce_type) == ("refused", True, "hard")
    assert world.fresh(message.lead).status == LeadStatus.BOUNCED
    enrollment = world.fresh(message.enrollment)
    assert (enrollment.status, enrollment.stop_reason) == (EnrollmentStatus.STOPPED, "bounced")
    with world.context():
        assert Suppression.objects.filter(value=message.to_email, reason="bounced").exists()
    assert world.fresh(mailbox).status == MailboxStatus.CONNECTED
    assert used_today(world, mailbox) == 0


@pytest.mark.parametrize(
    ("verb", "answer"),
    [
        ("AUTH", b"535 5.7.8 wrong password\r\n"),
        ("MAIL", b"553 5.7.1 sender rejected\r\n"),
        ("RCPT", b"550 5.7.515 access denied, authenticate your domain\r\n"),
        ("RCPT", b"554 5.7.1 blocked using zen.spamhaus.org\r\n"),
        ("dot", b"550 5.7.26 unauthenticated mail is prohibited: SPF, DKIM\r\n"),
    ],
)
def test_our_fault_pauses_the_mailbox_and_keeps_the_message(world, ready, sink, verb, answer):
    message, mailbox = ready()
    sink.answers[verb] = [answer]
    drain(mailbox)
    message, mailbox = world.fresh(message), world.fresh(mailbox)
    assert message.status in ("queued", "deferred")
    assert mailbox.status == MailboxStatus.PAUSED
    assert answer.decode().split()[0] in mailbox.status_reason
    assert world.fresh(message.lead).status == LeadStatus.NEW
    with world.context():
        assert not Suppression.objects.exists()
    world.change(message, scheduled_for=clock.now())
    assert drain(mailbox).counts == {}
    world.change(mailbox, status="connected", next_send_at=None)
    assert drain(mailbox).counts == {"sent": 1}


@pytest.mark.parametrize(
    "answer",
    [b"554 5.6.0 content rejected\r\n", b"554 5.7.1 Message rejected as spam\r\n", b"552 5.3.4 too big\r\n"],
)
def test_the_contents_fault_refuses_the_message_and_warns(world, ready, sink, answer):
    message, mailbox = ready()
    sink.answers["dot"] = [answer]
    assert drain(mailbox).counts == {"refused": 1}
    message = world.fresh(message)
    assert world.fresh(message.lead).status == LeadStatus.NEW
    assert world.fresh(message.enrollment).stop_reason == "refused"
    assert world.fresh(mailbox).status == MailboxStatus.CONNECTED


def test_a_full_mailbox_of_the_recipient_is_tried_again_later(world, ready, sink):
    message, mailbox = ready()
    sink.answers["RCPT"] = [b"552 5.2.2 mailbox full\r\n"]
    assert drain(mailbox).counts == {"deferred": 1}
    assert world.fresh(world.fresh(message).lead).status == LeadStatus.NEW


def _closed_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_a_server_that_cannot_be_reached_gives_the_mailbox_a_rest_and_is_explained(world, ready, settings):
    message, mailbox = ready()
    closed = _closed_port()
    settings.OUTBOUND_ALLOW = [f"127.0.0.1:{closed}"]
    world.change(mailbox, smtp_port=closed)
    done = drain(mailbox)
    assert done.problem == f"Nothing listens on port {closed} of 127.0.0.1."
    assert world.fresh(message).status == "queued"
    assert world.fresh(mailbox).next_send_at > clock.now()


def test_a_private_host_is_refused_and_pauses_the_mailbox(world, ready, settings):
    message, mailbox = ready()
    settings.OUTBOUND_ALLOW = []
    drain(mailbox)
    mailbox = world.fresh(mailbox)
    assert mailbox.status == MailboxStatus.PAUSED
    assert "private" in mailbox.status_reason
    assert world.fresh(message).status == "queued"


def test_spacing_sends_one_and_plans_the_next_without_sleeping(world, sink):
    mailbox = world.mailbox(min_spacing_seconds=60)
    campaign = world.campaign(mailbox)
    for _ in range(2):
        world.approve(world.enroll(campaign, world.lead()))
    assert drain(mailbox).counts == {"sent": 1}
    wait = (world.fresh(mailbox).next_send_at - clock.now()).total_seconds()
    assert 55 < wait <= 90
    with clock.travel(delivery.timedelta(seconds=91)):
        assert drain(mailbox).counts == {"sent": 1}


def test_short_spacing_is_waited_for(world, sink):
    mailbox = world.mailbox(min_spacing_seconds=1)
    campaign = world.campaign(mailbox)
    for _ in range(2):
        world.approve(world.enroll(campaign, world.lead()))
    assert drain(mailbox).counts == {"sent": 2}
    assert sink.accepted[1].at - sink.accepted[0].at >= 0.9


def test_the_timeline_knows_each_event_once(world, ready, sink):
    message, mailbox = ready()
    drain(mailbox)
    with world.context():
        kinds = list(
            MessageEvent.objects.filter(message=message)
            .order_by("happened_at")
            .values_list("kind", flat=True)
        )
    assert sorted(kinds) == ["approved", "queued", "sent"]


def test_a_time_out_of_the_budget_puts_the_rest_back(world, sink):
    mailbox = world.mailbox()
    campaign = world.campaign(mailbox)
    for _ in range(3):
        world.approve(world.enroll(campaign, world.lead()))
    sink.delay_at_dot = 3
    patient = Limits(connect=10, before_dot=10, after_dot=20)
    done = delivery.drain(org_id=mailbox.org_id, mailbox_id=mailbox.pk, limits=patient, budget=2.5)
    assert done.counts == {"sent": 1}
    with world.context():
        assert Message.objects.filter(status="queued", reserved=[]).count() == 2
        assert Mailbox.objects.get(pk=mailbox.pk).status == "connected"
    assert used_today(world, mailbox) == 1


def test_a_password_that_no_longer_opens_pauses_the_mailbox_and_says_what_to_do(world, ready, settings):
    message, mailbox = ready()
    settings.ENCRYPTION_KEYS = encryption.parse_keys([f"other:{encryption.generate_key()}"])
    assert "enter the password again" in drain(mailbox).problem
    assert world.fresh(mailbox).status == MailboxStatus.PAUSED
    assert world.fresh(message).status == "queued"


@pytest.mark.parametrize(
    ("kind", "failures", "paused"), [("timeout", 1, False), ("timeout", 10, True), ("dns", 2, False)]
)
def test_a_mailbox_without_connection_rests_and_is_paused_when_it_does_not_get_better(
    world, kind, failures, paused
):
    mailbox = world.mailbox()
    world.change(mailbox, send_failures=failures - 1)
    error = ConnectFailed(kind, "No way there.", permanent=kind == "dns", phase="connect")
    delivery.mailbox_trouble(org_id=world.org.pk, mailbox_id=mailbox.pk, error=error)
    mailbox = world.fresh(mailbox)
    assert (mailbox.status == MailboxStatus.PAUSED) is paused
    assert mailbox.send_failures == failures
    assert mailbox.next_send_at > clock.now()


def test_the_wait_doubles_and_ends_at_four_hours():
    waits = [delivery.ledger.back_off(n).total_seconds() / 60 for n in range(1, 12)]
    assert waits[:4] == [5, 10, 20, 40]
    assert waits[-1] == 240
