"""What workers are woken for finds its own work, over all organizations, and may be repeated or lost."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from campaigns import tasks
from campaigns.models import InboundMessage
from campaigns.services import finders, ledger
from campaigns.tests.conftest import World
from campaigns.tests.mails import reply
from leadpilot.lib import clock, jobs
from leadpilot.orgs.services import halt

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_sweeper_sends_what_is_due_without_any_wake_up(world, ready, sink):
    message, mailbox = ready()
    jobs.run_pending()
    sink.accepted.clear()
    second = world.approve(world.fresh(message).enrollment, 2)
    due = world.fresh(message).enrollment.next_step_at - clock.now() + timedelta(hours=1)
    with clock.travel(due):
        assert finders.orgs_with_due_steps(clock.now()) == [world.org.pk]
        tasks.sweep()
    with clock.travel(due + timedelta(hours=1)):
        assert finders.due_mailboxes(clock.now()) == [(world.org.pk, mailbox.pk)]
        tasks.sweep()
        tasks.sweep()
        jobs.run_pending()
    assert world.fresh(second).status == "sent"
    assert len(sink.accepted) == 1


def test_a_job_that_comes_five_times_sends_once(world, ready, sink):
    _, mailbox = ready()
    for _ in range(5):
        tasks.drain_mailbox(str(world.org.pk), str(mailbox.pk))
    assert len(sink.accepted) == 1


def test_a_halted_organization_is_not_found_and_others_are(world, ready, other_org, sink):
    ready()
    world.change(other_org, postal_address="2 Quay")
    theirs = World(other_org, sink.port)
    other_org.postal_address = "2 Quay"
    with theirs.context():
        other_org.save()
    mailbox = theirs.mailbox(email="eve@other.example")
    theirs.approve(theirs.enroll(theirs.campaign(mailbox), theirs.lead()))
    assert len(finders.due_mailboxes(clock.now())) == 2
    with world.context():
        halt(org=world.org, by=None)
    assert finders.due_mailboxes(clock.now()) == [(other_org.pk, mailbox.pk)]


def test_expired_leases_are_taken_over_by_the_sweeper(world, ready, sink):
    message, mailbox = ready()
    [held] = ledger.claim_batch(org_id=world.org.pk, mailbox_id=mailbox.pk, owner="dead")
    world.change(message, lease_until=clock.now() - timedelta(minutes=1))
    tasks.sweep()
    jobs.run_pending()
    assert world.fresh(message).status == "sent"
    assert held.attempt == 1


def test_mailboxes_are_polled_and_settled_by_wake_ups(world, ready, sink, settings, tmp_path):
    settings.SANDBOX = {**settings.SANDBOX, "enabled": True, "home": tmp_path}
    mailbox = world.mailbox(inbound_kind="maildir")
    message, _ = ready(mailbox)
    jobs.run_pending()
    new = tmp_path / "mail" / mailbox.email / "new"
    new.mkdir(parents=True)
    (new / "1").write_bytes(reply(world.fresh(message)))
    tasks.poll_inboxes()
    tasks.settle()
    jobs.run_pending(limit=5)
    with world.context():
        assert InboundMessage.objects.count() == 1


def test_work_for_a_mailbox_that_is_gone_is_nothing(world):
    tasks.drain_mailbox(str(world.org.pk), str(uuid4()))
    tasks.poll_mailbox(str(world.org.pk), str(uuid4()))
    tasks.settle_mailbox(str(world.org.pk), str(uuid4()))
