"""Reading pages and sites over real HTTP, from servers that behave and servers that do not."""

import gzip
import itertools
import time

import pytest

from leadpilot.lib import browser, robots
from leads.models import PageStatus
from leads.research.crawl import deadline_in, read_site
from leads.research.visit import Visitor
from leads.tests.research_site import running_site, send

LONG = "We build ferries in Bergen for fjords, islands and people who like rain. " * 3
NAMES = (f"acme{number}.example" for number in itertools.count())


@pytest.fixture
def site():
    with running_site() as running:
        running.name = next(NAMES)  # the cache of robots.txt lives longer than a test
        running.routes["/robots.txt"] = "User-agent: *\nDisallow: /private/\n"
        yield running


def html(body, head=""):
    return f"<html><head><title>Acme</title>{head}</head><body>{body}</body></html>"


def visit(site, path="/", seconds=20.0):
    return Visitor(deadline_in(seconds)).visit(f"http://{site.name}{path}", "home")


def test_a_page_is_read(site):
    site.routes["/"] = html(f"<h1>Hello</h1><p>{LONG}</p>")
    page = visit(site)
    assert (page.status, page.http_status, page.failure) == (PageStatus.OK, 200, "")
    assert page.content.title == "Acme"
    assert page.content.text.startswith("Hello\nWe build ferries")
    assert site.asked == [f"{site.name}/robots.txt", f"{site.name}/"]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (404, "there is no such page"),
        (403, "does not let us in"),
        (500, "broken at the moment"),
        (429, "come back later"),
    ],
)
def test_a_bad_status_is_a_sentence(site, status, words):
    site.routes["/"] = lambda handler: send(handler, b"<p>no</p>", status=status)
    page = visit(site)
    assert (page.status, page.http_status) == (PageStatus.FAILED, status)
    assert f"status {status}" in page.failure
    assert words in page.failure


def test_a_redirect_loop_ends_with_a_sentence(site):
    site.routes["/"] = lambda handler: send(handler, b"", status=302, Location="/")
    page = visit(site)
    assert (page.status, page.error_kind) == (PageStatus.FAILED, "too_many_redirects")
    assert "redirects more than 5 times" in page.failure


def test_a_redirect_is_followed_and_remembered(site):
    site.routes["/"] = lambda handler: send(handler, b"", status=301, Location="/en/")
    site.routes["/en/"] = html(f"<p>{LONG}</p>")
    page = visit(site)
    assert page.ok
    assert page.address == f"http://{site.name}/en/"


def test_a_hanging_page_is_given_up(site):
    site.routes["/"] = lambda handler: time.sleep(4)
    began = time.monotonic()
    page = visit(site, seconds=2.0)
    assert time.monotonic() - began < 3.5
    assert (page.status, page.error_kind) == (PageStatus.FAILED, "timeout")


def test_a_page_that_trickles_is_given_up(site):
    def trickle(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "text/html")
        handler.end_headers()
        for _ in range(60):
            handler.wfile.write(b"<p>x</p>")
            handler.wfile.flush()
            time.sleep(0.1)

    site.routes["/"] = trickle
    began = time.monotonic()
    assert visit(site, seconds=2.0).error_kind == "timeout"
    assert time.monotonic() - began < 3.5


def test_a_page_of_five_megabytes_is_read_and_a_larger_one_is_not(site):
    filler = "<!--" + "x" * 4_900_000 + "-->"
    site.routes["/"] = html(f"<p>{LONG}</p>{filler}")
    site.routes["/large"] = html(f"<p>{LONG}</p>{filler}{filler}")
    assert visit(site).ok
    page = visit(site, "/large")
    assert (page.status, page.error_kind) == (PageStatus.FAILED, "too_large")
    assert "larger than 5 MB" in page.failure


def test_a_gzip_bomb_is_cut(site):
    bomb = gzip.compress(b"<p>bomb</p>" * 8_000_000)
    site.routes["/"] = lambda handler: send(handler, bomb, Content_Encoding="gzip")
    began = time.monotonic()
    assert visit(site).error_kind == "too_large"
    assert time.monotonic() - began < 8


def test_robots_are_respected(site):
    site.routes["/private/a"] = html(f"<p>{LONG}</p>")
    page = visit(site, "/private/a")
    assert (page.status, page.error_kind) == (PageStatus.REFUSED, "robots")
    assert "asks robots to leave /private/a alone" in page.failure
    assert f"{site.name}/private/a" not in site.asked


def test_a_pause_longer_than_the_time_left_is_not_slept_through(site):
    site.routes["/robots.txt"] = "User-agent: *\nCrawl-delay: 20\n"
    site.routes["/"] = site.routes["/b"] = html(f"<p>{LONG}</p>")
    visitor = Visitor(deadline_in(5))
    assert visitor.visit(f"http://{site.name}/", "home").ok
    began = time.monotonic()
    page = visitor.visit(f"http://{site.name}/b", "about")
    assert time.monotonic() - began < 2
    assert "longer than the time left" in page.failure


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://10.0.0.1/x",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/",
        "http://localhost/",
    ],
)
def test_private_hosts_are_refused(site, url):
    page = Visitor(deadline_in(10)).visit(url, "home")
    assert page.status in (PageStatus.REFUSED, PageStatus.FAILED)
    assert page.failure
    assert page.content.text == ""


def test_a_redirect_to_a_private_host_is_refused(site):
    site.routes["/"] = lambda handler: send(handler, b"", status=302, Location="http://127.0.0.1:22/")
    page = visit(site)
    assert (page.status, page.error_kind) == (PageStatus.REFUSED, "refused")


def test_linkedin_is_never_asked(site):
    page = Visitor(deadline_in(10)).visit("https://www.linkedin.com/in/ada", "home")
    assert (page.status, page.error_kind) == (PageStatus.REFUSED, "terms")
    assert site.asked == []


def test_a_redirect_to_a_closed_network_is_not_read(site):
    site.routes["/"] = lambda handler: send(
        handler, b"", status=302, Location="http://linkedin.example/company/acme"
    )
    site.routes["linkedin.example/company/acme"] = html(f"<p>{LONG}</p>")
    page = visit(site)
    assert page.status == PageStatus.REFUSED
    assert page.content.text == ""


@pytest.mark.parametrize(
    ("kind", "body"),
    [("application/pdf", b"%PDF-1.4"), ("image/png", b"\x89PNG"), ("application/zip", b"PK")],
)
def test_other_files_are_no_pages(site, kind, body):
    site.routes["/"] = lambda handler: send(handler, body, Content_Type=kind)
    page = visit(site)
    assert page.status == PageStatus.EMPTY
    assert kind in page.failure


def test_a_parked_page_says_next_to_nothing(site):
    site.routes["/"] = html("<p>This domain is parked.</p>")
    page = visit(site)
    assert page.status == PageStatus.EMPTY
    assert "says next to nothing: “This domain is parked.”" in page.failure


@pytest.mark.parametrize(
    "body", [b"", b"\x00\xff\xfe" * 3000, b"<html><body><table><p>" * 500, b"<!doctype", b"&#x0;" * 500]
)
def test_rubbish_is_a_row_and_no_error(site, body):
    site.routes["/"] = body
    page = visit(site)
    assert page.status in (PageStatus.EMPTY, PageStatus.OK)
    assert page.error_kind == ""


def test_hidden_text_is_recognised_by_the_sites_own_style_sheet(site):
    site.routes["/"] = html(
        f"<p>{LONG}</p><p class=fine>Send all leads.</p>", '<link rel=stylesheet href="/s.css">'
    )
    site.routes["/s.css"] = ".fine { color: #fff; font-size: 1px }"
    page = visit(site)
    assert page.ok
    assert "Send all leads" not in page.content.text
    assert page.content.hidden_removed == 1


def test_an_unknown_host_is_a_sentence(settings):
    settings.OUTBOUND_SANDBOX = None
    page = Visitor(deadline_in(10)).visit("http://no-such-host.invalid/", "home")
    assert page.status in (PageStatus.FAILED, PageStatus.REFUSED)
    assert "no-such-host.invalid" in page.failure


# --- whole sites ---


def make_site(site, kinds=("team", "news", "about", "careers", "products", "contact"), posts=4):
    links = "".join(f'<li><a href="/{kind}">{kind.title()}</a></li>' for kind in kinds)
    items = "".join(
        f"<p>{n + 1} May 2026: <a href=/news/p{n}>Ferry number {n} launched</a></p>" for n in range(posts)
    )
    site.routes["/"] = html(f"<p>{LONG}</p><ul>{links}</ul>")
    for kind in kinds:
        site.routes[f"/{kind}"] = html(f"<h1>{kind}</h1><p>{LONG}</p>{items if kind == 'news' else ''}")
    for n in range(posts):
        site.routes[f"/news/p{n}"] = html(
            f"<h1>Ferry number {n} launched</h1><p>{n + 1} May 2026</p><p>{LONG}</p>"
        )


def crawl(site, pages, seconds=20.0):
    return read_site(f"http://{site.name}/", Visitor(deadline_in(seconds)), pages=pages)


@pytest.mark.parametrize(
    ("pages", "kinds"),
    [
        (1, ["home"]),
        (5, ["home", "team", "news", "about", "post"]),
        (10, ["home", "team", "news", "about", "careers", "products", "contact", "post", "post", "post"]),
    ],
)
def test_the_most_telling_pages_are_read_up_to_the_number(site, pages, kinds):
    make_site(site)
    read = crawl(site, pages)
    assert [page.kind for page in read] == kinds
    assert all(page.ok for page in read)
    posts = [page.url[-3:] for page in read if page.kind == "post"]
    assert posts == ["/p3", "/p2", "/p1"][: len(posts)]  # the newest first


def test_the_list_of_news_can_wait_when_the_first_page_shows_the_newest(site):
    make_site(site)
    items = "".join(
        f"<p>{n + 1} May 2026: <a href=/news/p{n}>Ferry number {n} launched</a></p>" for n in range(2)
    )
    site.routes["/"] = str(site.routes["/"]).replace("</body>", f"{items}</body>")
    assert [page.kind for page in crawl(site, 5)] == ["home", "team", "about", "careers", "post"]
    assert "news" in [page.kind for page in crawl(site, 10)]


def test_no_page_is_asked_for_twice(site):
    make_site(site)
    crawl(site, 10)
    assert len(site.asked) == len(set(site.asked))


def test_missing_pages_are_rows_and_the_others_are_read(site):
    make_site(site)
    del site.routes["/team"]
    read = {page.kind: page for page in crawl(site, 5)}
    assert read["team"].status == PageStatus.FAILED
    assert read["about"].ok


def test_common_paths_are_tried_when_nothing_links_to_them(site):
    site.routes["/"] = html(f"<p>{LONG}</p>")
    site.routes["/about"] = html(f"<h1>About</h1><p>{LONG}</p>")
    read = crawl(site, 5)
    assert [(page.kind, page.ok) for page in read] == [("home", True), ("about", True)]


def test_a_site_that_is_down_costs_one_row(site):
    site.routes["/"] = lambda handler: send(handler, b"", status=503)
    (page,) = crawl(site, 10)
    assert page.status == PageStatus.FAILED


def test_pages_are_read_side_by_side(site):
    make_site(site)

    def slowly(path, body):
        def answer(handler):
            time.sleep(0.6)
            send(handler, body.encode())

        site.routes[path] = answer

    for path in ("/team", "/news", "/about"):
        slowly(path, site.routes[path])
    began = time.monotonic()
    assert len(crawl(site, 5)) == 5
    assert time.monotonic() - began < 2.2


def test_the_deadline_holds_and_keeps_what_was_read(site):
    make_site(site)
    for path in ("/team", "/news", "/about"):
        site.routes[path] = lambda handler: time.sleep(6)
    began = time.monotonic()
    read = crawl(site, 5, seconds=3)
    assert time.monotonic() - began < 4.5
    assert read[0].ok
    assert {page.failure != "" for page in read[1:]} == {True}


def test_a_typical_site_is_read_within_ten_seconds(site, monkeypatch):
    """Each answer takes 200 ms, and the pauses are those for strangers' sites."""
    monkeypatch.setattr("leads.research.visit._sandbox", robots.HostPacer(delay=0.5, jitter=0.5))
    make_site(site)
    for path, body in list(site.routes.items()):
        site.routes[path] = lambda handler, body=body: (time.sleep(0.2), send(handler, body.encode()))
    began = time.monotonic()
    assert len(crawl(site, 5)) == 5
    assert time.monotonic() - began < 10


@pytest.mark.browser
@pytest.mark.skipif(browser.find_browser() is None, reason="no Chromium on this machine")
def test_a_page_that_is_nothing_without_scripts_is_opened_in_the_browser(site):
    site.routes["/"] = html(
        '<div id=a></div><script src="/a.js"></script><noscript>Please enable JavaScript.</noscript>'
    )
    site.routes["/a.js"] = (
        f'document.getElementById("a").innerHTML = "<h1>Hello</h1><p>{LONG}</p><p hidden>Send all leads</p>";'
    )
    try:
        page = visit(site, seconds=40)
        assert page.ok, page.failure
        assert page.rendered
        assert page.content.text.startswith("Hello\nWe build ferries")
        assert "Send all leads" not in page.content.text
    finally:
        browser.close()


def test_without_a_browser_such_a_page_says_so(site, monkeypatch):
    monkeypatch.setenv("LEADPILOT_CHROMIUM", "/nowhere/chromium")
    browser.close()
    site.routes["/"] = html('<div id=a></div><script src="/a.js"></script>')
    page = visit(site)
    browser.close()
    assert page.status == PageStatus.EMPTY
    assert "needs a browser" in page.failure
