"""A batch in which something breaks: what was accepted is on record, what was not begun goes back."""

from __future__ import annotations

import time

import pytest
from django.db import InterfaceError, OperationalError

from campaigns.models import Message
from campaigns.services import batches, delivery, ledger, line
from campaigns.smtp import Limits

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def claims(world, sink):
    mailbox = world.mailbox()
    made = world.campaign(mailbox)
    for _ in range(3):
        world.approve(world.enroll(made, world.lead()))
    return ledger.claim_batch(org_id=world.org.pk, mailbox_id=mailbox.pk, owner="me")


@pytest.fixture
def telephone(world, claims):
    mailbox = world.fresh(Message(pk=claims[0].message_id)).mailbox
    found = line.Line(delivery.server_of(mailbox), Limits(3, 3, 3))
    yield found
    found.hang_up()


def statuses(world):
    with world.context():
        return sorted(Message.objects.values_list("status", flat=True))


def test_what_was_accepted_is_written_down_though_the_next_one_breaks(world, claims, telephone, monkeypatch):
    told = []
    batch = batches.Batch(claims, telephone, told.append)
    real = telephone.send

    def send(claim, looked_at):
        if claim is claims[1]:
            raise ZeroDivisionError
        return real(claim, looked_at)

    monkeypatch.setattr(telephone, "send", send)
    with pytest.raises(ZeroDivisionError):
        batch.send(time.monotonic() + 20)
    assert told == ["sent"]
    assert statuses(world) == ["queued", "sending", "sent"]


def test_when_the_time_is_up_nothing_is_begun(world, claims, telephone):
    told = []
    batches.Batch(claims, telephone, told.append).send(time.monotonic())
    assert told == []
    assert statuses(world) == ["queued"] * 3
    assert telephone.connection is None


def test_a_message_that_was_taken_back_meanwhile_is_passed_over(world, claims, telephone, sink):
    world.change(Message(pk=claims[1].message_id), status="cancelled", lease_until=None)
    told = []
    batches.Batch(claims, telephone, told.append).send(time.monotonic() + 20)
    assert told == ["sent", "sent"]
    assert statuses(world) == ["cancelled", "sent", "sent"]
    assert len(sink.accepted) == 2


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_a_write_waits_for_a_database_that_is_away(monkeypatch, error):
    monkeypatch.setattr(line.time, "sleep", lambda seconds: None)
    failures = [error("away"), error("away")]

    def write():
        if failures:
            raise failures.pop()
        return "written"

    assert line.surely(write) == "written"


def test_a_database_that_stays_away_is_not_waited_for_for_ever(monkeypatch):
    monkeypatch.setattr(line, "PATIENCE", -1.0)

    def write():
        raise OperationalError("away")

    with pytest.raises(OperationalError):
        line.surely(write)
