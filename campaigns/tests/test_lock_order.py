"""Who waits for whom: rows are locked in one order, so that answers, sends and people never wait in a circle."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from campaigns.models import EnrollmentStatus, InboundMessage, Mailbox, Message, Quota
from campaigns.services import campaigns, delivery, enrollment, inbound, ledger
from campaigns.services.unsubscribe import unsubscribe
from campaigns.smtp import Outcome, Result
from campaigns.tests.mails import bounce, reply
from leadpilot.lib.errors import Conflict

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_listens")]


def queue(world, mailbox, count):
    made = world.campaign(mailbox)
    return [world.approve(world.enroll(made, world.lead())) for _ in range(count)]


def claim(world, mailbox):
    return ledger.claim_batch(org_id=world.org.pk, mailbox_id=mailbox.pk, owner="me")


def locking(captured, table):
    """The positions of the statements that lock or change rows of a table."""
    found = []
    for position, query in enumerate(captured.captured_queries):
        text = query["sql"]
        locks = f'FROM "{table}"' in text and ("FOR UPDATE" in text or "FOR NO KEY UPDATE" in text)
        if locks or text.replace('"', "").startswith(f"UPDATE {table} "):
            found.append(position)
    return found


def assert_counters_last(captured):
    counters = locking(captured, "campaigns_quota")
    others = [
        position
        for table in ("campaigns_message", "campaigns_mailbox", "campaigns_enrollment", "leads_lead")
        for position in locking(captured, table)
        if position not in counters
    ]
    assert counters, "places were given back"
    assert max(others) < min(counters)


def test_archiving_a_campaign_locks_all_its_messages_before_it_returns_a_place(world, sink):
    mailbox = world.mailbox()
    messages = queue(world, mailbox, 3)
    claim(world, mailbox)
    with world.context(), CaptureQueriesContext(connection) as captured:
        campaigns.archive(campaign=world.fresh(messages[0]).campaign)
    counters = locking(captured, "campaigns_quota")
    first_lock = locking(captured, "campaigns_message")[0]
    assert first_lock < counters[0]
    assert captured.captured_queries[first_lock]["sql"].count("FOR UPDATE") == 1
    assert {world.fresh(m).status for m in messages} == {"cancelled"}
    with world.context():
        assert {q.used for q in Quota.objects.all()} == {0}


@pytest.mark.parametrize("answer", ["554 5.7.1 blocked using spamhaus", "550 5.1.1 no such user"])
def test_a_refusal_returns_its_places_after_everything_else(world, answer):
    mailbox = world.mailbox()
    queue(world, mailbox, 1)
    [held] = claim(world, mailbox)
    assert ledger.begin(held)
    code, _, text = answer.partition(" ")
    with CaptureQueriesContext(connection) as captured:
        ledger.finish(held, Result(Outcome.REFUSED, "rcpt", int(code), text))
    assert_counters_last(captured)


def test_a_batch_that_goes_back_is_locked_whole_and_returned_in_one_go(world):
    mailbox = world.mailbox()
    messages = queue(world, mailbox, 4)
    claims = claim(world, mailbox)
    with world.context(), CaptureQueriesContext(connection) as captured:
        ledger.release(claims)
    assert_counters_last(captured)
    assert len(locking(captured, "campaigns_quota")) == 3  # organization, mailbox, campaign
    assert {world.fresh(m).status for m in messages} == {"queued"}
    with world.context():
        assert {q.used for q in Quota.objects.all()} == {0}


def test_releasing_nothing_asks_nothing(world):
    with world.context(), CaptureQueriesContext(connection) as captured:
        ledger.release([])
    assert captured.captured_queries == []


def test_a_claim_that_is_no_longer_held_is_not_released(world):
    mailbox = world.mailbox()
    [message] = queue(world, mailbox, 1)
    [held] = claim(world, mailbox)
    world.change(message, lease_owner="another")
    with world.context():
        ledger.release([held])
    assert world.fresh(message).status == "claimed"


def test_opting_out_locks_the_messages_before_the_lead(world):
    mailbox = world.mailbox()
    [message] = queue(world, mailbox, 1)
    with world.context(), CaptureQueriesContext(connection) as captured:
        unsubscribe(lead=world.fresh(message).lead, origin="test", message=message)
    assert locking(captured, "campaigns_message")[0] < locking(captured, "leads_lead")[0]
    assert world.fresh(message).status == "cancelled"


def test_a_report_locks_its_message_before_its_thread(world, sink):
    mailbox = world.mailbox()
    [message] = queue(world, mailbox, 1)
    delivery.drain(org_id=world.org.pk, mailbox_id=mailbox.pk)
    message = world.fresh(message)
    with world.context(), CaptureQueriesContext(connection) as captured:
        mailbox = Mailbox.objects.select_related("org").get(pk=mailbox.pk)
        inbound.receive(mailbox=mailbox, raw=bounce(message), source_key="1")
    assert locking(captured, "campaigns_message")[0] < locking(captured, "campaigns_thread")[0]


def test_a_message_that_may_never_go_is_turned_down_after_the_claim(world):
    """A claim that locked leads and sequences while it holds messages would wait in a circle with an opt-out."""
    mailbox = world.mailbox()
    [message] = queue(world, mailbox, 1)
    world.change(world.fresh(message).lead, status="archived")
    with CaptureQueriesContext(connection) as captured:
        assert claim(world, mailbox) == []
    ends = [i for i, q in enumerate(captured.captured_queries) if q["sql"] == "COMMIT"]
    assert locking(captured, "campaigns_enrollment")[0] > ends[0]
    message = world.fresh(message)
    assert (message.status, message.enrollment.stop_reason) == ("cancelled", "archived")


class Beside:
    """Work in another thread, inside a transaction of the organization that stays open until `commit`."""

    def __init__(self, world, work):
        self.done, self.go = threading.Event(), threading.Event()
        self._pool = ThreadPoolExecutor(1)
        self._future = self._pool.submit(self._run, world, work)
        assert self.done.wait(20)

    def _run(self, world, work):
        try:
            with world.context():
                work()
                self.done.set()
                assert self.go.wait(60)
        finally:
            self.done.set()
            connection.close()

    def commit(self):
        self.go.set()
        self._future.result(20)
        self._pool.shutdown()


def waits_or_ends(future: Future):
    """Return once the work of a future is over, or is waiting for a lock."""
    for _ in range(400):
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            waiting = cursor.fetchone()[0]
        if waiting or future.done():
            return
        time.sleep(0.05)
    raise AssertionError("it neither ended nor waited")


def test_a_persons_mail_that_is_coming_in_keeps_a_robots_from_letting_the_sequence_go_on(world, sink):
    mailbox = world.mailbox()
    [message] = queue(world, mailbox, 1)
    delivery.drain(org_id=world.org.pk, mailbox_id=mailbox.pk)
    message = world.fresh(message)

    def receive(raw, key):
        box = Mailbox.objects.select_related("org").get(pk=mailbox.pk)
        return inbound.receive(mailbox=box, raw=raw, source_key=key)

    with world.context():
        robot = receive(reply(message, "Your ticket was opened.", Auto_Submitted="auto-replied"), "1")
    person = Beside(world, lambda: receive(reply(message, "Stop, please."), "2"))

    def read_the_robots():
        try:
            with world.context():
                row = InboundMessage.objects.get(pk=robot.pk)
                inbound.record_classification(inbound=row, classification="auto_reply", by="rules")
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read_the_robots)
        waits_or_ends(reading)
        person.commit()
        reading.result(20)
    assert world.fresh(message).enrollment.status == EnrollmentStatus.PAUSED


def test_nothing_is_approved_into_a_sequence_that_is_just_being_stopped(world):
    mailbox = world.mailbox()
    enrolled = world.enroll(world.campaign(mailbox), world.lead())
    stopping = Beside(world, lambda: enrollment.stop(enrollment=enrolled, reason="replied"))
    with pytest.raises(Conflict, match="being changed"):
        world.approve(enrolled)
    stopping.commit()
    with pytest.raises(Conflict, match="ended"):
        world.approve(enrolled)
    with world.context():
        assert not Message.objects.exists()
