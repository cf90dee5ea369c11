"""One lead's way through a campaign."""

from __future__ import annotations

from datetime import timedelta

import pytest

from campaigns.models import Enrollment, StopReason
from campaigns.services import advancing, campaigns, enrollment
from leadpilot.lib import clock
from leadpilot.lib.errors import Conflict, DomainError
from leads.services.leads import set_status
from leads.services.suppression import suppress

pytestmark = pytest.mark.django_db


def test_a_lead_is_in_one_campaign_at_a_time(world):
    mailbox = world.mailbox()
    lead = world.lead()
    first, second = world.campaign(mailbox, name="First"), world.campaign(mailbox, name="Second")
    row = world.enroll(first, lead)
    with pytest.raises(Conflict, match="in this campaign already"):
        world.enroll(first, lead)
    with pytest.raises(Conflict, match="in the campaign “First”"):
        world.enroll(second, lead)
    with world.context():
        enrollment.stop(enrollment=row, reason=StopReason.REMOVED)
    world.enroll(second, lead)
    with pytest.raises(Conflict, match="stopped"):
        world.enroll(first, lead)


def test_who_must_not_be_written_to_is_not_enrolled(world):
    campaign = world.campaign(world.mailbox())
    suppressed, closed = world.lead(), world.lead()
    with world.context():
        suppress(org=world.org, value=suppressed.email, reason="manual")
        set_status(lead=closed, status="archived")
    with pytest.raises(DomainError, match="suppression list"):
        world.enroll(campaign, suppressed)
    with pytest.raises(DomainError, match="is archived"):
        world.enroll(campaign, closed)
    with world.context():
        assert not Enrollment.objects.exists()


def test_an_archived_campaign_takes_nobody(world):
    campaign = world.campaign(world.mailbox())
    with world.context():
        campaigns.archive(campaign=campaign)
    with pytest.raises(DomainError, match="archived"):
        world.enroll(campaign, world.lead())


def test_mailboxes_share_the_load_by_their_size_and_a_lead_keeps_the_one_it_knows(world):
    small, large = world.mailbox(daily_cap=10), world.mailbox(daily_cap=30)
    campaign = world.campaign(small, large)
    leads = [world.lead() for _ in range(8)]
    rows = [world.enroll(campaign, lead) for lead in leads]
    chosen = [row.mailbox_id for row in rows]
    assert (chosen.count(small.pk), chosen.count(large.pk)) == (2, 6)
    world.approve(rows[0])
    with world.context():
        enrollment.stop(enrollment=rows[0], reason=StopReason.REMOVED)
    other = world.campaign(small, large, name="Another")
    assert world.enroll(other, leads[0]).mailbox_id == rows[0].mailbox_id


def test_without_a_working_mailbox_nobody_is_enrolled(world):
    mailbox = world.mailbox()
    campaign = world.campaign(mailbox)
    world.change(mailbox, status="error")
    with pytest.raises(DomainError, match="no mailbox that is connected"):
        world.enroll(campaign, world.lead())


def test_stopping_cancels_what_waits_and_keeps_the_reason(world):
    row = world.enroll(world.campaign(world.mailbox()), world.lead())
    queued, held = world.approve(row, 1), world.approve(row, 2)
    with world.context():
        assert enrollment.stop(enrollment=row, reason=StopReason.RULE, note="Too big a company.")
        assert not enrollment.stop(enrollment=row, reason=StopReason.REMOVED)
    row = world.fresh(row)
    assert (row.status, row.stop_reason, row.stop_note) == ("stopped", "rule", "Too big a company.")
    assert row.next_step_at is None
    assert {world.fresh(queued).status, world.fresh(held).status} == {"cancelled"}


def test_pausing_and_resuming_are_explained_and_do_nothing_twice(world):
    row = world.enroll(world.campaign(world.mailbox()), world.lead())
    later = clock.now() + timedelta(days=3)
    with world.context():
        assert enrollment.pause(enrollment=row, reason="Holiday.")
        assert not enrollment.pause(enrollment=row, reason="Again.")
        assert row.next_reason == "Holiday."
        assert enrollment.resume(enrollment=row, at=later, reason="Back.")
        assert not enrollment.resume(enrollment=row, reason="Again.")
    assert (row.status, row.next_step_at, row.next_reason) == ("active", later, "Back.")


def test_a_stopped_sequence_is_not_resumed(world):
    row = world.enroll(world.campaign(world.mailbox()), world.lead())
    with world.context():
        enrollment.stop(enrollment=row, reason=StopReason.REPLIED)
        assert not enrollment.resume(enrollment=row, reason="No.")
        assert not enrollment.pause(enrollment=row, reason="No.")


def test_stopping_a_lead_stops_everything_for_it_and_nobody_else(world):
    campaign = world.campaign(world.mailbox())
    mine, other = world.enroll(campaign, world.lead()), world.enroll(campaign, world.lead())
    message, untouched = world.approve(mine), world.approve(other)
    with world.context():
        assert (
            enrollment.stop_lead(lead=mine.lead, reason=StopReason.MEETING, note="A meeting was booked.") == 1
        )
        assert enrollment.stop_lead(lead=mine.lead, reason=StopReason.MEETING) == 0
    assert world.fresh(message).status == "cancelled"
    assert world.fresh(untouched).status == "queued"


def test_advancing_twice_is_advancing_once(world, ready):
    message, _ = ready()
    with world.context():
        advancing.advance(message=message)
        first = world.fresh(message.enrollment)
        advancing.advance(message=message)
        assert world.fresh(message.enrollment).next_step_at == first.next_step_at
    assert first.next_step == 2
