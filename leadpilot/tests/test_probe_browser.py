"""A7 in the browser: scripts, frames, meta refresh and WebSockets that want to private places."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from leadpilot.lib.browser import Browser, Rendered, find_browser
from leadpilot.lib.http import FetchError
from leadpilot.tests.probing.internet import Canaries, Internet, Names
from leadpilot.tests.probing.places import addresses, hosts

pytest_plugins = ["leadpilot.tests.probing.doors"]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(find_browser() is None, reason="no Chromium is installed; set LEADPILOT_CHROMIUM"),
]
SCRIPT = "<!doctype html><title>T</title><p id=done>no</p><script>const all = %s; %s; %s</script>"
DONE = "document.getElementById('done').textContent = 'all tried'"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with Browser() as started:
        yield started


def show(chromium: Browser, path: str, host: str = "public.test") -> Rendered | FetchError:
    """What came of it: a page or a failure, where either is right."""
    try:
        return chromium.render(f"http://{host}{path}", timeout=25, max_bytes=1_000_000)
    except FetchError as error:
        return error


def wanted(chromium: Browser, own: str = "public.test") -> set[str]:
    """The places that the proxy was asked for and refused."""
    return {refusal.host for refusal in chromium.proxy.refused if refusal.host != own}


def with_script(urls: list[str], each: str) -> str:
    return SCRIPT % (json.dumps(urls), f"for (const url of all) {{ try {{ {each} }} catch (e) {{}} }}", DONE)


def framed(urls: list[str], page: str) -> str:
    frames = (f'<iframe src="/{page}?u={html.escape(quote(url, safe=""))}"></iframe>' for url in urls)
    return f"<!doctype html><title>T</title>{''.join(frames)}"


@pytest.fixture
def pages(internet: Internet, canaries: Canaries) -> Internet:
    """Pages that open every place by every means a page has."""
    urls = addresses(canaries.web)
    sockets = [f"ws://{host}:{canaries.web}/" for host in hosts()]
    requests = (
        "fetch(url, {mode: 'no-cors'}).catch(() => 0); new Image().src = url; navigator.sendBeacon(url)"
    )
    internet.pages = {
        "/sockets": lambda query: with_script(sockets[int(query["start"]) :: 25], "new WebSocket(url)"),
        "/requests": lambda query: with_script(urls, requests),
        "/frames": lambda query: framed(urls[::6], "refresh") + framed(urls[3::6], "script"),
        "/refresh": lambda query: f'<meta http-equiv="refresh" content="0;url={html.escape(query["u"])}">',
        "/script": lambda query: f"<script>location.replace({json.dumps(query['u'])})</script>",
    }
    return internet


def test_websockets(chromium: Browser, pages: Internet, canaries: Canaries) -> None:
    refused: set[str] = set()
    for start in range(3):  # Chromium opens them one after the other; all 300 are tried in test_probe_door
        page = show(chromium, f"/sockets?start={start}")
        assert isinstance(page, Rendered)
        assert "all tried" in page.text
        refused |= wanted(chromium)
    assert len(refused) > 20
    assert canaries.connections == 0


def test_requests_images_and_beacons(chromium: Browser, pages: Internet, canaries: Canaries) -> None:
    page = show(chromium, "/requests")
    assert isinstance(page, Rendered)
    assert "all tried" in page.text
    assert len(wanted(chromium)) > 50
    assert canaries.connections == 0


def test_frames_that_lead_elsewhere(chromium: Browser, pages: Internet, canaries: Canaries) -> None:
    show(chromium, "/frames")
    assert len(wanted(chromium)) > 10
    assert canaries.connections == 0


@pytest.mark.parametrize("page", ["refresh", "script"])
def test_a_page_that_leads_elsewhere(
    page: str, chromium: Browser, pages: Internet, canaries: Canaries
) -> None:
    for host in ("127.0.0.1", "0x7f.1", "[::1]", "to-7f000001.inward.test"):
        url = f"http://{host}:{canaries.web}/"
        assert isinstance(show(chromium, f"/{page}?u={quote(url, safe='')}"), FetchError), url
    assert wanted(chromium)
    assert canaries.connections == 0


def test_names_that_turn_inward(chromium: Browser, pages: Internet, names: Names, canaries: Canaries) -> None:
    names.turns = 2  # the first check, and the page; then the script's own requests
    again = f"http://host.turning.test:{canaries.web}/"
    pages.pages["/"] = lambda query: with_script([again] * 5, "fetch(url + Math.random(), {mode: 'no-cors'})")
    show(chromium, "/", f"host.turning.test:{canaries.web}")
    assert names.asked["host.turning.test"] > 2
    assert "host.turning.test" in wanted(chromium)
    assert canaries.connections == 0
