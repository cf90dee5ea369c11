"""What only a browser can tell about inbox, campaigns and mailboxes: keys, swaps, frames, width, contrast."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from campaigns.tests.pages import at, talk
from leadpilot.tests.browser import DESK, PHONE, Open, serious

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("nobody_listens"),
]


@pytest.fixture
def talks(world):
    """Three conversations, the newest first in the inbox: Cy, Bo, Ann."""
    campaign = world.campaign(world.mailbox())
    html = (
        '<p>Hello <b>Alex</b></p><img src="https://track.example/p.gif"><script>document.title="bad"</script>'
    )
    return [
        talk(world, campaign, "Sounds good, call me.", name="Ann Li"),
        talk(world, campaign, "Does it work with photos?", name="Bo Ek", kind="question"),
        talk(
            world,
            campaign,
            "No. " + "Averylongwordwithoutanyspace" * 12,
            name="Cy Fox",
            kind="other",
            html=html,
        ),
    ]


def test_j_and_k_walk_through_the_conversations_and_read_them(open_page: Open, talks, alice, world):
    page = open_page(at("inbox"), user=alice)
    expect(page.locator("#detail")).to_contain_text("Choose a conversation")
    page.keyboard.press("j")
    expect(page.locator("#detail")).to_contain_text("with Cy Fox")
    page.keyboard.press("j")
    expect(page.locator("#detail")).to_contain_text("with Bo Ek")
    expect(page.locator(".row.is-current")).to_contain_text("Bo Ek")
    expect(page.locator("#nav-count-inbox")).to_have_text("1")
    assert str(talks[1].thread.pk) in page.url
    page.keyboard.press("k")
    expect(page.locator("#detail")).to_contain_text("with Cy Fox")
    page.go_back()
    expect(page.locator("#detail")).to_contain_text("with Bo Ek")


def test_a_class_is_corrected_where_its_reason_stands(open_page: Open, talks, alice, world):
    page = open_page(at("thread", talks[1].thread), user=alice)
    page.get_by_text("Why question?").click()
    expect(page.locator(".msg-in")).to_contain_text("It says so.")
    page.get_by_label("It is rather").select_option("interested")
    page.get_by_role("button", name="Correct").click()
    expect(page.locator(".toast")).to_contain_text("Corrected")
    expect(page.locator(".msg-in .msg-head")).to_contain_text("Interested")
    assert world.fresh(talks[1].inbound).classification == "interested"


def test_formatted_mail_stays_in_its_frame_and_fetches_nothing(open_page: Open, talks, alice):
    page = open_page(at("inbox"), user=alice)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(page.url.split("/inbox")[0] + at("thread", talks[2].thread))
    page.get_by_text("As it was formatted").click()
    expect(page.frame_locator("iframe.mail-frame").locator("b")).to_have_text("Alex")
    assert not [url for url in asked if "track.example" in url]
    assert page.title() != "bad"


def test_e_closes_a_conversation(open_page: Open, talks, alice, world):
    page = open_page(at("thread", talks[0].thread), user=alice)
    page.keyboard.press("e")
    expect(page.locator(".split-list")).not_to_contain_text("Ann Li")
    assert not world.fresh(talks[0].thread).is_open


def test_on_a_phone_list_and_conversation_take_turns(open_page: Open, talks, alice):
    page = open_page(at("inbox"), user=alice, viewport=PHONE)
    expect(page.locator("#detail")).to_be_hidden()
    page.get_by_text("Bo Ek").click()
    expect(page.locator("#detail")).to_contain_text("Does it work with photos?")
    expect(page.locator(".split-list")).to_be_hidden()
    page.get_by_role("link", name="Back to the list").click()
    expect(page.locator(".split-list")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_no_page_has_a_serious_barrier_or_scrolls_sideways(
    open_page: Open,
    talks,
    alice,
    theme: str,
    viewport: Any,
):
    campaign = talks[0].message.campaign
    page = open_page(at("inbox"), user=alice, theme=theme, viewport=viewport)
    origin = page.url.split("/inbox")[0]
    for path in (
        at("inbox"),
        at("thread", talks[2].thread),
        at("message_list"),
        at("campaign_list"),
        at("campaign_detail", campaign),
        at("campaign_detail", campaign, "?tab=steps"),
        at("campaign_detail", campaign, "?tab=leads"),
        at("campaign_edit", campaign),
        at("mailbox_list"),
        at("mailbox_create", query="?preset=gmail"),
    ):
        page.goto(origin + path)
        assert serious(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} scrolls sideways"
