"""Leads in campaigns: taken in, paused, gone on, removed; and the fragment on a lead's page."""

from __future__ import annotations

import pytest
from django.utils.html import escape

from campaigns.models import Enrollment
from campaigns.tests.pages import (
    assert_get_only,
    assert_only_for_members,
    assert_post_only,
    assert_viewers_may_not,
    at,
    said,
    sent,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nobody_listens")]


@pytest.fixture
def ann(world, campaign):
    return world.enroll(campaign, world.lead("Ann Li"))


@pytest.fixture
def client(client_for, alice):
    return client_for(alice)


def leads_tab(campaign):
    return at("campaign_detail", campaign, "?tab=leads")


def test_a_lead_is_taken_in(client, world, campaign):
    lead = world.lead("Ann Li")
    answer = client.post(at("enroll", campaign), {"lead": str(lead.pk)})
    assert answer.url == leads_tab(campaign)
    assert said(answer) == ["Ann Li is in. The agent writes the mails."]
    with world.context():
        assert Enrollment.objects.get(lead=lead).campaign_id == campaign.pk


def test_a_lead_that_may_not_be_written_to_is_refused_with_the_reason(client, world, campaign):
    lead = world.lead("Closed Cy", status="unsubscribed")
    answer = client.post(at("enroll", campaign), {"lead": str(lead.pk)})
    assert "is not written to" in said(answer)[0]
    with world.context():
        assert not Enrollment.objects.exists()


@pytest.mark.parametrize("chosen", ["", "nonsense", "fe6e63f9-93e3-45df-9495-7610a947c3c5"])
def test_without_a_lead_nothing_happens_and_it_says_so(client, campaign, chosen):
    assert said(client.post(at("enroll", campaign), {"lead": chosen})) == ["lead: choose one from the list."]


def test_a_lead_of_somebody_else_is_not_in_the_list(client, campaign, other_org):
    from campaigns.tests.conftest import World

    theirs = World(other_org).lead("Stranger")
    answer = client.post(at("enroll", campaign), {"lead": str(theirs.pk)})
    assert said(answer) == ["lead: choose one from the list."]


def test_it_is_paused_gone_on_with_and_removed(client, world, campaign, ann):
    answer = client.post(at("enrollment_pause", ann))
    assert answer.url == leads_tab(campaign)
    assert said(answer) == ["Ann Li: paused."]
    assert "Alice paused it." in client.get(leads_tab(campaign)).content.decode()
    client.post(at("enrollment_resume", ann))
    assert world.fresh(ann).status == "active"
    client.post(at("enrollment_remove", ann))
    row = world.fresh(ann)
    assert (row.status, row.stop_reason, row.stop_note) == ("stopped", "removed", "Alice removed the lead.")


def test_doing_it_twice_says_that_there_was_nothing_to_do(client, ann):
    client.post(at("enrollment_pause", ann))
    assert said(client.post(at("enrollment_pause", ann)))[-1] == "Nothing to do. Ann Li: paused."


def test_strangers_viewers_and_wrong_methods_are_refused(
    client_for, client, bob, charlie, other_org, world, campaign, ann
):
    urls = [at("enroll", campaign), *(at(f"enrollment_{act}", ann) for act in ("pause", "resume", "remove"))]
    for url in urls:
        assert_only_for_members(client_for, url, charlie=charlie, method="post")
        assert_viewers_may_not(client_for, url, bob=bob)
        assert_post_only(client, url)
    assert world.fresh(ann).status == "active"


# the fragment on the lead's page


def test_a_leads_page_shows_its_steps_and_the_reason_for_the_next(client, world, campaign):
    message = sent(world, campaign, "Lou Ash")
    text = client.get(at("lead_sequence", message.lead)).content.decode()
    assert "Autumn" in text
    assert "1. Introduction" in text
    assert "5. Break-up" in text
    assert "<html" not in text
    enrollment = message.enrollment
    assert enrollment is not None
    assert escape(enrollment.next_reason) in text


def test_a_lead_in_no_campaign_says_so(client, world):
    assert "Not in a campaign." in client.get(at("lead_sequence", world.lead())).content.decode()


def test_the_fragment_is_for_members_and_only_read(client_for, client, bob, charlie, other_org, ann):
    url = at("lead_sequence", ann.lead)
    assert_only_for_members(client_for, url, charlie=charlie)
    assert_get_only(client, url)
    assert client_for(bob).get(url).status_code == 200
