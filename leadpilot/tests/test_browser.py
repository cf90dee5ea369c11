from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from leadpilot.lib import browser as browser_module
from leadpilot.lib.browser import Browser, BrowserMissing, find_browser, render
from leadpilot.lib.http import FetchError
from leadpilot.lib.processes import Process
from leadpilot.tests.servers import Canary, answer, endless, hang, redirect

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(find_browser() is None, reason="no Chromium is installed; set LEADPILOT_CHROMIUM"),
]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with Browser() as started:
        yield started


def show(chromium: Browser, url: str, timeout: float = 15, max_bytes: int = 1_000_000, **options: Any) -> Any:
    return chromium.render(url, timeout=timeout, max_bytes=max_bytes, **options)


def attempt(chromium: Browser, url: str, **options: Any) -> Any:
    """What came of it: a page or a failure, where either is right."""
    try:
        return show(chromium, url, **options)
    except FetchError as error:
        return error


def gone(process: Process | None, within: float = 8) -> bool:
    """Whether a process, and every process of its group, ends in time."""
    assert process is not None
    end = time.monotonic() + within
    while time.monotonic() < end:
        if not process.alive() and process.group_memory() == 0:
            return True
        time.sleep(0.1)
    return False


def ended(process: Process, within: float = 8) -> bool:
    """Whether this one process ends in time; its group may be the tests' own."""
    end = time.monotonic() + within
    while process.alive() and time.monotonic() < end:
        time.sleep(0.1)
    return not process.alive()


def test_a_page_is_shown_after_its_scripts_ran(chromium: Browser, web: Any) -> None:
    server = web(
        {
            "/": "<title>T</title><p id=a>before</p><p hidden>unseen</p><script src=/late.js></script>",
            "/late.js": "document.getElementById('a').textContent = 'after';",
        }
    )
    page = show(chromium, f"http://{server.place}/")
    assert page.status == 200
    assert page.final_url == f"http://{server.place}/"
    assert page.text.strip() == "after"
    assert "<title>T</title>" in page.html
    assert page.screenshot is None
    assert not page.truncated
    assert "LeadPilot" in server.seen[0][2]["user-agent"]


def test_it_says_who_it_is_to_web_sites(chromium: Browser, web: Any, settings: Any) -> None:
    settings.OUTBOUND_USER_AGENT = "Acme/2 (+https://acme.example/bot)"
    server = web({"/": "x"})
    show(chromium, f"http://{server.place}/")
    assert server.seen[0][2]["user-agent"] == "Mozilla/5.0 (compatible; Acme/2; +https://acme.example/bot)"


def test_a_screenshot_is_a_picture(chromium: Browser, web: Any) -> None:
    server = web({"/": "<h1>Hello</h1>"})
    page = show(chromium, f"http://{server.place}/", screenshot=True)
    assert page.screenshot.startswith(b"\x89PNG")


def test_status_and_final_address_are_those_of_the_page_that_is_seen(chromium: Browser, web: Any) -> None:
    server = web({"/": redirect("/b"), "/b": lambda h: answer(h, "no such page", status=404)})
    page = show(chromium, f"http://{server.place}/")
    assert (page.status, page.final_url, page.text) == (404, f"http://{server.place}/b", "no such page")


def test_one_browser_serves_many_pages_and_keeps_nothing_between_them(chromium: Browser, web: Any) -> None:
    server = web(
        {
            "/": "<script>document.title=document.cookie+localStorage.x; document.cookie='a=1'; localStorage.x=1</script>"
        }
    )
    first = show(chromium, f"http://{server.place}/")
    pid = chromium.process.pid
    second = show(chromium, f"http://{server.place}/")
    assert chromium.process.pid == pid
    assert "<title>undefined</title>" in first.html
    assert "<title>undefined</title>" in second.html


WAYS_OUT = {
    "image": "<img src='{url}'>",
    "frame": "<iframe src='{url}'></iframe>",
    "style": "<link rel=stylesheet href='{url}'>",
    "prefetch": "<link rel=preconnect href='{url}'><link rel=dns-prefetch href='{url}'><link rel=prefetch href='{url}'>",
    "prerender": '<script type=speculationrules>{{"prerender":[{{"urls":["{url}"]}}]}}</script>',
    "fetch": "<script>fetch('{url}', {{mode: 'no-cors'}})</script>",
    "beacon": "<script>navigator.sendBeacon('{url}', 'x')</script>",
    "socket": "<script>new WebSocket('{url}'.replace('http', 'ws'))</script>",
    "events": "<script>new EventSource('{url}')</script>",
    "popup": "<script>window.open('{url}')</script>",
    "form": "<form action='{url}' target=f method=post></form><iframe name=f></iframe>"
    "<script>document.forms[0].submit()</script>",
    "worker": "<script>new Worker(URL.createObjectURL(new Blob([\"fetch('{url}',{{mode:'no-cors'}})\"])))</script>",
    "rtc": "<script>p=new RTCPeerConnection({{iceServers:"
    "[{{urls:'turn:{host}?transport=tcp',username:'u',credential:'c'}}]}});"
    "p.createDataChannel('x');p.createOffer().then(o=>p.setLocalDescription(o))</script>",
    "media": "<video src='{url}' autoplay></video><audio src='{url}' autoplay></audio>",
    "script": "<script src='{url}'></script><script type=module>import('{url}')</script>",
}


def test_a_page_reaches_nothing_private(chromium: Browser, web: Any, canary: Canary) -> None:
    url = f"http://{canary.place}"
    ways = [
        page.format(url=f"{url}/{number}", host=canary.place) for number, page in enumerate(WAYS_OUT.values())
    ]
    server = web({"/": "<p>fine</p>" + "".join(ways)})
    assert "fine" in show(chromium, f"http://{server.place}/").text
    wanted = [refusal for refusal in chromium.proxy.refused if refusal.port == canary.port]
    assert len(wanted) >= len(WAYS_OUT) - 4  # all but the few that Chromium itself refuses by now


SPELLINGS = [
    "127.0.0.1",
    "localhost",
    "[::1]",
    "127.1",
    "2130706433",
    "0.0.0.0",
    "0x7f.1",
    "[::ffff:127.0.0.1]",
    "a.localhost",
]


def test_no_spelling_of_loopback_gets_through_from_inside_a_page(
    chromium: Browser, web: Any, canary: Canary
) -> None:
    images = [
        f"<img src='{scheme}://{host}:{canary.port}/'>" for host in SPELLINGS for scheme in ("http", "https")
    ]
    server = web({"/": f"<p>fine</p>{''.join(images)}"})
    assert "fine" in show(chromium, f"http://{server.place}/").text
    assert {"127.0.0.1", "::1"} <= {refusal.host for refusal in chromium.proxy.refused}


LEADS_ASTRAY = {
    "redirect": lambda url: redirect(url),
    "meta refresh": lambda url: f'<meta http-equiv=refresh content="0;url={url}">',
    "script": lambda url: f"<script>location.replace('{url}')</script>",
    "refresh header": lambda url: lambda h: answer(h, "x", refresh=f"0; url={url}"),
}


@pytest.mark.parametrize("way", LEADS_ASTRAY)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_page_that_leads_to_a_private_host_is_refused(
    chromium: Browser, web: Any, canary: Canary, way: str, scheme: str
) -> None:
    server = web({"/": LEADS_ASTRAY[way](f"{scheme}://{canary.place}/secret")})
    with pytest.raises(FetchError) as caught:
        show(chromium, f"http://{server.place}/")
    assert caught.value.kind == "refused"
    assert "127.0.0.1 is a private address" in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "data:text/html,x",
        "chrome://version",
        "about:blank",
        "http://u:p@x.com/",
        "http://",
        "x",
    ],
)
def test_only_web_addresses_are_opened(chromium: Browser, url: str) -> None:
    with pytest.raises(FetchError) as caught:
        show(chromium, url)
    assert caught.value.kind == "refused"


def test_private_and_unknown_hosts_are_refused_before_a_browser_starts(canary: Canary) -> None:
    with Browser() as unstarted:
        with pytest.raises(FetchError) as caught:
            show(unstarted, f"http://{canary.place}/")
        assert caught.value.kind == "refused"
        with pytest.raises(FetchError) as caught:
            show(unstarted, "https://nothing.invalid/")
        assert caught.value.kind == "dns"
        assert unstarted.process is None


@pytest.mark.parametrize(
    ("name", "route"),
    [
        ("silent server", hang),
        ("endless page", endless(b"<p>x</p>", 0.05)),
        ("script without end", "<p>x</p><script>while (true) {}</script>"),
        ("alerts", "<script>while (true) alert(1)</script>"),
    ],
)
def test_a_page_that_takes_too_long_is_cut_and_leaves_no_process(web: Any, name: str, route: Any) -> None:
    server = web({"/": route, "/good": "good"})
    with Browser() as chromium:
        show(chromium, f"http://{server.place}/good")
        process = chromium.process
        began = time.monotonic()
        result = attempt(chromium, f"http://{server.place}/", timeout=3)
        if isinstance(result, FetchError):
            assert result.kind == "timeout"
            assert gone(process)
        assert time.monotonic() - began < 14
        assert show(chromium, f"http://{server.place}/good").text == "good"


def test_a_script_that_blocks_later_is_cut_too(web: Any) -> None:
    server = web({"/": "<p>x</p><script>setTimeout(() => { while (true) {} }, 300)</script>"})
    with Browser() as chromium:
        with pytest.raises(FetchError) as caught:
            show(chromium, f"http://{server.place}/", timeout=3)
        assert caught.value.kind == "timeout"
        assert chromium.process is None


def test_millions_of_nodes_are_cut(web: Any) -> None:
    grow = "<script>for (let i = 0; i < 1e7; i++) document.body.append(document.createElement('i'))</script>"
    server = web({"/": f"<body>{grow}", "/good": "good"})
    with Browser() as chromium:
        show(chromium, f"http://{server.place}/good")
        process = chromium.process
        result = attempt(chromium, f"http://{server.place}/", timeout=5, max_bytes=100_000)
        if isinstance(result, FetchError):
            assert result.kind in ("timeout", "too_large")
            assert gone(process)
        else:
            assert result.truncated
            assert len(result.html) == 100_000
        assert show(chromium, f"http://{server.place}/good").text == "good"


def test_a_page_that_loads_too_much_is_cut(chromium: Browser, web: Any) -> None:
    server = web(
        {
            "/": "<p>top</p><script>fetch('/big').then(r => r.text())</script>",
            "/big": endless(b"x" * 65_536, 0.001),
        }
    )
    page = show(chromium, f"http://{server.place}/", max_bytes=200_000)
    assert page.truncated
    assert "top" in page.text
    assert chromium.proxy.bytes_left < 0


def test_an_endless_document_is_too_large_or_cut(chromium: Browser, web: Any) -> None:
    server = web({"/": endless(b"<p>word</p>" * 6_000, 0.001)})
    result = attempt(chromium, f"http://{server.place}/", max_bytes=200_000)
    if isinstance(result, FetchError):
        assert result.kind == "too_large"
    else:
        assert result.truncated
        assert len(result.html) <= 200_000


def test_a_download_is_no_page(chromium: Browser, web: Any) -> None:
    server = web(
        {"/": lambda h: answer(h, b"PK", content_type="application/zip", content_disposition="attachment")}
    )
    with pytest.raises(FetchError, match="a file to download"):
        show(chromium, f"http://{server.place}/")


def test_redirects_for_ever_end(chromium: Browser, web: Any) -> None:
    server = web({"/": redirect("/")})
    with pytest.raises(FetchError) as caught:
        show(chromium, f"http://{server.place}/")
    assert caught.value.kind == "too_many_redirects"
    assert len(server.seen) < 30


def test_a_closed_port_is_a_connection_failure(chromium: Browser, settings: Any) -> None:
    listener = Canary()
    listener.close()
    settings.OUTBOUND_ALLOW = [listener.place]
    for scheme in ("http", "https"):
        with pytest.raises(FetchError) as caught:
            show(chromium, f"{scheme}://{listener.place}/")
        assert caught.value.kind == "connection"
        assert "could not be reached" in str(caught.value)


def test_a_browser_that_crashes_is_replaced(web: Any) -> None:
    server = web({"/": "good", "/slow": hang})
    with Browser() as chromium:
        show(chromium, f"http://{server.place}/")
        process = chromium.process
        killer = threading.Timer(1, lambda: process.kill(group=True))
        killer.start()
        with pytest.raises(FetchError) as caught:
            show(chromium, f"http://{server.place}/slow")
        assert caught.value.kind == "connection"
        assert gone(process)
        assert show(chromium, f"http://{server.place}/").text == "good"
        assert chromium.process.pid != process.pid


def test_a_driver_that_hangs_is_replaced(web: Any) -> None:
    server = web({"/": "good"})
    with Browser() as chromium:
        show(chromium, f"http://{server.place}/")
        process, driver = chromium.process, chromium._driver
        os.kill(driver.pid, signal.SIGSTOP)
        with pytest.raises(FetchError) as caught:
            show(chromium, f"http://{server.place}/", timeout=2)
        assert caught.value.kind == "timeout"
        assert gone(process)
        assert ended(driver)
        assert show(chromium, f"http://{server.place}/").text == "good"


def test_a_browser_is_renewed_after_a_number_of_pages(web: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser_module, "_PAGES_A_BROWSER", 2)
    server = web({"/": "good"})
    with Browser() as chromium:
        show(chromium, f"http://{server.place}/")
        process = chromium.process
        show(chromium, f"http://{server.place}/")
        assert gone(process)
        show(chromium, f"http://{server.place}/")
        assert chromium.process.pid != process.pid
        last = chromium.process
    assert gone(last)


def test_threads_take_turns(chromium: Browser, web: Any) -> None:
    server = web({f"/{n}": f"page {n}" for n in range(4)})
    texts: dict[int, str] = {}

    def visit(n: int) -> None:
        texts[n] = show(chromium, f"http://{server.place}/{n}").text

    threads = [threading.Thread(target=visit, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts == {n: f"page {n}" for n in range(4)}


def test_a_killed_worker_leaves_no_browser_behind(tmp_path: Path) -> None:
    script = """
import os, sys, time
import django
django.setup()
from leadpilot.lib import browser
from leadpilot.tests.servers import web_server
from django.conf import settings
with web_server({"/": "good"}) as server:
    settings.OUTBOUND_ALLOW = [server.place]
    browser.render(f"http://{server.place}/")
    print(browser._browser.process.pid, flush=True)
    time.sleep(60)
"""
    worker = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    process = Process.find(int(worker.stdout.readline()))
    worker.kill()
    worker.wait()
    assert gone(process)


def test_without_a_browser_it_says_what_to_install(
    web: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = web({"/": "good"})
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    monkeypatch.delenv("LEADPILOT_CHROMIUM", raising=False)
    assert find_browser() is None
    with Browser() as none, pytest.raises(BrowserMissing, match="chromium-headless-shell"):
        show(none, f"http://{server.place}/")


def test_a_program_that_is_no_browser_is_reported(web: Any, tmp_path: Path) -> None:
    server = web({"/": "good"})
    fake = tmp_path / "chromium"
    fake.write_text("#!/bin/sh\nexit 3\n")
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    with Browser(str(fake)) as broken, pytest.raises(BrowserMissing, match="does not start"):
        show(broken, f"http://{server.place}/")


def test_the_browser_may_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LEADPILOT_CHROMIUM", sys.executable)
    assert find_browser() == sys.executable
    monkeypatch.setenv("LEADPILOT_CHROMIUM", str(tmp_path / "missing"))
    assert find_browser() is None


def test_playwrights_own_browser_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "chromium_headless_shell-1200" / "chrome-linux" / "headless_shell"
    program.parent.mkdir(parents=True)
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    monkeypatch.delenv("LEADPILOT_CHROMIUM", raising=False)
    assert find_browser() == str(program)


def test_the_shared_browser_is_kept_until_it_is_closed(web: Any) -> None:
    server = web({"/": "good"})
    assert render(f"http://{server.place}/").text == "good"
    process = browser_module._browser.process
    render(f"http://{server.place}/")
    assert browser_module._browser.process == process
    browser_module.close()
    assert gone(process)
    browser_module.close()
