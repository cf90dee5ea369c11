"""What only a browser can tell about the agent's pages: keys, dialogs, swaps, contrast, width."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from agent.models import Draft
from agent.tests.world import make_campaign, make_draft, make_enrollment, make_lead
from leadpilot.orgs.tenancy import org_context
from leadpilot.tests.browser import DESK, PHONE, Open, serious

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LIST = "/approvals/"


@pytest.fixture
def waiting(org: Any, alice: Any) -> list[Draft]:
    """Two leads with three mails each; the last one has a claim that nothing supports."""
    doubt = {"text": "You have recently won a prize.", "fact_ids": [], "personal": True, "supported": False}
    with org_context(org.pk):
        campaign = make_campaign(org)
        made = []
        for name in ("Ada Lovelace", "Grace Hopper"):
            enrollment = make_enrollment(org, make_lead(org, name), campaign)
            made += [make_draft(enrollment, step) for step in (1, 2, 3)]
        Draft.objects.for_org(org).filter(pk=made[-1].pk).update(
            has_unsupported=True, sentences=[{**doubt, "note": "No fact was named."}]
        )
    return made


def statuses(org: Any, drafts: list[Draft]) -> list[str]:
    with org_context(org.pk):
        found = dict(Draft.objects.for_org(org).values_list("pk", "status"))
    return [found[draft.pk] for draft in drafts]


def subject(page: Page) -> Any:
    return page.locator(".mail-subject dd")


def test_the_keyboard_alone_approves_and_takes_back(open_page: Open, waiting: Any, org: Any, alice: Any):
    page = open_page(LIST, user=alice)
    expect(subject(page)).to_have_text("Step 1")
    page.keyboard.press("j")
    expect(subject(page)).to_have_text("Step 2")
    page.keyboard.press("k")
    expect(subject(page)).to_have_text("Step 1")
    page.keyboard.press("a")
    expect(page.locator(".toast")).to_contain_text("Approved: Step 1")
    expect(subject(page)).to_have_text("Step 2")
    assert statuses(org, waiting)[:2] == ["approved", "pending_approval"]
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(page.locator(".toast")).to_contain_text("Taken back")
    assert statuses(org, waiting)[0] == "pending_approval"


def test_one_key_approves_the_whole_sequence(open_page: Open, waiting: Any, org: Any, alice: Any):
    page = open_page(LIST, user=alice)
    page.keyboard.press("s")
    expect(page.locator(".toast")).to_contain_text("3 approved.")
    expect(page.locator(".approval-group")).to_have_count(1)
    assert statuses(org, waiting) == ["approved"] * 3 + ["pending_approval"] * 3


def test_a_mail_is_rejected_with_a_reason(open_page: Open, waiting: Any, org: Any, alice: Any):
    page = open_page(LIST, user=alice)
    page.keyboard.press("r")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Why?")).to_be_focused()
    page.keyboard.type("a era: too salesy")
    assert serious(page) == []
    dialog.get_by_role("button", name="Reject").click()
    expect(page.locator(".toast")).to_contain_text("stops here")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator(".approval-group")).to_have_text(["Grace HopperAnalytical Engines"])
    assert statuses(org, waiting)[:3] == ["rejected", "withdrawn", "withdrawn"]


def test_the_dialog_can_be_left_without_deciding(open_page: Open, waiting: Any, org: Any, alice: Any):
    page = open_page(LIST, user=alice)
    page.keyboard.press("r")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert set(statuses(org, waiting)) == {"pending_approval"}


def test_editing_keeps_letters_out_of_the_shortcuts(open_page: Open, waiting: Any, org: Any, alice: Any):
    page = open_page(LIST, user=alice)
    page.keyboard.press("e")
    field = page.get_by_label("Subject")
    field.fill("")
    field.press_sequentially("a rare subject")
    expect(field).to_have_value("a rare subject")
    page.get_by_role("button", name="Save").click()
    expect(subject(page)).to_have_text("a rare subject")
    assert set(statuses(org, waiting)) == {"pending_approval"}


def test_what_was_typed_survives_a_refusal(open_page: Open, waiting: Any, alice: Any):
    page = open_page(LIST, user=alice)
    page.keyboard.press("e")
    page.get_by_label("Body").fill("My own text")
    page.get_by_label("Subject").fill("")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("This field is required.")).to_be_visible()
    expect(page.get_by_label("Body")).to_have_value("My own text")


def test_several_are_ticked_and_approved(open_page: Open, waiting: Any, org: Any, alice: Any):
    page = open_page(LIST, user=alice)
    expect(page.locator("[data-bulk]")).to_be_hidden()
    page.keyboard.press("x")
    page.keyboard.press("j")
    expect(subject(page)).to_have_text("Step 2")
    boxes = page.locator("[data-select]")
    for index in (0, 1, 5):
        boxes.nth(index).check()
    expect(page.locator("[data-bulk-count]")).to_have_text("3")
    page.get_by_role("button", name="Approve selected").click()
    expect(page.locator(".toast")).to_contain_text("2 of 3 approved")
    assert statuses(org, waiting) == ["approved"] * 2 + ["pending_approval"] * 4


def test_new_drafts_come_by_themselves_and_nothing_jumps(open_page: Open, waiting: Any, org: Any, alice: Any):
    page = open_page(LIST, user=alice)
    page.locator("[data-select]").nth(1).check()
    before = page.locator(".mail").bounding_box()
    with org_context(org.pk):
        first = Draft.objects.for_org(org).get(pk=waiting[0].pk)
        make_draft(make_enrollment(org, make_lead(org, "Zoe New"), first.campaign))
    expect(page.locator(".approval-group")).to_have_count(3, timeout=15_000)
    expect(page.locator("[data-select]").nth(1)).to_be_checked()
    assert page.locator(".mail").bounding_box() == before


def test_a_phone_shows_list_then_mail_with_its_evidence_and_the_decision(
    open_page: Open,
    waiting: Any,
    org: Any,
    alice: Any,
):
    page = open_page(LIST, user=alice, viewport=PHONE)
    expect(page.locator(".mail")).to_be_hidden()
    page.locator(".approval-item .row").first.click()
    expect(page.locator(".mail")).to_be_visible()
    expect(page.get_by_text("Evidence", exact=True)).to_be_visible()
    button = page.get_by_role("button", name="Approve", exact=True)
    expect(button).to_be_in_viewport()
    button.click()
    expect(subject(page)).to_have_text("Step 2")
    assert statuses(org, waiting)[0] == "approved"
    page.get_by_role("link", name="Back to the list").click()
    expect(page.locator(".approval-item").first).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_no_page_has_a_serious_barrier(
    open_page: Open,
    waiting: list[Draft],
    alice: Any,
    theme: str,
    viewport: Any,
):
    detail = f"/approvals/{waiting[-1].pk}/"
    page = open_page("/", user=alice, theme=theme, viewport=viewport)
    for path in ("/", LIST, detail, f"{detail}?edit=1", "/agent/", "/agent/activity/"):
        page.goto(page.url.split("/", 3)[0] + "//" + page.url.split("/", 3)[2] + path)
        assert serious(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} scrolls sideways"


def test_stop_is_one_press_away(open_page: Open, waiting: Any, alice: Any):
    page = open_page("/", user=alice)
    page.locator(".btn-start").first.click()
    expect(page.locator(".btn-stop")).to_be_visible()
    page.locator(".btn-stop").click()
    expect(page.locator(".bar .btn-start")).to_be_visible()
    expect(page.locator(".toast").last).to_contain_text("Stopped")


def test_a_refresh_that_comes_in_between_leaves_the_right_button(open_page: Open, waiting: Any, alice: Any):
    """The line on top refreshes itself: its answer must not swap the button away from under the press."""
    page = open_page("/", user=alice)
    held: list[Any] = []
    page.route("**/agent/start/", lambda route: held.append(route))
    page.locator(".bar .btn-start").click()
    expect(page.locator(".bar .btn-start")).to_be_disabled()
    page.wait_for_timeout(4_000)  # longer than the line's own interval
    held[0].continue_()
    expect(page.locator(".bar .btn-stop")).to_be_visible()
    expect(page.locator(".toast").last).to_contain_text("Started")


def test_a_slow_answer_shows_and_takes_no_second_decision(
    open_page: Open,
    waiting: Any,
    org: Any,
    alice: Any,
):
    page = open_page(LIST, user=alice)
    held: list[Any] = []
    page.route("**/approve/", lambda route: held.append(route))
    page.keyboard.press("a")
    expect(page.locator("body")).to_have_attribute("data-waiting", "")
    expect(page.locator("#queue")).to_have_attribute("aria-busy", "true")
    for key in ("a", "s", "j"):
        page.keyboard.press(key)
    expect(subject(page)).to_have_text("Step 1")
    held[0].continue_()
    expect(page.locator(".toast")).to_contain_text("Approved: Step 1")
    expect(subject(page)).to_have_text("Step 2")
    expect(page.locator("body")).not_to_have_attribute("data-waiting", "")
    assert page.locator("[aria-busy=true]").count() == 0
    assert len(held) == 1
    assert statuses(org, waiting) == ["approved"] + ["pending_approval"] * 5
