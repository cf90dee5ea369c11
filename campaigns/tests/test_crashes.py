"""A worker is killed at each named place, and the database is taken away: nothing is sent twice, nothing is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from django.db import connection

from campaigns.models import Quota, SendAttempt
from campaigns.services import delivery, ledger
from campaigns.smtp import Limits
from leadpilot.lib import clock, failpoints

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def worker(django_db_setup, django_db_blocker):
    """One process for all kills of this file; each kill is a fork of it."""
    with django_db_blocker.unblock():
        database = connection.settings_dict["NAME"]
    environment = {**os.environ, "LEADPILOT_FAULT_TESTS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, database],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline().strip() == "ready"
    yield process
    process.stdin.close()
    process.wait(10)


# The child may connect to any port of this machine, as the tests' sinks come and go.
_PROGRAM = """
import sys
from leadpilot.lib import outbound
outbound._opened_by_settings = lambda host, port, resolver, timeout: (
    [outbound.Target(host, port)] if host == "127.0.0.1" else [])
from campaigns.tests.crash import main
main()
"""


def kill_at(worker, world, mailbox, plan):
    """Drain in a child that dies by this plan; its exit status (9 is SIGKILL)."""
    worker.stdin.write(f"{world.org.pk} {mailbox.pk} {plan}\n")
    worker.stdin.flush()
    return int(worker.stdout.readline())


def recover(world, message, mailbox):
    """What the sweeper does once the leases are over."""
    with world.context():
        type(message).objects.filter(status__in=["claimed", "sending"]).update(
            lease_until=clock.now() - timedelta(minutes=10)
        )
    ledger.reap(org_id=world.org.pk)
    delivery.drain(org_id=world.org.pk, mailbox_id=mailbox.pk, limits=Limits(5, 5, 5))
    return world.fresh(message)


KILLS = [
    ("ledger.before_claim_commit", "sent", 1),
    ("ledger.before_intent_commit", "sent", 1),
    ("ledger.after_intent", "unknown", 0),
    ("smtp.mail", "unknown", 0),
    ("smtp.rcpt", "unknown", 0),
    ("smtp.data", "unknown", 0),
    ("smtp.body", "unknown", 0),
    ("smtp.before_dot", "unknown", 0),
    ("smtp.dot", "unknown", 0),
    ("smtp.after_dot", "unknown", 1),
    ("ledger.before_finish_commit", "unknown", 1),
    ("ledger.after_finish", "sent", 1),
]


@pytest.mark.parametrize(("place", "status", "accepted"), KILLS)
def test_a_worker_killed_at_any_place_sends_once_or_leaves_it_unknown(
    worker, world, ready, sink, place, status, accepted
):
    message, mailbox = ready()
    assert kill_at(worker, world, mailbox, f"{place}=kill") == 9
    message = recover(world, message, mailbox)
    assert message.status == status
    assert len(sink.accepted) == accepted
    message = recover(world, message, mailbox)
    assert (message.status, len(sink.accepted)) == (status, accepted)
    with world.context():
        used = {q.scope: q.used for q in Quota.objects.all()}
        assert used["org"] == 1
        outcomes = list(SendAttempt.objects.filter(message=message).values_list("outcome", flat=True))
        assert outcomes == [status]


def test_a_worker_killed_in_the_middle_of_a_batch_loses_only_what_it_held(worker, world, sink):
    mailbox = world.mailbox()
    campaign = world.campaign(mailbox)
    messages = [world.approve(world.enroll(campaign, world.lead())) for _ in range(8)]
    assert kill_at(worker, world, mailbox, "smtp.after_dot=kill@4") == 9
    for message in messages:
        recover(world, message, mailbox)
    statuses = [world.fresh(message).status for message in messages]
    assert sorted(statuses) == ["sent"] * 7 + ["unknown"]
    ids = [mail.message_id for mail in sink.accepted]
    assert len(ids) == len(set(ids)) == 8


def test_a_broken_place_is_an_ordinary_failure(worker, world, ready, sink):
    message, mailbox = ready()
    assert kill_at(worker, world, mailbox, "smtp.rcpt=raise;smtp.mail=sleep:0.1") == 0
    assert world.fresh(message).status == "queued"
    assert sink.accepted == []


def cut_the_database():
    """Every other connection of ours is ended, as a restart would."""
    with psycopg.connect(**_parameters(), autocommit=True) as line:
        line.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where usename = current_user and datname = current_database() and pid <> pg_backend_pid()"
        )


def _parameters():
    asked = connection.get_connection_params()
    return {name: asked[name] for name in ("dbname", "user", "password", "host", "port") if asked.get(name)}


def test_losing_the_database_while_the_answer_is_awaited_loses_no_outcome(world, ready, sink):
    message, mailbox = ready()
    sink.before_accept = cut_the_database
    done = delivery.drain(org_id=world.org.pk, mailbox_id=mailbox.pk, limits=Limits(5, 5, 5))
    assert done.counts == {"sent": 1}
    assert world.fresh(message).status == "sent"
    assert len(sink.accepted) == 1


def test_losing_the_database_at_the_intent_sends_nothing_and_puts_it_back(world, ready, sink, monkeypatch):
    message, mailbox = ready()
    real, cut = failpoints.hit, []

    def hit(name):
        if name == "ledger.before_intent_commit" and not cut:
            cut.append(name)
            cut_the_database()
        real(name)

    monkeypatch.setattr(failpoints, "hit", hit)
    delivery.drain(org_id=world.org.pk, mailbox_id=mailbox.pk, limits=Limits(5, 5, 5))
    assert world.fresh(message).status in ("queued", "sent")
    recover(world, message, mailbox)
    assert world.fresh(message).status == "sent"
    assert len(sink.accepted) == 1
