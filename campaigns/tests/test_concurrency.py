"""Many workers at once: caps exact, nothing sent twice, dead workers taken over from. Real commits, real threads."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection

from campaigns.models import Message, Quota, SendAttempt
from campaigns.services import delivery, finders, ledger, outbox, quota
from campaigns.smtp import Limits, Outcome, Result
from leadpilot.lib import clock
from leadpilot.lib.errors import Conflict
from leadpilot.orgs.services import halt
from leadpilot.orgs.tenancy import org_context

pytestmark = pytest.mark.django_db(transaction=True)


def in_threads(count, work):
    """Run `work(i)` in this many threads at once; their connections are closed."""
    barrier = threading.Barrier(count)

    def run(i):
        barrier.wait()
        try:
            return work(i)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def drain(mailbox, **options):
    limits = Limits(connect=10, before_dot=10, after_dot=10)
    return delivery.drain(org_id=mailbox.org_id, mailbox_id=mailbox.pk, limits=limits, **options)


def queue(world, mailbox, count, **campaign):
    made = world.campaign(mailbox, **campaign)
    return [world.approve(world.enroll(made, world.lead())) for _ in range(count)]


def test_a_cap_is_exact_under_sixteen_threads(org):
    def take(_):
        taken = 0
        for _ in range(10):
            with org_context(org.pk):
                taken += quota.reserve(org_id=org.pk, scope="org", period="2026-11-21", limit=37)
        return taken

    assert sum(in_threads(16, take)) == 37
    with org_context(org.pk):
        assert Quota.objects.get(scope="org").used == 37


def test_two_drains_of_a_mailbox_never_send_a_message_twice(world, sink):
    mailbox = world.mailbox()
    messages = queue(world, mailbox, 24)
    done = in_threads(4, lambda _: drain(mailbox, batch=3))
    assert sum(each.counts.get("sent", 0) for each in done) == 24
    ids = [mail.message_id for mail in sink.accepted]
    assert sorted(ids) == sorted(m.message_id for m in messages)


def test_the_daily_cap_holds_over_mailboxes_and_threads(world, sink, org):
    world.change(org, max_emails_per_day=10)
    mailboxes = [world.mailbox() for _ in range(4)]
    for mailbox in mailboxes:
        queue(world, mailbox, 5, name=mailbox.email)
    in_threads(8, lambda i: drain(mailboxes[i % 4], batch=2))
    assert len(sink.accepted) == 10
    with world.context():
        assert Message.objects.filter(status="queued").count() == 10
        assert Message.objects.exclude(status="queued").exclude(status="sent").count() == 0
        waiting = Message.objects.filter(status="queued").exclude(status_reason="").first()
        assert Quota.objects.get(scope="org").used == 10
    assert waiting is not None


def test_halting_stops_a_drain_in_the_middle(world, sink, org):
    mailbox = world.mailbox()
    queue(world, mailbox, 10)

    def stop_after_three():
        if len(sink.accepted) == 3:
            with org_context(org.pk):
                halt(org=org, by=None)
            connection.close()

    sink.before_accept = stop_after_three
    drain(mailbox)
    assert 3 <= len(sink.accepted) <= 4
    with world.context():
        assert Message.objects.filter(status="queued").count() == 10 - len(sink.accepted)
        assert set(Message.objects.values_list("status", flat=True)) == {"queued", "sent"}
    assert finders.due_mailboxes(clock.now()) == []


@pytest.mark.parametrize(("moment", "word"), [("connect", b"220 at last"), ("DATA", b"354 go on")])
def test_a_server_that_is_slow_meets_a_second_look_before_the_last_dot(world, sink, org, moment, word):
    mailbox = world.mailbox()
    [message] = queue(world, mailbox, 1)

    def slowly(talk):
        time.sleep(1.2)  # longer than a look at the rules is good for
        with org_context(org.pk):
            halt(org=org, by=None)
        connection.close()
        talk.write(word + b"\r\n")

    sink.answers[moment] = [slowly]
    drain(mailbox)
    assert sink.accepted == []
    assert world.fresh(message).status == "queued"


def test_approving_twice_at_once_makes_one_message(world):
    mailbox = world.mailbox()
    enrollment = world.enroll(world.campaign(mailbox), world.lead())

    def approve(_):
        try:
            world.approve(enrollment)
        except Conflict:
            return "conflict"
        return "approved"

    assert sorted(in_threads(4, approve)) == ["approved", "conflict", "conflict", "conflict"]


def test_cancelling_and_claiming_at_once_ends_one_way_or_the_other(world, sink):
    mailbox = world.mailbox()
    messages = queue(world, mailbox, 12)

    def work(i):
        if i == 0:
            return drain(mailbox, batch=2).counts.get("sent", 0)
        cancelled = 0
        for message in messages:
            with world.context():
                try:
                    outbox.cancel_message(message=message, reason="Undone.")
                    cancelled += 1
                except Conflict:
                    continue
        return cancelled

    sent, cancelled = in_threads(2, work)
    assert sent + cancelled == 12
    assert len(sink.accepted) == sent
    with world.context():
        counters = {q.scope: q.used for q in Quota.objects.all()}
    assert counters.get("org", 0) == sent


def claim(world, mailbox, owner="me"):
    return ledger.claim_batch(org_id=world.org.pk, mailbox_id=mailbox.pk, owner=owner)


def expire(world, message):
    world.change(message, lease_until=clock.now() - timedelta(minutes=1))


def test_a_worker_that_dies_before_it_begins_loses_nothing(world):
    mailbox = world.mailbox()
    [message] = queue(world, mailbox, 1)
    [held] = claim(world, mailbox)
    assert claim(world, mailbox, "other") == []
    assert finders.orgs_with_expired_leases() == []
    expire(world, message)
    assert finders.orgs_with_expired_leases() == [world.org.pk]
    assert ledger.reap(org_id=world.org.pk) == (1, 0)
    message = world.fresh(message)
    assert (message.status, message.attempts, message.reserved) == ("queued", 1, [])
    assert ledger.begin(held) is False
    assert drain(mailbox).counts == {"sent": 1}


def test_a_worker_that_dies_while_sending_leaves_an_unknown_message(world, sink):
    mailbox = world.mailbox()
    [message] = queue(world, mailbox, 1)
    [held] = claim(world, mailbox)
    assert ledger.begin(held)
    expire(world, message)
    assert ledger.reap(org_id=world.org.pk) == (0, 1)
    assert world.fresh(message).status == "unknown"
    with world.context():
        assert SendAttempt.objects.get().outcome == "unknown"
    assert drain(mailbox).counts == {}
    assert sink.accepted == []


def test_a_worker_given_up_on_that_knows_it_was_sent_is_believed(world):
    mailbox = world.mailbox()
    [message] = queue(world, mailbox, 1)
    [held] = claim(world, mailbox)
    ledger.begin(held)
    expire(world, message)
    ledger.reap(org_id=world.org.pk)
    assert ledger.finish(held, Result(Outcome.RETRY, "mail")) == "unknown"
    assert ledger.finish(held, Result(Outcome.SENT, "after_dot", 250, "2.0.0 ok")) == "sent"
    assert ledger.finish(held, Result(Outcome.SENT, "after_dot", 250, "2.0.0 ok")) == ""
    assert world.fresh(message).enrollment.next_step == 2


def test_a_fence_stops_a_worker_whose_message_was_claimed_again(world):
    mailbox = world.mailbox()
    [message] = queue(world, mailbox, 1)
    [old] = claim(world, mailbox, "old")
    expire(world, message)
    ledger.reap(org_id=world.org.pk)
    [new] = claim(world, mailbox, "new")
    assert new.attempt == 2
    assert ledger.begin(old) is False
    assert world.fresh(message).lease_owner == "new"
    assert ledger.begin(new)
    assert ledger.finish(old, Result(Outcome.SENT, "after_dot", 250)) == ""
    assert world.fresh(message).status == "sending"
