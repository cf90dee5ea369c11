"""Campaigns: made with the five steps of the seed, checked before they start, paused and archived."""

from __future__ import annotations

from datetime import time

import pytest

from campaigns.models import CampaignStatus
from campaigns.services import campaigns, delivery
from leadpilot.lib.errors import Conflict, DomainError

pytestmark = pytest.mark.django_db


def create(world, *mailboxes, **fields):
    with world.context():
        return campaigns.create_campaign(org=world.org, mailboxes=mailboxes, **({"name": "Autumn"} | fields))


def test_a_new_campaign_has_the_five_steps_of_the_seed(world):
    campaign = create(world, world.mailbox())
    with world.context():
        steps = list(campaign.steps.values_list("number", "type", "tone", "personalization_depth", "length"))
        delays = list(campaign.steps.values_list("delay_days", flat=True))
    assert steps == [
        (1, "introduction", "professional_friendly", "high", "short"),
        (2, "value_proposition", "consultative", "medium", "medium"),
        (3, "case_study", "educational", "medium", "medium"),
        (4, "soft_reminder", "casual", "low", "very_short"),
        (5, "breakup", "understanding", "low", "short"),
    ]
    assert delays[0] == 0
    assert all(delay > 0 for delay in delays[1:])
    assert campaign.status == CampaignStatus.DRAFT


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "  "}, "name"),
        ({"window_days": []}, "window_days"),
        ({"window_days": ["someday"]}, "window_days"),
        ({"window_start": time(17), "window_end": time(9)}, "window_end"),
    ],
)
def test_wrong_fields_are_named(world, change, field):
    with pytest.raises(DomainError) as found:
        create(world, **change)
    assert found.value.field == field


def test_unknown_fields_are_a_mistake_of_ours(world):
    with pytest.raises(TypeError):
        create(world, status="active")


def test_steps_are_replaced_and_number_one_to_five(world):
    campaign = create(world)
    with world.context():
        campaigns.set_steps(campaign=campaign, steps=campaigns.DEFAULT_STEPS[:2])
        assert campaign.steps.count() == 2
        for wrong in ([], campaigns.DEFAULT_STEPS * 2):
            with pytest.raises(DomainError):
                campaigns.set_steps(campaign=campaign, steps=wrong)


def test_it_does_not_start_before_it_is_ready_and_says_why(world):
    campaign = create(world)
    world.change(world.org, postal_address="")
    with world.context():
        campaign.org.refresh_from_db()
        with pytest.raises(campaigns.NotReady) as found:
            campaigns.activate(campaign=campaign)
    failed = {check.name for check in found.value.checks if check.blocks and not check.ok}
    assert failed == {"mailbox", "postal_address"}
    assert "postal address" in str(found.value)
    assert world.fresh(campaign).status == "draft"


def test_the_pool_is_replaced(world):
    one, two = world.mailbox(), world.mailbox()
    campaign = create(world, one)
    with world.context():
        campaigns.set_mailboxes(campaign=campaign, mailboxes=[two])
        assert list(campaign.pool.values_list("mailbox_id", flat=True)) == [two.pk]


def test_it_is_started_paused_started_again_and_archived(world, sink):
    mailbox = world.mailbox()
    campaign = world.campaign(mailbox)
    message = world.approve(world.enroll(campaign, world.lead()))
    assert campaign.started_at is not None
    with world.context():
        campaigns.pause(campaign=campaign)
        campaigns.pause(campaign=campaign)
    assert delivery.drain(org_id=world.org.pk, mailbox_id=mailbox.pk).counts == {}
    with world.context():
        campaigns.activate(campaign=campaign)
    assert delivery.drain(org_id=world.org.pk, mailbox_id=mailbox.pk).counts == {"sent": 1}
    with world.context():
        campaigns.archive(campaign=campaign)
    assert world.fresh(message).enrollment.stop_reason == "archived"
    with world.context(), pytest.raises(Conflict):
        campaigns.activate(campaign=campaign)
    with world.context(), pytest.raises(Conflict):
        campaigns.pause(campaign=campaign)


def test_a_change_is_recorded_and_checked(world, alice):
    campaign = create(world)
    with world.context():
        campaigns.update_campaign(campaign=campaign, by=alice, goal=" Ten meetings. ", daily_cap=7)
        assert (campaign.goal, campaign.daily_cap) == ("Ten meetings.", 7)
        with pytest.raises(DomainError):
            campaigns.update_campaign(campaign=campaign, name="")
