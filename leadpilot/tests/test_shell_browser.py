"""What only a browser can tell about the shell: contrast, keys, dialogs, themes, lost sessions, live parts."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from leadpilot.tests.browser import DESK, PHONE, Open, serious

pytestmark = [
    pytest.mark.browser,
    pytest.mark.urls("leadpilot.tests.shell_urls"),
    pytest.mark.django_db(transaction=True),
]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("path", ["/styleguide/", "/settings/", "/accounts/2fa/", "/accounts/email/"])
def test_no_page_has_a_serious_barrier(
    open_page: Open, org: Any, alice: Any, path: str, theme: str, viewport: Any
):
    page = open_page(path, user=alice, theme=theme, viewport=viewport)
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it scrolls sideways"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(
    "path", ["/accounts/login/", "/accounts/signup/", "/accounts/password/reset/", "/no-such-page/"]
)
def test_the_pages_before_signing_in_have_no_serious_barrier(open_page: Open, path: str, theme: str):
    assert serious(open_page(path, theme=theme, viewport=PHONE)) == []


def test_an_open_dialog_has_no_serious_barrier(open_page: Open, org: Any, alice: Any):
    page = open_page("/styleguide/", user=alice)
    page.get_by_role("button", name="Open a dialog").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert serious(page) == []
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()


# keyboard


def test_keys_move_tick_and_search(open_page: Open, org: Any, alice: Any):
    page = open_page("/styleguide/", user=alice)
    page.keyboard.press("j")
    expect(page.locator(":focus")).to_have_text("Ada Lovelace")
    page.keyboard.press("j")
    expect(page.locator(":focus")).to_have_text("Grace Hopper")
    page.keyboard.press("k")
    expect(page.locator(":focus")).to_have_text("Ada Lovelace")
    expect(page.locator("[data-bulk]")).to_be_hidden()
    page.keyboard.press("x")
    expect(page.locator("[data-bulk]")).to_contain_text("1 selected")
    page.keyboard.press("/")
    expect(page.locator("[data-search]")).to_be_focused()


def test_keys_do_nothing_while_somebody_types(open_page: Open, org: Any, alice: Any):
    page = open_page("/styleguide/", user=alice)
    page.keyboard.press("/")
    page.keyboard.type("jx?gs")
    expect(page.locator("[data-search]")).to_have_value("jx?gs")
    assert page.url.endswith("/styleguide/")
    expect(page.locator("#keys-help")).to_be_hidden()


def test_the_help_lists_the_keys_of_the_page_and_turns_them_off(open_page: Open, org: Any, alice: Any):
    page = open_page("/styleguide/", user=alice)
    page.keyboard.press("?")
    help_dialog = page.get_by_role("dialog", name="Keyboard")
    expect(help_dialog).to_contain_text("New campaign")
    expect(help_dialog).to_contain_text("Go to Settings")
    help_dialog.get_by_role("switch").uncheck()
    help_dialog.get_by_role("button", name="Close").click()
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("/")
    expect(page.locator("[data-search]")).not_to_be_focused()


def test_g_and_a_letter_go_to_a_page(open_page: Open, org: Any, alice: Any):
    page = open_page("/styleguide/", user=alice)
    page.keyboard.press("g")
    page.keyboard.press("s")
    page.wait_for_url("**/settings/")


def test_ticking_all_and_a_range(open_page: Open, org: Any, alice: Any):
    page = open_page("/styleguide/", user=alice)
    boxes = page.locator("[data-select]")
    boxes.nth(0).check()
    boxes.nth(3).click(modifiers=["Shift"])
    expect(page.locator("[data-bulk-count]")).to_have_text("4")
    page.get_by_label("Select all").check()
    expect(page.locator("[data-bulk-count]")).to_have_text("5")
    page.get_by_label("Select all").uncheck()
    expect(page.locator("[data-bulk]")).to_be_hidden()


# theme


def test_the_chosen_theme_is_written_by_the_server_so_that_nothing_flashes(
    open_page: Open, org: Any, alice: Any
):
    page = open_page("/settings/", user=alice, theme="light")
    page.get_by_role("button", name="Switch to the dark theme").click()
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
    answer = page.request.get(page.url)
    assert 'data-theme="dark"' in answer.text()
    page.get_by_label("Account menu of Alice").click()
    page.get_by_role("button", name="Theme of the system").click()
    assert "data-theme" not in page.request.get(page.url).text().split("<head>")[0]


# dialogs, menus, toasts


def test_a_question_is_asked_before_and_only_yes_acts(open_page: Open, org: Any, alice: Any):
    page = open_page("/trial/", user=alice)
    page.get_by_role("button", name="Ask first").click()
    question = page.get_by_role("dialog", name="Are you sure?")
    expect(question).to_contain_text("Really count?")
    question.get_by_role("button", name="Cancel").click()
    expect(question).to_be_hidden()
    expect(page.locator("#answer")).to_be_empty()
    page.get_by_role("button", name="Ask first").click()
    question.get_by_role("button", name="Count").click()
    expect(page.locator("#answer")).to_have_text("counted")


def test_a_dialog_comes_from_the_server(open_page: Open, org: Any, alice: Any):
    page = open_page("/trial/", user=alice)
    page.get_by_role("button", name="Modal").click()
    expect(page.locator("#modal")).to_contain_text("From the server")
    page.get_by_role("button", name="Shut").click()
    expect(page.locator("#modal")).to_be_hidden()


def test_a_toast_is_text_and_can_be_dismissed(open_page: Open, org: Any, alice: Any):
    page = open_page("/trial/", user=alice)
    page.get_by_role("button", name="Toast").click()
    toast = page.locator(".toast")
    expect(toast).to_contain_text("Approved <b>all</b>")
    toast.get_by_role("button", name="Dismiss").click()
    expect(toast).to_have_count(0)


def test_a_menu_closes_by_escape_and_by_a_click_elsewhere(open_page: Open, org: Any, alice: Any):
    page = open_page("/settings/", user=alice)
    menu = page.locator("details.menu:has([data-theme-choice])")
    summary = menu.locator("summary")
    summary.click()
    expect(menu.locator(".menu-panel")).to_be_visible()
    page.keyboard.press("Escape")
    expect(menu.locator(".menu-panel")).to_be_hidden()
    expect(summary).to_be_focused()
    summary.click()
    page.locator("#main").click(position={"x": 5, "y": 5})
    expect(menu.locator(".menu-panel")).to_be_hidden()


# when things go wrong


def test_a_form_that_is_refused_shows_why_and_keeps_what_was_typed(open_page: Open, org: Any, alice: Any):
    page = open_page("/trial/", user=alice)
    page.get_by_label("Note").fill("Hi")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#problem")).to_have_text("Too short: 2")
    expect(page.get_by_label("Note")).to_have_value("Hi")


def test_a_lost_session_says_so_and_nothing_typed_is_lost(
    open_page: Open, org: Any, alice: Any, client_for: Any
):
    page = open_page("/trial/", user=alice)
    page.get_by_label("Note").fill("A long thought")
    page.context.clear_cookies(name="leadpilot_session")
    page.get_by_role("button", name="Private").click()
    banner = page.locator("#banner-signed-out")
    expect(banner).to_contain_text("You were signed out")
    page.get_by_role("button", name="Plain").click()
    expect(page.locator(".toast")).to_contain_text("Sign in first")
    assert page.url.endswith("/trial/")
    expect(page.get_by_label("Note")).to_have_value("A long thought")

    cookie = client_for(alice).cookies["leadpilot_session"].value
    page.context.add_cookies([{"name": "leadpilot_session", "value": cookie, "url": page.url}])
    page.get_by_role("button", name="Private").click()
    expect(banner).to_be_hidden()
    expect(page.locator("#answer")).to_have_text("secret")


def test_a_new_session_elsewhere_does_not_make_this_page_too_old(open_page: Open, org: Any, alice: Any):
    page = open_page("/trial/", user=alice)
    page.wait_for_load_state("networkidle")  # else the first status answer brings the old token back
    page.evaluate("document.cookie = `csrftoken=${'a'.repeat(32)}; path=/`")
    page.get_by_label("Note").fill("Hi")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#problem")).to_be_visible()
    page.get_by_role("button", name="Plain").click()
    expect(page.locator("body")).to_have_text("secret")


def test_a_broken_answer_offers_another_try_without_details(open_page: Open, org: Any, alice: Any):
    page = open_page("/trial/", user=alice)
    page.get_by_role("button", name="Break").click()
    expect(page.locator(".toast")).to_contain_text("Something broke on our side")
    expect(page.locator("body")).not_to_contain_text("details nobody should see")
    page.locator(".toast").get_by_role("button", name="Try again").click()
    expect(page.locator(".toast")).to_have_count(1)


def test_a_part_that_does_not_come_says_so_in_its_place(open_page: Open, org: Any, alice: Any):
    page = open_page("/trial/?part", user=alice)
    expect(page.locator("#part")).to_contain_text("This part could not be loaded")
    expect(page.locator(".toast")).to_have_count(0)
    with page.expect_request("**/trial/500/"):
        page.locator("#part").get_by_role("button", name="Try again").click()


def test_a_server_that_is_gone_is_said_to_be_gone_and_its_return_is_noticed(
    open_page: Open, org: Any, alice: Any
):
    page = open_page("/trial/", user=alice)
    page.wait_for_load_state("networkidle")  # an answer that is still on its way is a sign of life
    page.context.set_offline(True)
    page.get_by_role("button", name="Toast").click()
    expect(page.locator("#banner-unreachable")).to_be_visible(timeout=15_000)
    page.context.set_offline(False)
    expect(page.locator("#banner-unreachable")).to_be_hidden()


# live parts


def test_an_answer_that_did_not_change_is_not_swapped(open_page: Open, org: Any, alice: Any):
    page = open_page("/trial/?live", user=alice)
    expect(page.locator("#live-same p")).to_be_attached()
    page.evaluate("document.querySelector('#live-same p').dataset.mine = 'yes'")
    page.wait_for_timeout(600)
    expect(page.locator("#live-same p")).to_have_attribute("data-mine", "yes")


def test_focus_and_open_details_survive_a_live_swap(open_page: Open, org: Any, alice: Any):
    page = open_page("/trial/?live", user=alice)
    link = page.locator("#live-new a")
    link.focus()
    page.locator("#more summary").click()
    link.focus()
    before = page.locator("#live-new span").inner_text()
    expect(page.locator("#live-new span")).not_to_have_text(before)
    expect(link).to_be_focused()
    expect(page.locator("#more")).to_have_attribute("open", "")


# phone, and no script


def test_a_phone_has_a_dock_and_a_drawer(open_page: Open, org: Any, alice: Any):
    page = open_page("/settings/", user=alice, viewport=PHONE)
    expect(page.get_by_role("navigation", name="Main", exact=True)).to_be_hidden()
    page.get_by_role("button", name="More").click()
    drawer = page.get_by_role("navigation", name="More")
    expect(drawer.get_by_role("link", name="Settings")).to_have_attribute("aria-current", "page")
    assert serious(page) == []


def test_the_first_tab_reaches_the_content(open_page: Open, org: Any, alice: Any):
    page = open_page("/settings/", user=alice)
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to the content")
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


def test_the_pages_work_without_script(open_page: Open, org: Any, alice: Any):
    page = open_page("/settings/", user=alice, java_script_enabled=False)
    page.get_by_label("Website").fill("https://acme.example")
    page.get_by_role("button", name="Save").first.click()
    expect(page.locator(".toast")).to_contain_text("Settings saved")
    page.get_by_label("Account menu of Alice").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
