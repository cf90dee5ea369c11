"""Campaigns: the list, one with its tabs, making and changing it, its steps, starting it."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from campaigns.models import Campaign, SequenceStep
from campaigns.services import inbound as inbounds
from campaigns.tests.pages import (
    assert_get_only,
    assert_only_for_members,
    assert_post_only,
    assert_viewers_may_not,
    at,
    queries_of,
    said,
    sent,
    talk,
)

pytestmark = pytest.mark.django_db

TYPED = {
    "name": "Spring",
    "goal": "A call",
    "offer": "We plan deliveries.",
    "tone": "friendly",
    "audience": "Carriers",
    "call_to_action": "Ten minutes next week?",
    "description": "For carriers.",
    "window_days": ["monday", "tuesday"],
    "window_start": "09:00",
    "window_end": "17:30",
    "daily_cap": "20",
    "approval_mode": "every",
    "enroll_automatically": "on",
}


@pytest.fixture(autouse=True)
def _nobody_listens(monkeypatch: Any) -> None:
    monkeypatch.setattr(inbounds.keeping, "_LISTENERS", [])


@pytest.fixture
def mailbox(world):
    return world.mailbox()


@pytest.fixture
def campaign(world, mailbox):
    return world.campaign(mailbox)


@pytest.fixture
def draft(world):
    """A campaign that lacks a mailbox."""
    return world.campaign(active=False, name="Draft one")


@pytest.fixture
def client(client_for, alice):
    return client_for(alice)


def step_of(world, campaign, number=2):
    with world.context():
        return SequenceStep.objects.get(campaign=campaign, number=number)


# the list


def test_it_lists_campaigns_with_numbers_that_lead_to_their_rows(client, world, campaign):
    sent(world, campaign)
    talk(world, campaign)
    text = client.get(at("campaign_list")).content.decode()
    assert "Autumn" in text
    assert f'?campaign={campaign.pk}&amp;status=sent">2</a>' in text
    assert f'{at("inbox")}?campaign={campaign.pk}">1</a>' in text
    assert f'{at("campaign_detail", campaign)}?tab=leads">2</a>' in text


def test_an_empty_list_offers_to_make_one(client, org):
    text = client.get(at("campaign_list")).content.decode()
    assert "No campaign yet" in text
    assert at("campaign_create") in text


def test_the_list_can_be_searched_and_hides_what_is_archived(client, world, campaign, draft):
    world.change(draft, status="archived")
    assert "Draft one" not in client.get(at("campaign_list")).content.decode()
    assert "Draft one" in client.get(at("campaign_list", query="?status=archived")).content.decode()
    assert "Nothing found" in client.get(at("campaign_list", query="?q=zzz")).content.decode()
    assert "Autumn" in client.get(at("campaign_list", query="?q=autu&status=nonsense")).content.decode()


def test_the_list_takes_no_more_queries_for_more_rows(client, world, mailbox):
    for number in range(10):
        world.campaign(mailbox, name=f"One {number}")
    few = queries_of(client, at("campaign_list"))
    for number in range(10):
        world.campaign(mailbox, name=f"Two {number}")
    assert queries_of(client, at("campaign_list")) == few


# one


def test_the_overview_shows_what_it_says_and_when(client, campaign, mailbox):
    text = client.get(at("campaign_detail", campaign)).content.decode()
    assert (
        "We help small teams to plan deliveries." in text
    )  # the organization's offer, as it has none itself
    assert mailbox.email in text
    assert "00:00–23:59" in text


def test_each_failed_check_links_to_where_it_is_mended(client, world, draft, org):
    world.change(org, postal_address="", offer="")
    text = client.get(at("campaign_detail", draft)).content.decode()
    assert f'href="{at("mailbox_create")}">Mend it</a>' in text
    assert f'href="{reverse("orgs:settings")}#id_postal_address">Mend it</a>' in text
    assert f'href="{at("campaign_edit", draft)}#id_offer">Mend it</a>' in text
    assert f'href="{at("mailbox_list")}">Mend it</a>' in text
    world.mailbox()
    text = client.get(at("campaign_detail", draft)).content.decode()
    assert f'href="{at("campaign_edit", draft)}#id_pool">Mend it</a>' in text


def test_a_campaign_that_is_ready_has_nothing_to_mend(client, world, campaign, mailbox):
    world.change(mailbox, inbound_kind="imap", imap_host="imap.example.com")
    assert "Mend it" not in client.get(at("campaign_detail", campaign)).content.decode()


def test_a_tab_that_does_not_exist_is_the_overview(client, campaign):
    assert "What and when" in client.get(at("campaign_detail", campaign, "?tab=nonsense")).content.decode()


def test_the_steps_are_listed_with_their_distance(client, campaign):
    text = client.get(at("campaign_detail", campaign, "?tab=steps")).content.decode()
    assert "Introduction" in text
    assert "3 working days after step 1" in text
    assert "Break-up" in text


# the leads tab


def test_each_lead_has_the_one_reason_why_nothing_left_yet(client, world, campaign):
    world.enroll(campaign, world.lead("Ann Li"))
    text = client.get(at("campaign_detail", campaign, "?tab=leads")).content.decode()
    assert "Step 1 is due; its mail is not approved yet." in text
    assert f"{reverse('agent:approval_list')}?lead=" in text
    world.change(campaign, status="paused")
    text = client.get(at("campaign_detail", campaign, "?tab=leads")).content.decode()
    assert "The campaign is paused." in text
    assert "not approved yet" not in text


def test_the_leads_can_be_narrowed_by_state_reason_and_name(client, world, campaign):
    world.enroll(campaign, world.lead("Ann Li"))
    bo = world.enroll(campaign, world.lead("Bo Ek"))
    world.change(bo, status="stopped", stop_reason="bounced", stop_note="It bounced: user unknown.")
    tab = at("campaign_detail", campaign)

    def shown(query: str) -> list[str]:
        text = client.get(f"{tab}?tab=leads&{query}").content.decode()
        return [name for name in ("Ann Li", "Bo Ek") if name in text]

    assert shown("status=active") == ["Ann Li"]
    assert shown("reason=bounced") == ["Bo Ek"]
    assert shown("q=bo") == ["Bo Ek"]
    assert shown("status=nonsense&reason=nonsense") == ["Ann Li", "Bo Ek"]
    assert shown("q=zzz") == []
    assert "It bounced: user unknown." in client.get(f"{tab}?tab=leads").content.decode()


def test_leads_that_can_be_taken_in_are_offered(client, world, campaign):
    world.lead("Free Fay")
    world.lead("Closed Cy", status="unsubscribed")
    text = client.get(at("campaign_detail", campaign, "?tab=leads")).content.decode()
    assert "Nobody is in yet" in text
    assert "Free Fay" in text
    assert "Closed Cy" not in text


def test_the_leads_take_no_more_queries_for_more_rows(client, world, campaign):
    tab = at("campaign_detail", campaign, "?tab=leads")
    for _ in range(10):
        sent(world, campaign)
    few = queries_of(client, tab)
    for _ in range(10):
        sent(world, campaign)
    assert queries_of(client, tab) == few


# making and changing


def test_it_makes_a_campaign_with_five_steps_and_its_pool(client, world, mailbox):
    assert client.get(at("campaign_create")).status_code == 200
    answer = client.post(at("campaign_create"), {**TYPED, "pool": [str(mailbox.pk)]})
    assert answer.status_code == 302
    with world.context():
        made = Campaign.objects.get(name="Spring")
        assert made.steps.count() == 5
        assert [row.mailbox_id for row in made.pool.all()] == [mailbox.pk]
        assert (made.daily_cap, made.window_days, made.created_by.name) == (
            20,
            ["monday", "tuesday"],
            "Alice",
        )
        assert f"{made.window_end:%H:%M}" == "17:30"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": ""}, "This field is required"),
        ({"window_end": "08:00"}, "08:00 is not after 09:00"),
        ({"window_days": []}, "This field is required"),
        ({"window_days": ["someday"]}, "not one of the available choices"),
        ({"daily_cap": "-1"}, "greater than or equal to 0"),
        ({"window_start": "nine"}, "Enter a valid time"),
    ],
)
def test_what_is_wrong_is_said_and_what_was_typed_stays(client, world, wrong, message):
    answer = client.post(at("campaign_create"), TYPED | wrong)
    text = answer.content.decode()
    assert answer.status_code == 422
    assert message in text
    assert "We plan deliveries." in text
    assert "Ten minutes next week?" in text
    with world.context():
        assert not Campaign.objects.exists()


def test_an_empty_post_is_refused(client, org):
    assert client.post(at("campaign_create"), {}).status_code == 422


def test_a_mailbox_of_somebody_else_cannot_be_put_into_the_pool(client, world, other_org):
    from campaigns.tests.conftest import World

    theirs = World(other_org).mailbox()
    answer = client.post(at("campaign_create"), {**TYPED, "pool": [str(theirs.pk)]})
    assert answer.status_code == 422
    assert theirs.email not in answer.content.decode()


def test_it_changes_a_campaign(client, world, campaign, mailbox):
    page = client.get(at("campaign_edit", campaign)).content.decode()
    assert 'value="Autumn"' in page
    assert f'value="{mailbox.pk}"' in page
    assert "checked" in page.split(str(mailbox.pk))[1][:80]
    answer = client.post(at("campaign_edit", campaign), TYPED | {"name": "Late autumn"})
    assert answer.url == at("campaign_detail", campaign)
    changed = world.fresh(campaign)
    assert (changed.name, changed.daily_cap, changed.status) == ("Late autumn", 20, "active")
    with world.context():
        assert changed.pool.count() == 0


def test_a_wrong_change_changes_nothing(client, world, campaign):
    answer = client.post(at("campaign_edit", campaign), TYPED | {"window_end": "08:00"})
    assert answer.status_code == 422
    assert 'value="Spring"' in answer.content.decode()
    assert world.fresh(campaign).name == "Autumn"


# a step


def test_a_step_is_changed_in_its_place(client, world, campaign):
    step = step_of(world, campaign)
    assert "Working days after the step before" in client.get(at("step_edit", step)).content.decode()
    values = {
        "type": "case_study",
        "tone": "warm",
        "personalization_depth": "low",
        "length": "short",
        "delay_days": "6",
        "instructions": "Mention the port of Hamburg.",
    }
    answer = client.post(at("step_edit", step), values)
    assert answer.url == at("campaign_detail", campaign, "?tab=steps")
    page = client.get(answer.url).content.decode()
    assert "6 working days after step 1" in page
    assert "Mention the port of Hamburg." in page


def test_a_wrong_step_is_refused_and_keeps_what_was_typed(client, world, campaign):
    step = step_of(world, campaign)
    answer = client.post(
        at("step_edit", step), {"type": "poem", "delay_days": "-3", "instructions": "Rhyme."}
    )
    text = answer.content.decode()
    assert answer.status_code == 422
    assert "Rhyme." in text
    assert "poem is not one of the available choices" in text
    assert world.fresh(step).delay_days == 3


# starting, pausing, ending


def test_it_is_started_paused_and_archived(client, world, draft, mailbox):
    from campaigns.services.campaigns import set_mailboxes

    with world.context():
        set_mailboxes(campaign=draft, mailboxes=[mailbox])
    for action, status in (("activate", "active"), ("pause", "paused"), ("archive", "archived")):
        answer = client.post(at(f"campaign_{action}", draft))
        assert answer.url == at("campaign_detail", draft)
        assert world.fresh(draft).status == status
    assert at("campaign_activate", draft) not in client.get(at("campaign_detail", draft)).content.decode()


def test_a_campaign_that_is_not_ready_is_not_started_and_says_why(client, world, draft):
    answer = client.post(at("campaign_activate", draft))
    assert said(answer) == ["Add a connected mailbox to it."]
    assert world.fresh(draft).status == "draft"


# who may


def test_strangers_viewers_and_wrong_methods_are_refused(
    client_for, client, bob, charlie, other_org, world, campaign
):
    step = step_of(world, campaign)
    assert_only_for_members(client_for, at("campaign_detail", campaign), charlie=charlie)
    assert "Autumn" not in client_for(charlie).get(at("campaign_list")).content.decode()
    for url in (at("campaign_edit", campaign), at("step_edit", step)):
        for method in ("get", "post"):
            assert_only_for_members(client_for, url, charlie=charlie, method=method)
        assert_viewers_may_not(client_for, url, bob=bob)
        assert client.delete(url).status_code == 405
    for action in ("activate", "pause", "archive"):
        url = at(f"campaign_{action}", campaign)
        assert_only_for_members(client_for, url, charlie=charlie, method="post")
        assert_viewers_may_not(client_for, url, bob=bob)
        assert_post_only(client, url)
    assert_viewers_may_not(client_for, at("campaign_create"), bob=bob)
    assert client_for(bob).get(at("campaign_create")).status_code == 403
    for url in (at("campaign_list"), at("campaign_detail", campaign)):
        assert_get_only(client, url)
    assert world.fresh(campaign).status == "active"


@pytest.mark.parametrize("tab", ["overview", "steps", "leads"])
def test_a_viewer_sees_each_tab_without_forms(client_for, bob, world, campaign, tab):
    world.enroll(campaign, world.lead("Ann Li"))
    text = client_for(bob).get(at("campaign_detail", campaign, f"?tab={tab}")).content.decode()
    assert f'action="{at("campaign_pause", campaign)}"' not in text
    assert "/campaigns/enrollments/" not in text
    assert "/campaigns/steps/" not in text


def test_the_numbers_of_a_campaign_are_fetched_again_alone(client, world):
    campaign = world.campaign(world.mailbox())
    page = client.get(at("campaign_detail", campaign)).content.decode()
    assert f'id="campaign-counts" hx-get="{at("campaign_detail", campaign)}"' in page
    poll = {"HX-Request": "true", "HX-Target": "campaign-counts"}
    text = client.get(at("campaign_detail", campaign), headers=poll).content.decode()
    assert "Under way" in text
    assert "card" not in text
