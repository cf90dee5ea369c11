"""A mail is written again while somebody looks at it."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from agent import engine
from agent.models import AgentConfig, Draft
from agent.services import control
from agent.tests.world import make_campaign, make_draft, make_enrollment
from leadpilot.orgs.tenancy import org_context
from leadpilot.tests.browser import Open, serious

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_wish_is_typed_and_the_new_text_comes_by_itself(open_page: Open, org: Any, alice: Any) -> None:
    with org_context(org.pk):
        control.start(org=org, by=alice)
        AgentConfig.objects.for_org(org).update(schedule_enabled=False)
        old = {"text": "The old words.", "fact_ids": [], "personal": False, "supported": True, "note": ""}
        draft = make_draft(make_enrollment(org, campaign=make_campaign(org, steps=1)), sentences=[old])
    page = open_page("/approvals/", user=alice)
    page.keyboard.press("w")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("What should be different?")).to_be_focused()
    page.keyboard.type("A warmer opening, please")
    assert serious(page) == []
    dialog.get_by_role("button", name="Write again").click()
    expect(page.locator("#detail .banner")).to_contain_text("Being written again.")
    expect(page.locator("#detail")).to_contain_text("The old words.")
    engine.drain(org.pk, seconds=20)
    expect(page.locator("#detail")).not_to_contain_text("The old words.", timeout=20_000)
    expect(page.locator("#detail .banner", has_text="Being written again.")).to_have_count(0)
    with org_context(org.pk):
        assert Draft.objects.get(pk=draft.pk).version == 2
    page.keyboard.press("a")
    expect(page.locator(".toast", has_text="Approved")).to_be_visible()
