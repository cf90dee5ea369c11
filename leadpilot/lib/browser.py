"""Pages that need a browser: Chromium in a thread of its own, behind the filtering proxy, cut when it takes too much."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from django.conf import settings

from leadpilot.lib import outbound, upstream
from leadpilot.lib.errors import DomainError
from leadpilot.lib.http import FetchError, user_agent
from leadpilot.lib.processes import Process
from leadpilot.lib.proxy import FilteringProxy, Refusal
from leadpilot.lib.wire import explain

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page
    from playwright.sync_api import Request as PageRequest
    from playwright.sync_api import Response as PageResponse

_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_FLAGS = [
    "--disable-quic",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    # Names are the proxy's business; 127.0.0.1 is the proxy itself.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--no-pings",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-sync",
    "--disable-gpu",
    "--js-flags=--max-old-space-size=256",
]
_MEMORY_LIMIT = 1_500_000_000
_PAGES_A_BROWSER = 50
_SETTLE_SECONDS = 2.0
_GRACE_SECONDS = 5.0
# Cut inside the page: a document of ten million nodes must not cross the pipe.
_TAKE = """max => ({
  html: (document.documentElement ? document.documentElement.outerHTML : "").slice(0, max),
  text: (document.body ? document.body.innerText : "").slice(0, max),
})"""


class BrowserMissing(DomainError):
    """No browser is installed, or it does not start; the message says what to do."""


@dataclass(frozen=True)
class Rendered:
    """A page as a visitor sees it: after scripts ran, `text` as shown, `screenshot` a PNG of the first screen."""

    url: str
    final_url: str
    status: int
    html: str
    text: str
    screenshot: bytes | None = None
    truncated: bool = False


def find_browser() -> str | None:
    """The browser to use: LEADPILOT_CHROMIUM, else an installed Chromium, else Playwright's own; None when none is."""
    named = os.environ.get("LEADPILOT_CHROMIUM", "") or getattr(settings, "CHROMIUM", "")
    if named:
        return named if os.access(named, os.X_OK) else None
    for name in _NAMES:
        if path := shutil.which(name):
            return path
    root = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright")
    found = [
        p
        for pattern in ("chromium*/*/headless_shell", "chromium*/*/chrome*")
        for p in sorted(root.glob(pattern))
    ]
    return next((str(p) for p in reversed(found) if p.is_file() and os.access(p, os.X_OK)), None)


def render(
    url: str, *, timeout: float = 20.0, max_bytes: int = 5_000_000, screenshot: bool = False
) -> Rendered:
    """Open one page in the process's shared browser, which is started, reused and renewed as needed.

    `timeout` in seconds bounds the whole page; `max_bytes` bounds its html, and five times that what it may load.
    Raises FetchError, or BrowserMissing when no browser can be used. One page at a time; other threads wait.
    """
    return _shared().render(url, timeout=timeout, max_bytes=max_bytes, screenshot=screenshot)


def close() -> None:
    """End the shared browser; the next `render` starts another."""
    global _browser
    with _guard:
        if _browser and _browser.owner == os.getpid():
            _browser.close()
        _browser = None


class Browser:
    """A Chromium, its driver, its proxy, and the one thread they live in."""

    def __init__(self, path: str | None = None) -> None:
        self.path = path or find_browser()
        self.owner = os.getpid()
        self.proxy = FilteringProxy()
        self.process: Process | None = None
        self._driver: Process | None = None
        self._pages = 0
        self._playwright: Any = None
        self._browser: Any = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="browser")
        self._busy = threading.Lock()

    def render(self, url: str, *, timeout: float, max_bytes: int, screenshot: bool = False) -> Rendered:
        """See the function `render`."""
        _check(url, timeout)
        with self._busy:
            try:
                if not self._browser:
                    self._launch()
                self.proxy.begin(max_bytes * 5, upstream.route())
                job = self._thread.submit(self._render, url, timeout, max_bytes, screenshot)
                return self._wait(job, url, timeout)
            except BaseException as error:
                # Only a refusal leaves a browser in a known state; after anything else the next page gets a new one.
                if not (isinstance(error, FetchError) and error.kind == "refused"):
                    self._end()
                raise
            finally:
                self._pages += 1
                if self._browser and self._pages >= _PAGES_A_BROWSER:
                    self._end()
                elif self._browser:
                    self.proxy.cut()

    def close(self) -> None:
        """End the browser and its thread."""
        with self._busy:
            self._end()
            self._thread.shutdown(wait=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _launch(self) -> None:
        try:
            self._thread.submit(self._start).result(30)
        except FutureTimeout:
            raise BrowserMissing(f"The browser {self.path} did not start within 30 seconds.") from None

    def _start(self) -> None:
        """In the browser's thread."""
        if not self.path:
            raise BrowserMissing(
                "No browser was found. Install the package chromium-headless-shell or chromium, run "
                "`playwright install chromium-headless-shell`, or set LEADPILOT_CHROMIUM to the program's path."
            )
        from playwright.sync_api import Error, sync_playwright  # costs a second; most processes never need it

        self.proxy = FilteringProxy().start()
        root = hasattr(os, "geteuid") and os.geteuid() == 0
        try:
            self._playwright = sync_playwright().start()
            self._browser = self._playwright.chromium.launch(
                executable_path=self.path,
                args=_FLAGS,
                chromium_sandbox=not root,  # as root Chromium refuses to start with its sandbox
                proxy={"server": self.proxy.url, "bypass": "<-loopback>"},
                handle_sigint=False,
                handle_sigterm=False,
                handle_sighup=False,
                timeout=20_000,
            )
            processes = self._browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")[
                "processInfo"
            ]
        except Error as error:
            first = str(error).strip().splitlines()[0]
            raise BrowserMissing(f"The browser {self.path} does not start: {first}") from error
        self.process = Process.find(next(int(p["id"]) for p in processes if p["type"] == "browser"))
        self._driver = self.process.ancestor_under(os.getpid()) if self.process else None
        self._pages = 0

    def _render(self, url: str, timeout: float, max_bytes: int, screenshot: bool) -> Rendered:
        """In the browser's thread."""
        deadline = time.monotonic() + timeout
        context = self._browser.new_context(
            user_agent=f"Mozilla/5.0 (compatible; {user_agent().replace(' (', '; ').rstrip(')')})",
            viewport={"width": 1280, "height": 800},
            service_workers="block",
            accept_downloads=False,
            ignore_https_errors=False,
        )
        try:
            return self._visit(context, url, deadline, max_bytes, screenshot)
        finally:
            with contextlib.suppress(Exception):  # a browser that was killed has no context to close
                context.close()

    def _visit(
        self, context: BrowserContext, url: str, deadline: float, max_bytes: int, screenshot: bool
    ) -> Rendered:
        from playwright.sync_api import TimeoutError as Late  # see _start

        context.set_default_timeout(_milliseconds(deadline))
        page = context.new_page()
        context.on("page", lambda opened: opened.close())  # pop-ups
        answers: list[PageResponse] = []
        asked: list[str] = []
        page.on("request", lambda sent: asked.append(sent.url) if _is_document(sent, page) else None)
        page.on("response", lambda got: answers.append(got) if _is_document(got.request, page) else None)
        page.goto(url, wait_until="domcontentloaded", timeout=_milliseconds(deadline))
        with contextlib.suppress(Late):
            page.wait_for_load_state(
                "networkidle", timeout=min(_SETTLE_SECONDS * 1000, _milliseconds(deadline))
            )
        self._refuse_if_led_astray(asked[-1] if asked else page.url, page.url)
        taken = page.evaluate(_TAKE, max_bytes + 1)
        picture = page.screenshot(timeout=_milliseconds(deadline)) if screenshot else None
        html, text = str(taken["html"]), str(taken["text"])
        status = answers[-1].status if answers else 0
        truncated = len(html) > max_bytes or self.proxy.exhausted
        return Rendered(url, page.url, status, html[:max_bytes], text[:max_bytes], picture, truncated)

    def _refuse_if_led_astray(self, wanted: str, shown: str) -> None:
        """A script or meta refresh that ends at a refused host shows an empty page or the browser's own: say so."""
        for refusal in list(self.proxy.refused):
            if (refusal.host, refusal.port) == _host_and_port(wanted):
                raise _refused(wanted, refusal)
        if shown.startswith("chrome-error:"):
            raise FetchError("connection", f"{wanted} could not be shown: the browser gave up on it.")

    def _wait(self, job: Future[Rendered], url: str, timeout: float) -> Rendered:
        """Wait for the thread, watching time and memory from outside, since a hung page hangs whoever asks it."""
        end = time.monotonic() + timeout + 1
        while True:
            try:
                return job.result(timeout=0.5)
            except FutureTimeout:
                if self.process and self.process.group_memory() > _MEMORY_LIMIT:
                    raise FetchError(
                        "too_large", f"{url} takes too much memory to show.", permanent=True
                    ) from None
                if time.monotonic() > end:
                    raise _too_slow(url, timeout) from None
            except (FetchError, BrowserMissing):
                raise
            except Exception as error:
                raise self._explain(error, url, timeout) from error

    def _explain(self, error: Exception, url: str, timeout: float) -> FetchError:
        said = str(error)
        if type(error).__name__ == "TimeoutError":
            return _too_slow(url, timeout)
        if self.proxy.refused and "ERR_TUNNEL_CONNECTION_FAILED" in said:
            return _refused(url, self.proxy.refused[-1])
        if self.proxy.exhausted:
            return FetchError("too_large", f"{url} loads more than is allowed.", permanent=True)
        for sign, kind, words in _SIGNS:
            if sign in said:
                return FetchError(kind, f"{url} {words}.", permanent=kind in ("tls", "too_many_redirects"))
        return FetchError("connection", f"{url} could not be shown: the browser gave up on it.")

    def _end(self) -> None:
        """Close what was started: politely if that takes no time, else by killing exactly these processes."""
        if self._playwright or self._browser:
            try:
                stopping = self._thread.submit(self._stop)
            except RuntimeError:  # the interpreter is going down, and its executors went before us
                self._kill_all()
            else:
                wait([stopping], timeout=3)
                if not stopping.done() or stopping.exception():
                    self._kill(stopping)
        self.proxy.stop()
        self._playwright = self._browser = None
        self.process = self._driver = None

    def _kill_all(self) -> None:
        """Exactly the processes that were started, without their thread's help."""
        if self.process:
            self.process.kill(group=True)
        if self._driver:
            self._driver.kill()

    def _stop(self) -> None:
        """In the browser's thread."""
        try:
            if self._browser:
                self._browser.close()
        finally:
            self._playwright.stop()

    def _kill(self, stopping: Future[None]) -> None:
        """The browser first: that makes the driver answer. If the driver is stuck too, it goes, and its thread with it."""
        if self.process:
            self.process.kill(group=True)
        wait([stopping], timeout=_GRACE_SECONDS)
        if not stopping.done():
            if self._driver:
                self._driver.kill()
            self._thread.shutdown(wait=False, cancel_futures=True)
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="browser")


_SIGNS: list[tuple[str, Any, str]] = [
    ("ERR_TOO_MANY_REDIRECTS", "too_many_redirects", "redirects for ever"),
    ("ERR_CERT", "tls", "has no valid security certificate"),
    ("ERR_SSL", "tls", "has no working secure connection"),
    ("ERR_NAME_NOT_RESOLVED", "dns", "was not found"),
    ("Download is starting", "protocol", "is a file to download, not a page"),
    ("ERR_EMPTY_RESPONSE", "connection", "could not be reached"),
    ("ERR_INVALID", "protocol", "gave an answer that is not proper HTTP"),
]
_guard = threading.Lock()
_browser: Browser | None = None


def _shared() -> Browser:
    """The process's browser; a forked worker makes its own."""
    global _browser
    with _guard:
        if _browser is None or _browser.owner != os.getpid():
            _browser = Browser()
            atexit.register(close)
        return _browser


def _check(url: str, timeout: float) -> None:
    """The same refusals as `http.fetch`, before a browser is started for them."""
    host, port = _host_and_port(url)
    if not host:
        raise FetchError("refused", f"{url[:200]} is not an http or https address.", permanent=True)
    try:
        outbound.check_target(host, port, timeout=min(timeout, 5.0))
    except outbound.OutboundError as error:
        raise explain(error, url, timeout) from error


def _host_and_port(url: str) -> tuple[str, int]:
    """What an address would connect to; ("", 0) unless it is plain http or https without a user name."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return "", 0
    fine = parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc
    return (parts.hostname, port) if fine and "\\" not in url and parts.hostname else ("", 0)


def _refused(url: str, refusal: Refusal) -> FetchError:
    return FetchError(refusal.kind, f"{url} was not opened: {refusal.reason}", permanent=refusal.permanent)


def _too_slow(url: str, timeout: float) -> FetchError:
    return FetchError("timeout", f"{url} was not complete after {timeout:g} seconds.")


def _is_document(request: PageRequest, page: Page) -> bool:
    """Whether this opens a page in the main frame."""
    return request.is_navigation_request() and request.frame == page.main_frame


def _milliseconds(deadline: float) -> float:
    """What is left, for Playwright, to whom 0 means without end."""
    return max(1.0, (deadline - time.monotonic()) * 1000)
