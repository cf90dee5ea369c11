"""Steps are added at the end and taken off there, unless somebody got that mail or is about to."""

from __future__ import annotations

from typing import Any

import pytest

from campaigns.models import Enrollment, Message, MessageStatus, SequenceStep
from campaigns.services import campaigns, delivery, outbox
from campaigns.services.steps import DEFAULT_STEPS, MOST_STEPS
from campaigns.tests.pages import assert_only_for_members, assert_post_only, assert_viewers_may_not, at, said
from leadpilot.lib.errors import Conflict, DomainError
from leadpilot.orgs.models import AuditEntry

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign(world: Any) -> Any:
    return world.campaign(world.mailbox())


def numbers(world: Any, campaign: Any) -> list[int]:
    with world.context():
        return list(campaign.steps.values_list("number", flat=True))


def shorten(world: Any, campaign: Any, to: int) -> None:
    with world.context():
        campaigns.set_steps(campaign=campaign, steps=DEFAULT_STEPS[:to])


class TestAdding:
    def test_the_next_step_of_the_seed_comes_at_the_end(self, world: Any, campaign: Any, alice: Any) -> None:
        shorten(world, campaign, 3)
        with world.context():
            step = campaigns.add_step(campaign=campaign, by=alice)
            line = AuditEntry.objects.get(action="campaign.step_added")
        assert (step.number, step.type, step.delay_days) == (4, "soft_reminder", 5)
        assert (line.actor, line.message) == (alice, "Step 4 of “Autumn” was added.")

    def test_there_are_five_at_most(self, world: Any, campaign: Any) -> None:
        with world.context(), pytest.raises(DomainError, match="at most 5") as found:
            campaigns.add_step(campaign=campaign)
        assert found.value.field == "steps"
        assert numbers(world, campaign) == [1, 2, 3, 4, 5]

    def test_a_campaign_that_is_over_keeps_its_steps(self, world: Any, campaign: Any) -> None:
        shorten(world, campaign, 3)
        with world.context():
            campaigns.archive(campaign=campaign)
            for change in (campaigns.add_step, campaigns.remove_last_step):
                with pytest.raises(Conflict, match="archived"):
                    change(campaign=campaign)
        assert numbers(world, campaign) == [1, 2, 3]


class TestRemoving:
    def test_the_last_one_goes_and_it_is_written_down(self, world: Any, campaign: Any, alice: Any) -> None:
        with world.context():
            assert campaigns.remove_last_step(campaign=campaign, by=alice) == 5
            assert AuditEntry.objects.get(action="campaign.step_removed").actor == alice
        assert numbers(world, campaign) == [1, 2, 3, 4]

    def test_one_stays(self, world: Any, campaign: Any) -> None:
        shorten(world, campaign, 1)
        with world.context(), pytest.raises(DomainError, match="at least one"):
            campaigns.remove_last_step(campaign=campaign)
        assert numbers(world, campaign) == [1]

    @pytest.mark.parametrize("status", [MessageStatus.SENT, MessageStatus.UNKNOWN])
    def test_what_was_sent_stays_and_the_message_says_for_how_many(
        self, world: Any, campaign: Any, status: MessageStatus
    ) -> None:
        shorten(world, campaign, 2)
        message = world.approve(world.enroll(campaign, world.lead()), step=2)
        world.change(message, status=status, raw=b"x", raw_hash="x")
        with world.context(), pytest.raises(DomainError, match="Step 2 stays: it has been sent to 1 lead "):
            campaigns.remove_last_step(campaign=campaign)
        assert numbers(world, campaign) == [1, 2]

    def test_what_is_approved_stays_until_the_approval_is_taken_back(self, world: Any, campaign: Any) -> None:
        shorten(world, campaign, 2)
        messages = [world.approve(world.enroll(campaign, world.lead()), step=2) for _ in range(2)]
        with world.context(), pytest.raises(DomainError, match="approved for 2 leads"):
            campaigns.remove_last_step(campaign=campaign)
        with world.context():
            for message in messages:
                outbox.cancel_message(message=world.fresh(message), reason="Taken back.")
            assert campaigns.remove_last_step(campaign=campaign) == 2

    def test_sequences_that_waited_for_it_are_complete(self, world: Any, campaign: Any, sink: Any) -> None:
        shorten(world, campaign, 2)
        one, two = (world.enroll(campaign, world.lead()) for _ in range(2))
        world.approve(one)
        delivery.drain(org_id=world.org.pk, mailbox_id=one.mailbox_id)
        assert world.fresh(one).next_step == 2
        with world.context():
            campaigns.remove_last_step(campaign=campaign)
        done, waiting = world.fresh(one), world.fresh(two)
        assert (done.status, done.next_step_at) == ("completed", None)
        assert "Step 2 was taken out" in done.next_reason
        assert (waiting.status, waiting.next_step) == ("active", 1)

    def test_nobody_approves_a_step_that_is_gone(self, world: Any, campaign: Any) -> None:
        enrollment = world.enroll(campaign, world.lead())
        with world.context():
            campaigns.remove_last_step(campaign=campaign)
        with pytest.raises(Conflict, match="Step 5 was taken out"):
            world.approve(enrollment, step=5)
        with world.context():
            assert not Message.objects.exists()
            assert Enrollment.objects.get().status == "active"


class TestViews:
    @pytest.fixture
    def client(self, client_for: Any, alice: Any) -> Any:
        return client_for(alice)

    def test_a_step_is_added_and_opens(self, client: Any, world: Any, campaign: Any) -> None:
        shorten(world, campaign, 4)
        page = client.get(f"{at('campaign_detail', campaign)}?tab=steps").text
        assert "Add a step" in page
        assert "Remove step 4" in page
        answer = client.post(at("step_add", campaign))
        with world.context():
            added = SequenceStep.objects.get(campaign=campaign, number=5)
        assert answer.url == f"{at('step_edit', added)}#step-5"
        page = client.get(f"{at('campaign_detail', campaign)}?tab=steps").text
        assert "Add a step" not in page
        assert "at most five steps" in page
        assert "at most 5 steps" in said(client.post(at("step_add", campaign)))[0]

    def test_the_last_step_is_removed_or_the_reason_is_said(
        self, client: Any, world: Any, campaign: Any
    ) -> None:
        assert said(client.post(at("step_remove", campaign))) == ["Step 5 removed."]
        world.approve(world.enroll(campaign, world.lead()), step=4)
        assert "Step 4 stays: it is approved for 1 lead" in said(client.post(at("step_remove", campaign)))[-1]
        assert numbers(world, campaign) == [1, 2, 3, 4]
        assert MOST_STEPS == 5

    @pytest.mark.parametrize("name", ["step_add", "step_remove"])
    def test_who_may_not_does_not(
        self,
        name: str,
        client: Any,
        client_for: Any,
        bob: Any,
        charlie: Any,
        other_org: Any,
        world: Any,
        campaign: Any,
    ) -> None:
        shorten(world, campaign, 3)
        url = at(name, campaign)
        assert_post_only(client, url)
        assert_viewers_may_not(client_for, url, bob=bob)
        assert_only_for_members(client_for, url, charlie=charlie, method="post")
        assert numbers(world, campaign) == [1, 2, 3]
