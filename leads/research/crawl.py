"""Reading a site: its first page, then in parallel what tells most, within a number of pages and a deadline."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from urllib.parse import urlsplit

from leads.research.links import guesses, host_of, kind_of, same_site, worth_reading
from leads.research.visit import ReadPage, Visitor, in_sandbox

_PARALLEL = 4
_UNREACHABLE = ("connection", "tls", "timeout", "unreachable", "refused", "dns")


def read_site(target: str, visitor: Visitor, *, pages: int) -> list[ReadPage]:
    """Read up to `pages` pages of the site at `target`, the first page first; failures are among them."""
    home = _first_page(target, visitor)
    if not home.ok or pages < 2:
        return [home]
    site = host_of(home.address)
    found = worth_reading(home.content.links, site)
    posts_kept = 1 if pages <= 5 else 3
    found.pop(kind_of(home.address), None)
    if "news" in found and len(_newest_posts([home], site)) > 1:
        found["news"] = found.pop("news")  # the first page shows the newest already: the list is read last
    first = dict(list(found.items())[: max(1, pages - 1 - posts_kept)])
    read = [home, *_read_all(first, visitor, known={home.address, home.url})]
    if len(found) < 2:
        tried = _read_all(
            guesses(home.address, found), visitor, known={p.url for p in read}, most=pages - len(read)
        )
        read += [page for page in tried if page.ok and page.address not in {p.address for p in read}]
    if visitor.left < 5:
        return read
    posts = _newest_posts(read, site)
    rest = [(f"post {i}", url) for i, url in enumerate(posts[:posts_kept])]
    rest += [(kind, url) for kind, url in found.items() if kind not in first]
    rest += [(f"post {i}", url) for i, url in enumerate(posts) if i >= posts_kept]
    more = dict(rest[: pages - len(read)])
    return [*read, *_read_all(more, visitor, known={p.url for p in read})]


def _first_page(target: str, visitor: Visitor) -> ReadPage:
    """The first of the addresses that answers; https before http, then with www."""
    page: ReadPage | None = None
    for address in candidates(target):
        page = visitor.visit(address, "home")
        if page.error_kind not in _UNREACHABLE or visitor.left < 2:
            return page
    assert page  # there is always one candidate
    return page


def candidates(target: str) -> list[str]:
    """Addresses under which a site may answer, the best first; the sandbox speaks http only."""
    parts = urlsplit(target if "://" in target else f"https://{target}")
    rest = parts.path or "/"
    if in_sandbox((parts.hostname or "").lower()):
        return [f"http://{parts.netloc}{rest}"]
    given = [f"{parts.scheme}://{parts.netloc}{rest}{'?' + parts.query if parts.query else ''}"]
    if parts.scheme == "https" and not parts.port:
        given.append(f"http://{parts.netloc}{rest}")
        if not (parts.hostname or "").startswith("www.") and (parts.hostname or "").count(".") == 1:
            given.append(f"https://www.{parts.netloc}{rest}")
    return given


def _read_all(
    wanted: Mapping[str, str], visitor: Visitor, *, known: set[str], most: int = 20
) -> list[ReadPage]:
    """Several pages at a time, in the given order; whatever is not there at the deadline is reported as not read."""
    jobs: list[tuple[str, str, Future[ReadPage]]] = []
    pool = ThreadPoolExecutor(_PARALLEL, thread_name_prefix="research")
    try:
        for kind, url in list(wanted.items())[: max(0, most)]:
            if url not in known:
                jobs.append((kind.split()[0], url, pool.submit(visitor.visit, url, kind.split()[0])))
        wait([job for _, _, job in jobs], timeout=max(0.0, visitor.left))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return [
        job.result()
        if job.done() and not job.cancelled()
        else ReadPage(
            url, kind, failure=f"{url} was not read: the time for this lead was over.", error_kind="timeout"
        )
        for kind, url, job in jobs
    ]


def _newest_posts(read: list[ReadPage], site: str) -> list[str]:
    """Addresses of the newest articles that the pages read so far lead to."""
    seen = {page.url for page in read} | {page.address for page in read}
    dated = {
        item.url: item.day
        for page in read
        if page.ok
        for item in page.content.news
        if item.url and item.day and same_site(host_of(item.url), site) and item.url not in seen
    }
    return sorted(dated, key=lambda url: dated[url], reverse=True)


def deadline_in(seconds: float) -> float:
    """The moment, in `time.monotonic()`, that many seconds from now."""
    return time.monotonic() + seconds
