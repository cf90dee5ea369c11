"""Mails that were found in Sent after a restore: what waits is sent, what is not known is written down, each once."""

from __future__ import annotations

from datetime import timedelta
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import pytest

from campaigns.models import Campaign, Enrollment, EnrollmentStatus, Mailbox, Message, MessageStatus, Quota
from campaigns.rendering import new_message_id
from campaigns.services import ledger, outbox
from campaigns.services.enrollment import pause
from campaigns.smtp import Outcome, Result
from leadpilot.lib import clock
from leadpilot.lib import verdict as verdicts
from leadpilot.lib.ids import new_id
from leads.models import Lead

pytestmark = pytest.mark.django_db
NOTE = "It is in the Sent folder."


@pytest.fixture
def mailbox(world: Any) -> Mailbox:
    """A mailbox."""
    found: Mailbox = world.mailbox()
    return found


@pytest.fixture
def campaign(world: Any, mailbox: Mailbox) -> Campaign:
    """A campaign that sends from it."""
    made: Campaign = world.campaign(mailbox)
    return made


@pytest.fixture
def enrolled(world: Any, campaign: Campaign) -> Enrollment:
    """A lead whose sequence is at its first step."""
    made: Enrollment = world.enroll(campaign, world.lead())
    return made


def mail(mailbox: Mailbox, to: str, message_id: str, *, unsubscribe: bool = True) -> bytes:
    """A mail as it lies in Sent."""
    made = EmailMessage()
    made["From"], made["To"], made["Subject"], made["Message-ID"] = mailbox.email, to, "Step 1", message_id
    if unsubscribe:
        made["List-Unsubscribe"] = "<https://leadpilot.example/u/x/>"
    made.set_content("Hello.")
    return made.as_bytes()


def found(world: Any, message: Message) -> bool:
    with world.context():
        one = Message.objects.select_related("org").get(pk=message.pk)
        raw = mail(message.mailbox, message.to_email, message.message_id)
        return outbox.found_in_sent(message=one, raw=raw, at=clock.now(), note=NOTE)


def record(
    world: Any, mailbox: Mailbox, lead: Lead, *, unsubscribe: bool = True, pk: UUID | None = None
) -> Message | None:
    pk = pk or new_id()
    message_id = new_message_id(pk, mailbox.email)
    with world.context():
        return outbox.record_found(
            mailbox=Mailbox.objects.select_related("org").get(pk=mailbox.pk),
            lead=lead,
            pk=pk,
            message_id=message_id,
            raw=mail(mailbox, lead.email, message_id, unsubscribe=unsubscribe),
            at=clock.now() - timedelta(minutes=5),
            note=NOTE,
        )


def places(world: Any) -> list[int]:
    """How much is used of each cap that was counted."""
    with world.context():
        return sorted(Quota.objects.values_list("used", flat=True))


def test_a_queued_mail_that_was_found_is_sent_and_its_sequence_goes_on(
    world: Any, enrolled: Enrollment
) -> None:
    message = world.approve(enrolled)
    assert found(world, message)
    fresh = world.fresh(message)
    assert (fresh.status, fresh.status_reason) == (MessageStatus.SENT, NOTE)
    assert world.fresh(enrolled).next_step == 2
    assert set(places(world)) == {1}


def test_bytes_that_were_fixed_stay_as_they_were(world: Any, enrolled: Enrollment) -> None:
    message = world.fresh(world.approve(enrolled))
    fixed = bytes(message.raw)
    assert found(world, message)
    assert bytes(world.fresh(message).raw) == fixed


def test_a_held_mail_without_bytes_gets_those_that_left(world: Any, enrolled: Enrollment) -> None:
    message = world.approve(enrolled, step=2)
    assert world.fresh(message).raw is None
    assert found(world, message)
    assert b"List-Unsubscribe" in bytes(world.fresh(message).raw)


def test_an_unknown_mail_that_was_found_keeps_the_places_it_has(world: Any, enrolled: Enrollment) -> None:
    message = world.approve(enrolled)
    [claim] = ledger.claim_batch(org_id=world.org.pk, mailbox_id=message.mailbox_id, owner="me")
    assert ledger.begin(claim)
    assert ledger.finish(claim, Result(Outcome.UNKNOWN, "after_dot")) == MessageStatus.UNKNOWN
    before = places(world)
    assert found(world, message)
    assert world.fresh(message).status == MessageStatus.SENT
    assert places(world) == before


def test_what_does_not_wait_any_more_is_left_alone(world: Any, enrolled: Enrollment) -> None:
    message = world.approve(enrolled)
    with world.context():
        outbox.cancel_message(message=Message.objects.get(pk=message.pk), reason="Not now")
    assert not found(world, message)
    assert world.fresh(message).status == MessageStatus.CANCELLED


def test_found_twice_counts_once(world: Any, enrolled: Enrollment) -> None:
    message = world.approve(enrolled)
    assert [found(world, message), found(world, message)] == [True, False]
    assert set(places(world)) == {1}


def test_a_mail_nobody_knows_takes_the_step_whose_turn_it_was_and_pauses_the_sequence(
    world: Any, mailbox: Mailbox, enrolled: Enrollment
) -> None:
    made = record(world, mailbox, enrolled.lead)
    assert made is not None
    assert (made.email_sequence, made.enrollment_id, made.status) == (1, enrolled.pk, MessageStatus.SENT)
    sequence = world.fresh(enrolled)
    assert (sequence.status, sequence.next_reason) == (EnrollmentStatus.PAUSED, NOTE)


def test_an_answer_takes_no_step(world: Any, mailbox: Mailbox, enrolled: Enrollment) -> None:
    made = record(world, mailbox, enrolled.lead, unsubscribe=False)
    assert made is not None
    assert (made.email_sequence, made.campaign_id) == (None, None)
    assert world.fresh(enrolled).status == EnrollmentStatus.PAUSED


def test_a_lead_without_a_sequence_gets_it_written_down_all_the_same(world: Any, mailbox: Mailbox) -> None:
    lead = world.lead()
    made = record(world, mailbox, lead)
    assert made is not None
    assert made.email_sequence is None
    assert world.fresh(lead).last_interaction_at is not None


def test_a_step_that_the_campaign_has_no_more_is_not_taken(
    world: Any, mailbox: Mailbox, enrolled: Enrollment
) -> None:
    world.change(enrolled, next_step=99)
    made = record(world, mailbox, enrolled.lead)
    assert made is not None
    assert made.email_sequence is None


def test_a_paused_sequence_says_what_was_found(world: Any, mailbox: Mailbox, enrolled: Enrollment) -> None:
    lead = enrolled.lead
    with world.context():
        pause(enrollment=enrolled, reason="Asked to wait")
    assert record(world, mailbox, lead) is not None
    assert world.fresh(enrolled).status == EnrollmentStatus.PAUSED


def test_the_same_mail_is_written_down_once(world: Any, mailbox: Mailbox, enrolled: Enrollment) -> None:
    pk, lead = new_id(), enrolled.lead
    assert record(world, mailbox, lead, pk=pk) is not None
    counted = places(world)
    assert record(world, mailbox, lead, pk=pk) is None
    assert places(world) == counted
    with world.context():
        assert Message.objects.filter(lead=lead).count() == 1


def test_nothing_to_judge_is_nothing_against_it() -> None:
    assert verdicts.combine([]).allowed
