"""Reading one page politely: robots.txt, a pause, plain HTTP, Chromium where it is needed, and a row for every outcome."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

from django.conf import settings

from leadpilot.lib import browser, clock, robots, upstream
from leadpilot.lib.http import FetchError, Response, fetch
from leads.models import PageStatus
from leads.research.blocks import clean
from leads.research.extract import Extracted, extract, stylesheet_links
from leads.research.links import host_of, is_closed_network, same_site

MAX_BYTES = 5_000_000
PAGE_SECONDS = 10.0
RENDER_SECONDS = 15.0
_RENDERS = 10
_ANOTHER_WAY = 2.0  # seconds that have to be left to try the next way out
_THIN = 200  # characters below which a page with scripts is opened in the browser
_NOTHING = 60
_HTML_TYPES = ("", "text/html", "application/xhtml+xml", "text/plain")


@dataclass
class ReadPage:
    """One page, read or not; `failure` is a sentence for people, `asked` how many pages of the site were wanted."""

    url: str
    kind: str
    status: PageStatus = PageStatus.FAILED
    final_url: str = ""
    http_status: int | None = None
    failure: str = ""
    content: Extracted = field(default_factory=Extracted)
    rendered: bool = False
    elapsed_ms: int = 0
    fetched_at: datetime = field(default_factory=clock.now)
    error_kind: str = ""
    asked: int = 1

    @property
    def ok(self) -> bool:
        """True when there is text to take facts from."""
        return self.status == PageStatus.OK

    @property
    def address(self) -> str:
        """Where the text stood in the end."""
        return self.final_url or self.url


def _is_shut(page: ReadPage) -> bool:
    """Whether another way out might be let in: the site refuses this one, or nothing came through it."""
    return page.http_status in (403, 429) or page.error_kind in ("connection", "unreachable")


class Visitor:
    """Reads pages for one lead until a moment (`time.monotonic()`); safe to use from several threads."""

    def __init__(self, until: float, wanted: Callable[[], bool] | None = None) -> None:
        self.until = until
        self._wanted = wanted
        self._styles: dict[str, str | None] = {}
        self._renders = 0
        self._way: str | None = None
        self._lock = threading.Lock()

    @property
    def left(self) -> float:
        """Seconds until the deadline; none once nobody wants the result any more."""
        if self._wanted is not None and not self._wanted():
            return 0.0
        return self.until - time.monotonic()

    def visit(self, url: str, kind: str) -> ReadPage:
        """Read one page; what goes wrong becomes the page's status and sentence, never an exception.

        A site that shuts one way out (403, 429), or a proxy that does not serve, has the next way tried, each once.
        """
        page = ReadPage(url=url, kind=kind)
        began = time.monotonic()
        for way in self._ways():
            page = ReadPage(url=url, kind=kind)
            with upstream.via(way):
                self._try(page)
            if not _is_shut(page):
                self._way = way
                break
            if self.left < _ANOTHER_WAY:
                break
        page.elapsed_ms = round((time.monotonic() - began) * 1000)
        return page

    def _ways(self) -> list[str]:
        """The ways out, the one that served last before the others."""
        return sorted(upstream.routes(), key=lambda way: way != self._way)

    def _try(self, page: ReadPage) -> None:
        url = page.url
        try:
            self._read(page)
        except FetchError as error:
            page.error_kind = error.kind
            page.status = PageStatus.REFUSED if error.kind == "refused" else PageStatus.FAILED
            page.failure = clean(str(error))
        except Exception as error:  # a stranger's page must not end the research of a lead
            page.status, page.error_kind = PageStatus.FAILED, "unreadable"
            page.failure = f"{url} could not be read ({type(error).__name__})."

    def _read(self, page: ReadPage) -> None:
        if is_closed_network(page.url):
            return _refuse(page, f"{host_of(page.url)} does not allow its pages to be read by machines.")
        self._ask_robots(page, page.url)
        if page.failure:
            return None
        answer = fetch(page.url, timeout=min(PAGE_SECONDS, self._time(page.url)), max_bytes=MAX_BYTES)
        page.final_url, page.http_status = answer.final_url, answer.status
        if not same_site(host_of(page.url), host_of(answer.final_url)):
            if is_closed_network(answer.final_url):
                return _refuse(
                    page, f"{page.url} leads to {host_of(answer.final_url)}, which is not read by machines."
                )
            self._ask_robots(page, answer.final_url, pause=False)
            if page.failure:
                return None
        if not answer.ok:
            page.failure = (
                f"{page.url} answered with status {answer.status}{_MEANING.get(answer.status, '')}."
            )
            return None
        if answer.content_type not in _HTML_TYPES:
            page.status, page.failure = (
                PageStatus.EMPTY,
                f"{page.url} is no web page but {answer.content_type}.",
            )
            return None
        self._take(page, answer)
        return None

    def _take(self, page: ReadPage, answer: Response) -> None:
        page.content = self._extract(answer.text, answer.final_url)
        if page.content.needs_browser and len(page.content.text) < _THIN:
            self._render(page)
        if page.status == PageStatus.EMPTY:
            return
        content = page.content
        if len(content.text) < _NOTHING and not (content.news or content.people or content.is_article):
            page.status = PageStatus.EMPTY
            page.failure = page.failure or f"{page.url} says next to nothing: “{page.content.text}”."
        else:
            page.status, page.failure = PageStatus.OK, ""

    def _render(self, page: ReadPage) -> None:
        """Open the page in Chromium, because without scripts it says too little."""
        with self._lock:
            self._renders += 1
            if self._renders > _RENDERS:
                page.failure = (
                    f"{page.url} needs a browser, and {_RENDERS} pages of this lead were opened in one."
                )
                return
        try:
            shown = browser.render(
                page.address, timeout=min(RENDER_SECONDS, self._time(page.url)), max_bytes=MAX_BYTES
            )
        except browser.BrowserMissing as error:
            page.failure = f"{page.url} needs a browser to be read. {error}"
            return
        if shown.status >= 400:
            page.status, page.http_status = PageStatus.EMPTY, shown.status
            page.failure = f"{page.url} answered the browser with status {shown.status}."
            return
        page.rendered, page.final_url = True, shown.final_url
        page.content = self._extract(shown.html, shown.final_url)

    def _extract(self, html: str, url: str) -> Extracted:
        wanted = stylesheet_links(html, url)
        own = [link for link in wanted if host_of(link) == host_of(url)][:4]
        texts = [self._style(link) for link in own]
        complete = len(own) == len(wanted) and None not in texts
        return extract(html, url, styles=[text for text in texts if text], all_styles=complete)

    def _style(self, url: str) -> str | None:
        """A style sheet's text, fetched once a lead; None when it could not be had."""
        if url not in self._styles and self.left > 1:
            try:
                answer = fetch(
                    url,
                    accept="text/css,*/*;q=0.1",
                    max_bytes=400_000,
                    timeout=min(4.0, self.left),
                    truncate=True,
                )
                self._styles[url] = answer.text if answer.ok else None
            except FetchError:
                self._styles[url] = None
        return self._styles.get(url)

    def _ask_robots(self, page: ReadPage, url: str, *, pause: bool = True) -> None:
        """Respect robots.txt, then wait for the host's turn."""
        answer = robots.check(url)
        if not answer.allowed:
            page.error_kind = "robots" if "leave" in answer.reason else "unreachable"
            page.status = PageStatus.REFUSED if page.error_kind == "robots" else PageStatus.FAILED
            page.failure = clean(answer.reason)
            return
        if pause:
            seconds = _pacer_for(url).reserve(host_of(url), answer.crawl_delay)
            if seconds > max(0.0, self.left - 1):
                raise FetchError(
                    "timeout", f"{url} was not read: the site asks for pauses longer than the time left."
                )
            time.sleep(max(0.0, seconds))

    def _time(self, url: str) -> float:
        if self.left < 0.5:
            raise FetchError("timeout", f"{url} was not read: the time for this lead was over.")
        return self.left


_MEANING = {
    401: ": a sign-in is needed",
    403: ": it does not let us in",
    404: ": there is no such page",
    410: ": the page is gone",
    429: ": it asks us to come back later",
    500: ": the site is broken at the moment",
    502: ": the site is down at the moment",
    503: ": the site is down at the moment",
}
# Half a second between two requests to one host, and hardly any on this machine's own sandbox.
_public = robots.HostPacer(delay=0.5, jitter=0.5)
_sandbox = robots.HostPacer(delay=0.05, jitter=0.5)


def in_sandbox(host: str) -> bool:
    """Whether a host is one of this machine's invented sites, which speak http only."""
    sandbox = getattr(settings, "OUTBOUND_SANDBOX", None)
    return sandbox is not None and host.endswith(sandbox["suffix"])


def _pacer_for(url: str) -> robots.HostPacer:
    here = in_sandbox(host_of(url)) or (urlsplit(url).hostname or "").startswith("127.")
    return _sandbox if here else _public


def _refuse(page: ReadPage, reason: str) -> None:
    page.status, page.error_kind, page.failure = PageStatus.REFUSED, "terms", reason
