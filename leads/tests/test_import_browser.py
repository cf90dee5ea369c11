"""What only a browser can tell about leads and imports: uploading, live previews, keys, width, contrast."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Page as Browsed
from playwright.sync_api import expect

from leadpilot.orgs.tenancy import org_context
from leadpilot.tests.browser import DESK, PHONE, Open, serious
from leads.models import Fact, Lead, Page
from leads.services import imports
from leads.services.leads import add_note, create_lead
from leads.services.suppression import suppress

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
TABLE = "Vorname;Nachname;E-Mail;Firma;Notiz\nJürgen;Groß;juergen@gross.example;Groß GmbH;Messe\n;;kaputt;;\n"


@pytest.fixture
def world(org: Any, alice: Any) -> dict[str, str]:
    """One lead with everything a page can show, an import before and one after it ran; path by name."""
    with org_context(org.pk):
        ada = create_lead(
            org=org,
            by=alice,
            name="Ada Lovelace",
            email="ada@engine.example",
            company="Engine Works",
            title="Countess",
            website_url="https://engine.example/" + "a-very-long-path/" * 8,
            tags=["maths", "vip"],
            custom_fields={"Met at": "The Royal Society"},
        )
        create_lead(org=org, name="Bo " + "Averylongname" * 5, email="b" * 60 + "@long-domain-name.example")
        add_note(lead=ada, text="Likes tea.", by=alice)
        page = Page.objects.create(
            org=org,
            lead=ada,
            url="https://engine.example/news",
            title="News",
            text="Old.\nWe opened a plant.\nEnd.",
        )
        fact = Fact.objects.create(
            org=org,
            page=page,
            lead=ada,
            category="recent_news",
            statement="Engine Works opened a plant.",
            quote="We opened a plant.",
            source_url=page.url,
            confidence=0.9,
        )
        parts = [
            {
                "field": "company",
                "weight": 20,
                "got": 20,
                "evidence": "Engine Works",
                "fact_id": str(fact.pk),
            },
            {"field": "recent_activity", "weight": 15, "got": 0, "evidence": "", "fact_id": None},
        ]
        Lead.objects.filter(pk=ada.pk).update(
            score=62,
            status="researched",
            score_breakdown={"parts": parts, "missing": ["recent_activity"], "threshold": 45},
            researched_at=ada.created_at,
        )
        suppress(org=org, value="blocked.example", reason="manual", by=alice)
        waiting = imports.upload(
            org=org, by=alice, file_name="kontakte.csv", file=io.BytesIO(TABLE.encode("cp1252"))
        )
        done = imports.upload(org=org, by=alice, file_name="alt.csv", file=io.BytesIO(TABLE.encode("cp1252")))
        imports.start(lead_import=done, mapping=done.mapping, update_existing=True, by=alice)
    return {
        "list": reverse("leads:lead_list"),
        "detail": reverse("leads:lead_detail", args=[ada.pk]),
        "form": reverse("leads:lead_edit", args=[ada.pk]),
        "page": f"{reverse('leads:page_detail', args=[page.pk])}?fact={fact.pk}",
        "import": reverse("leads:import_create"),
        "mapping": reverse("leads:import_detail", args=[waiting.pk]),
        "result": reverse("leads:import_detail", args=[done.pk]),
        "suppression": reverse("leads:suppression_list"),
    }


def leave(page: Browsed) -> None:
    """End with no request on its way: one that still reads and the flush after the test would lock each other out."""
    page.wait_for_load_state("networkidle")
    page.goto("about:blank")


@pytest.mark.parametrize(("viewport", "theme"), [(DESK, "light"), (PHONE, "dark")], ids=["desk", "phone"])
def test_no_page_has_a_serious_barrier_or_scrolls_sideways(
    open_page: Open,
    world: dict[str, str],
    alice: Any,
    viewport: Any,
    theme: str,
    tmp_path_factory: Any,
):
    shots = tmp_path_factory.mktemp("shots")
    found = {}
    for name, path in world.items():
        page = open_page(path, user=alice, theme=theme, viewport=viewport)
        page.screenshot(path=shots / f"{name}.png", full_page=True)
        found[name] = serious(page)
        if not page.evaluate("document.documentElement.scrollWidth <= innerWidth"):
            found[name].append("it scrolls sideways")
        leave(page)
    assert {name: problems for name, problems in found.items() if problems} == {}


def test_a_file_becomes_leads(open_page: Open, org: Any, alice: Any):
    page = open_page(reverse("leads:import_create"), user=alice)
    page.get_by_label("CSV or XLSX file").set_input_files(
        {"name": "kontakte.csv", "mimeType": "text/csv", "buffer": TABLE.encode("cp1252")}
    )
    page.get_by_role("button", name="Upload and look at it").click()
    expect(page.locator("#preview")).to_contain_text("Tried with every row")
    page.get_by_label("What “E-Mail” means").select_option("")
    expect(page.locator("#preview")).to_contain_text("No column is mapped to Email")
    page.get_by_label("What “E-Mail” means").select_option("email")
    expect(page.locator("#preview")).to_contain_text("Row 3")
    page.get_by_role("button", name="Import 2 rows").click()
    expect(page.locator("#import")).to_contain_text("Done.")
    expect(page.locator("#problems")).to_contain_text("The name is missing")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "kontakte-problems.csv"
    page.get_by_role("link", name="See the leads").click()
    expect(page.locator("#leads")).to_contain_text("Jürgen Groß")
    leave(page)


def test_searching_and_walking_with_the_keyboard(open_page: Open, world: dict[str, str], alice: Any):
    page = open_page(world["list"], user=alice)
    page.keyboard.press("/")
    page.keyboard.type("lovel")
    expect(page.locator("#leads tbody tr")).to_have_count(1)
    assert "q=lovel" in page.url
    page.get_by_role("searchbox").blur()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page).to_have_title("Ada Lovelace · LeadPilot")
    leave(page)


def test_a_note_is_added_without_leaving(open_page: Open, world: dict[str, str], alice: Any):
    page = open_page(world["detail"], user=alice)
    page.get_by_role("textbox", name="Note").fill("Prefers the morning.")
    page.get_by_role("button", name="Add note").click()
    expect(page.locator("#timeline")).to_contain_text("Prefers the morning.")
    expect(page.get_by_role("textbox", name="Note")).to_have_value("")
    page.get_by_role("button", name="Add note").click()
    expect(page.locator("#timeline")).to_contain_text("required")
    leave(page)
