"""What only a browser can tell about answering in the inbox: one key, typed words that stay, lists that do not jump."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from agent.models import Draft, DraftStatus
from agent.services import drafts
from agent.tests.world import make_campaign, make_enrollment, make_inbound, make_lead
from agent.writers import Sentence, Written, WrittenMail
from campaigns.models import InboundMessage
from leadpilot.orgs.tenancy import org_context
from leadpilot.tests.browser import DESK, PHONE, Open, serious

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
POLLED = 20_000  # ms within which a part has surely refreshed


@pytest.fixture
def inbound(org: Any, alice: Any) -> InboundMessage:
    with org_context(org.pk):
        enrollment = make_enrollment(org, make_lead(org), make_campaign(org))
        return make_inbound(enrollment.lead, enrollment.mailbox, classification="question", subject="Price?")


def suggest(org: Any, inbound: InboundMessage) -> Draft:
    with org_context(org.pk):
        mail = WrittenMail(0, "Re: Price?", (Sentence("Hi Ada,\n\nIt costs little.\n"),))
        written = Written(mails=(mail,), model="offline", prompt_version="1")
        draft = drafts.create_answer(org=org, inbound=inbound, written=written)
        drafts.submit_for_approval(draft=draft, reason="A person answers.")
        return draft


def status(org: Any, draft: Draft) -> str:
    with org_context(org.pk):
        return str(Draft.objects.values_list("status", flat=True).get(pk=draft.pk))


@pytest.mark.parametrize(("viewport", "theme"), [(DESK, "light"), (PHONE, "dark")], ids=["desk", "phone"])
def test_one_key_sends_the_suggestion_and_it_can_be_undone(
    open_page: Open, org: Any, alice: Any, inbound: InboundMessage, viewport: Any, theme: str
):
    draft = suggest(org, inbound)
    page = open_page(f"/inbox/{inbound.thread_id}/", user=alice, viewport=viewport, theme=theme)
    expect(page.locator("#answer .mail-body")).to_contain_text("It costs little.", timeout=POLLED)
    assert serious(page) == []
    page.keyboard.press("a")
    expect(page.locator(".toast")).to_contain_text("Approved: Re: Price?", timeout=POLLED)
    expect(page.locator("#turns")).to_contain_text("It costs little.", timeout=POLLED)
    assert status(org, draft) == DraftStatus.APPROVED
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(page.locator("#answer .mail-body")).to_contain_text("It costs little.", timeout=POLLED)
    assert status(org, draft) == DraftStatus.PENDING_APPROVAL
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_what_is_typed_stays_while_a_suggestion_arrives_and_is_sent_by_hand(
    open_page: Open, org: Any, alice: Any, inbound: InboundMessage
):
    page = open_page(f"/inbox/{inbound.thread_id}/", user=alice)
    field = page.locator("#answer-body")
    expect(field).to_be_visible(timeout=POLLED)
    page.keyboard.press("w")
    page.keyboard.type("Nine euros.")
    draft = suggest(org, inbound)
    page.locator(".thread-head h2").click()  # the field loses the focus; what stands in it stays
    with page.expect_response(lambda answer: "HX-Request" in answer.headers.get("vary", ""), timeout=POLLED):
        pass
    expect(field).to_have_value("Nine euros.")
    field.focus()
    page.keyboard.press("Control+Enter")
    expect(page.locator("#turns")).to_contain_text("Nine euros.", timeout=POLLED)
    assert status(org, draft) == DraftStatus.WITHDRAWN


def test_a_new_answer_appears_in_the_list_and_the_focus_stays(
    open_page: Open, org: Any, alice: Any, inbound: InboundMessage
):
    page = open_page("/inbox/", user=alice)
    row = page.locator("#inbox-list .row")
    expect(row).to_have_count(1)
    row.focus()
    with org_context(org.pk):
        other = make_enrollment(
            org, make_lead(org, "Grace Hopper"), inbound.thread.campaign or _campaign(inbound)
        )
        make_inbound(other.lead, other.mailbox, "Tell me more.")
    expect(row).to_have_count(2, timeout=POLLED)
    expect(row.filter(has_text="Ada Lovelace")).to_be_focused()


def _campaign(inbound: InboundMessage) -> Any:
    return inbound.lead.enrollments.get().campaign
