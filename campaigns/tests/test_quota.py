"""Caps: counted exactly, given back exactly, growing while a mailbox is warmed up."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from campaigns.models import MailboxStatus
from campaigns.services import delivery, outcomes, quota
from leadpilot.lib import clock
from leads.models import LeadStatus

pytestmark = pytest.mark.django_db


def cap(scope, limit):
    return quota.Cap(scope, "2026-11-21", limit, scope)


def places(world, *caps):
    return quota.Places(org_id=world.org.pk, caps=caps)


def used(world, scope, period="2026-11-21"):
    return quota.used(org_id=world.org.pk, scope=scope, period=period)


def test_places_are_taken_together_or_not_at_all(world):
    with world.context():
        wide, narrow = cap("org", 5), cap("mailbox:1", 1)
        found = places(world, wide, narrow, narrow)
        assert found.take([wide, narrow]) is None
        assert found.take([wide, narrow]) == narrow
        assert found.take([wide]) is None
        assert used(world, "org") == 0
        found.write()
        assert (used(world, "org"), used(world, "mailbox:1")) == (2, 1)
        again = places(world, wide, narrow)
        assert again.take([narrow]) == narrow
        again.write()
        assert (used(world, "org"), used(world, "mailbox:1")) == (2, 1)


def test_a_lowered_cap_leaves_no_places_and_takes_none_away(world):
    with world.context():
        assert quota.reserve(org_id=world.org.pk, scope="org", period="2026-11-21", limit=10, n=6)
        assert places(world, cap("org", 5)).take([cap("org", 5)]) == cap("org", 5)
        assert used(world, "org") == 6


def test_places_come_back_and_never_below_nothing(world):
    with world.context():
        found = places(world, cap("org", 2))
        found.take([cap("org", 2)])
        found.take([cap("org", 2)])
        found.write()
        for _ in range(2):
            quota.give_back(org_id=world.org.pk, taken=[["org", "2026-11-21"]] * 2)
        assert used(world, "org") == 0
        assert quota.reserve(org_id=world.org.pk, scope="org", period="2026-11-21", limit=1)


def test_several_places_are_taken_at_once_or_none(world):
    with world.context():
        take = {"org_id": world.org.pk, "scope": "org", "period": "2026-11-21", "limit": 10}
        assert quota.reserve(**take, n=7)
        assert not quota.reserve(**take, n=4)
        assert quota.reserve(**take, n=3)
        assert not quota.reserve(**take | {"period": "2026-11-22", "limit": 3}, n=4)
        assert quota.full(org_id=world.org.pk, caps=[cap("org", 11), cap("org", 10)]).limit == 10


def test_a_cap_that_is_lowered_in_the_middle_of_the_day_holds(world):
    with world.context():
        take = {"org_id": world.org.pk, "scope": "org", "period": "2026-11-21"}
        assert quota.reserve(**take, limit=10, n=6)
        assert not quota.reserve(**take, limit=5)


def test_a_mailbox_is_warmed_up_day_by_day_until_its_cap(world):
    mailbox = world.mailbox(daily_cap=30, ramp_start=10, ramp_step=8, ramp_started_at=date(2026, 11, 20))
    caps = [quota.ramped_cap(mailbox, date(2026, 11, 19) + timedelta(days=i)) for i in range(6)]
    assert caps == [10, 10, 18, 26, 30, 30]
    mailbox.ramp_started_at = None
    assert quota.ramped_cap(mailbox, date(2026, 11, 20)) == 30


def test_the_installations_own_limit_counts_too(world, settings):
    settings.MAX_EMAILS_PER_DAY = 3
    mailbox = world.mailbox()
    campaign = world.campaign(mailbox)
    for _ in range(5):
        world.approve(world.enroll(campaign, world.lead()))
    assert delivery.drain(org_id=world.org.pk, mailbox_id=mailbox.pk).counts == {"sent": 3}


def test_the_day_of_a_cap_is_the_organizations_own(world):
    world.change(world.org, time_zone="Pacific/Kiritimati")
    mailbox = world.mailbox()
    with world.context():
        world.org.refresh_from_db()
        caps = quota.caps_for(org=world.org, mailbox=mailbox, campaign=None, now=clock.now())
    ahead = (clock.now() + timedelta(hours=14)).date().isoformat()
    assert {each.period for each in caps} == {ahead}


def test_a_mailbox_that_is_paused_already_is_not_paused_again(world):
    mailbox = world.mailbox(status="paused", status_reason="By hand.")
    with world.context():
        assert not outcomes.mailbox_at_fault(org_id=world.org.pk, mailbox_id=mailbox.pk, said="Other.")
    mailbox = world.fresh(mailbox)
    assert (mailbox.status, mailbox.status_reason) == (MailboxStatus.PAUSED, "By hand.")


def test_a_lead_that_came_further_stays_there_when_a_mail_leaves(world, ready):
    message, mailbox = ready()
    world.change(world.fresh(message).lead, status="meeting")
    delivery.drain(org_id=world.org.pk, mailbox_id=mailbox.pk)
    assert world.fresh(message).lead.status == LeadStatus.MEETING
    assert world.fresh(message).lead.last_interaction_at is not None
