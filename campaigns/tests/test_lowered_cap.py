"""A cap that is lowered while a batch is on its way holds for what has not left yet."""

from __future__ import annotations

from typing import Any

import pytest

from agent import limits
from agent.models import AgentConfig
from agent.services import control
from campaigns.models import Campaign, Mailbox, Message, Quota
from campaigns.services import delivery, ledger, line, quota
from campaigns.smtp import Limits
from leadpilot.lib import clock

pytestmark = pytest.mark.django_db
committing = pytest.mark.django_db(transaction=True)  # the sink lowers the cap from its own thread
LIMITS = Limits(5, 5, 5)


def statuses(world: Any) -> list[str]:
    with world.context():
        return sorted(Message.objects.values_list("status", flat=True))


@pytest.fixture
def batch(world: Any) -> tuple[Campaign, Mailbox]:
    """Five due mails of one mailbox."""
    mailbox = world.mailbox()
    campaign = world.campaign(mailbox)
    for _ in range(5):
        world.approve(world.enroll(campaign, world.lead()))
    return campaign, mailbox


@pytest.mark.parametrize("which", ["mailbox", "campaign", "organization", "agent"])
def test_what_is_claimed_already_goes_back_when_the_cap_is_lowered_below_it(
    world: Any, batch: tuple[Campaign, Mailbox], sink: Any, which: str
) -> None:
    campaign, mailbox = batch
    if which == "agent":
        start_agent(world)
    claims = ledger.claim_batch(org_id=world.org.pk, mailbox_id=mailbox.pk, owner="me")
    assert len(claims) == 5
    lower(world, which, campaign, mailbox, 2)
    assert [ledger.begin(claim) for claim in claims] == [False, False, False, True, True]
    assert statuses(world) == ["queued"] * 3 + ["sending"] * 2
    with world.context():
        scope = f"mailbox:{mailbox.pk}"
        day = clock.now().date().isoformat()
        assert quota.used(org_id=world.org.pk, scope=scope, period=day) == 2


def start_agent(world: Any) -> None:
    """It runs around the clock and allows far more than the batch."""
    with world.context():
        control.start(org=world.org, by=None)
        AgentConfig.objects.for_org(world.org).update(schedule_enabled=False, max_messages_per_day=50)


def lower(world: Any, which: str, campaign: Campaign, mailbox: Mailbox, to: int) -> None:
    if which == "organization":
        world.change(world.org, max_emails_per_day=to)
    elif which == "agent":
        with world.context():
            control.update_config(org=world.org, by=None, max_messages_per_day=to)
    else:
        world.change(mailbox if which == "mailbox" else campaign, daily_cap=to)


@committing
def test_lowering_it_in_the_middle_of_a_drain_lets_no_more_out_than_it_says(
    world: Any, batch: tuple[Campaign, Mailbox], sink: Any
) -> None:
    _, mailbox = batch
    sink.before_accept = lambda: world.change(mailbox, daily_cap=1)
    delivery.drain(org_id=world.org.pk, mailbox_id=mailbox.pk, limits=LIMITS)
    assert len(sink.accepted) <= 2  # the first, and one whose intent was on record already
    assert statuses(world)[:3] == ["queued"] * 3


@committing
def test_a_slow_conversation_is_stopped_before_its_last_dot(
    world: Any, batch: tuple[Campaign, Mailbox], sink: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, mailbox = batch
    monkeypatch.setattr(line, "RECHECK_AFTER", 0.0)

    def lower_meanwhile(talk: Any) -> None:
        world.change(mailbox, daily_cap=0)
        talk.write(b"250 2.1.5 ok\r\n")

    sink.answers["RCPT"] = [lower_meanwhile]
    delivery.drain(org_id=world.org.pk, mailbox_id=mailbox.pk, limits=LIMITS)
    assert sink.accepted == []
    assert statuses(world) == ["queued"] * 5


def test_a_cap_that_is_just_reached_stops_nothing(
    world: Any, batch: tuple[Campaign, Mailbox], sink: Any
) -> None:
    _, mailbox = batch
    world.change(mailbox, daily_cap=5)
    delivery.drain(org_id=world.org.pk, mailbox_id=mailbox.pk, limits=LIMITS)
    assert len(sink.accepted) == 5


def test_the_agents_cap_that_is_raised_again_lets_them_go(
    world: Any, batch: tuple[Campaign, Mailbox], sink: Any
) -> None:
    _, mailbox = batch
    start_agent(world)
    claims = ledger.claim_batch(org_id=world.org.pk, mailbox_id=mailbox.pk, owner="me")
    assert len(claims) == 5
    with world.context():
        control.update_config(org=world.org, by=None, max_messages_per_day=1)
        control.update_config(org=world.org, by=None, max_messages_per_day=50)
    assert all(ledger.begin(claim) for claim in claims)


def test_the_agents_cap_lowered_before_the_days_first_mail_holds_for_a_claim_that_read_the_old_one(
    world: Any, batch: tuple[Campaign, Mailbox], sink: Any
) -> None:
    campaign, mailbox = batch
    with world.context():
        config = control.config_for(world.org)
        read_before = quota.caps_for(org=world.org, mailbox=mailbox, campaign=campaign, now=clock.now())
        control.update_config(org=world.org, by=None, max_messages_per_day=3)
        quota.Places(org_id=world.org.pk, caps=read_before)
        row = Quota.objects.get(scope=f"cap:{limits.MESSAGES_CAP}")
    assert (row.used, row.cap) == (0, 3)
    assert config.max_messages_per_day > 3
