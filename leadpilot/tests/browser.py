"""A real browser for tests: the fixture `open_page`, and what axe has to say about a page. A plugin (conftest.py)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from leadpilot.lib.browser import find_browser

DESK = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
Open = Callable[..., Page]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    # Playwright runs a loop in this thread; Django would refuse its own database to the tests without this.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    program = find_browser()
    if program is None:
        pytest.skip("No browser on this machine.")
    with sync_playwright() as playwright:
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=str(program), args=flags)
        yield browser
        browser.close()
    os.environ.pop("DJANGO_ALLOW_ASYNC_UNSAFE")


@pytest.fixture
def open_page(chromium: Browser, live_server: Any, client_for: Any) -> Iterator[Open]:
    """`open_page(path, user=…, theme=…, viewport=…)`: a page of the running server; errors in it fail the test."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def visit(
        path: str, *, user: Any = None, theme: str = "light", viewport: Any = DESK, **more: Any
    ) -> Page:
        context = chromium.new_context(viewport=viewport, color_scheme=theme, **more)
        contexts.append(context)
        if user is not None:
            cookie = client_for(user).cookies["leadpilot_session"].value
            context.add_cookies([{"name": "leadpilot_session", "value": cookie, "url": live_server.url}])
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text) if _is_ours(message) else None)
        page.goto(live_server.url + path)
        page.wait_for_load_state("load")
        return page

    yield visit
    for context in contexts:
        context.close()
    assert complaints == []


def _is_ours(message: Any) -> bool:
    # The browser reports each failed request, and htmx each failed answer: those are asked for here.
    asked_for = ("the server responded with", "Response Status", "net::ERR_INTERNET_DISCONNECTED", "htmx:")
    return message.type == "error" and not any(part in message.text for part in asked_for)


def serious(page: Page) -> list[str]:
    """What axe calls serious or critical, as readable lines."""
    violations = Axe().run(page).response["violations"]
    return [
        f"{violation['id']}: {node['target']} {node['any'][0]['message'] if node['any'] else ''}"
        for violation in violations
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]
