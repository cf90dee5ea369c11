import http.client
import json
import re
import time
from html.parser import HTMLParser

import pytest

from leadpilot.sandbox.pages import INJECTION, site_pages, to_html
from leadpilot.sandbox.servers import SandboxServers
from leadpilot.sandbox.sites import respond
from leadpilot.sandbox.world import REFERENCE_DAY, load_world

WORLD = load_world(REFERENCE_DAY)


def get(sandbox: SandboxServers, host: str, path: str = "/", method: str = "GET"):
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.web_port, timeout=10)
    connection.request(method, path, headers={"Host": host})
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer, body


def text_of(html: str) -> str:
    class Reader(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.words: list[str] = []
            self.skip = 0

        def handle_starttag(self, tag, attrs):
            self.skip += tag in ("script", "style", "title")

        def handle_endtag(self, tag):
            self.skip -= tag in ("script", "style", "title")

        def handle_data(self, data):
            if not self.skip:
                self.words.append(data)

    reader = Reader()
    reader.feed(html)
    return " ".join(" ".join(reader.words).split())


def test_a_site_is_chosen_by_the_host_header(sandbox):
    answer, body = get(sandbox, "brightwave.example")
    assert answer.status == 200
    assert "<title>Brightwave Freight Systems | See every container" in body
    assert get(sandbox, "kestrelpay.example")[1].count("Kestrel Pay") > 1


def test_a_person_can_open_a_site_in_a_browser_under_localhost(sandbox):
    assert (
        get(sandbox, f"brightwave.example.localhost:{sandbox.web_port}")[1]
        == get(sandbox, "BRIGHTWAVE.example:80")[1]
    )


def test_www_leads_to_the_bare_name(sandbox):
    answer, _ = get(sandbox, "www.brightwave.example", "/news")
    assert (answer.status, answer.getheader("Location")) == (301, "http://brightwave.example/news")


def test_an_unknown_host_is_not_found(sandbox):
    answer, body = get(sandbox, "hollis-partners.example")
    assert answer.status == 404
    assert "no site named hollis-partners.example" in body


def test_every_page_of_every_ordinary_site_answers():
    for company in WORLD.companies:
        if company.quirk in ("parked", "mostly_missing", "script"):
            continue
        for path, page in site_pages(WORLD, company).items():
            reply = respond(WORLD, company.domain, path, port=1)
            html = reply.body.decode()
            assert reply.status == 200, (company.domain, path)
            assert page.heading in text_of(html).replace("\xa0", " ")
            assert f'lang="{company.language}' in html
            assert "{" not in text_of(html)


def test_links_of_a_site_lead_to_pages_it_has():
    for company in WORLD.companies:
        if company.quirk in ("parked", "mostly_missing", "script"):
            continue
        home = respond(WORLD, company.domain, "/", port=1).body.decode()
        for path in re.findall(r'href="(/[^"]*)"', home):
            if path not in ("/privacy", "/privacy-policy"):
                assert respond(WORLD, company.domain, path, port=1).status == 200, (company.domain, path)


def test_a_news_item_has_its_date_its_author_and_structured_data(sandbox):
    _, body = get(sandbox, "brightwave.example", "/news/gdansk-office")
    assert re.search(r'<time datetime="\d{4}-\d{2}-\d{2}">', body)
    assert "14 colleagues" in body
    data = json.loads(re.search(r'<script type="application/ld\+json">(.*?)</script>', body)[1])
    assert data["@type"] == "NewsArticle"
    assert data["author"]["name"] == "Maren de Wit"


def test_the_home_page_names_the_organization_in_json_ld(sandbox):
    _, body = get(sandbox, "harborlinedental.example")
    data = json.loads(re.search(r'<script type="application/ld\+json"[^>]*>(.*?)</script>', body)[1])
    assert (data["@type"], data["name"]) == ("Organization", "Harborline Dental Group")


def test_the_team_page_lists_those_who_have_a_mailbox_and_others(sandbox):
    _, body = get(sandbox, "brightwave.example", "/team")
    assert "Maren de Wit" in body
    assert "Bas Verhoeven" in body


def test_sites_differ_in_their_markup(sandbox):
    assert "<article" in get(sandbox, "brightwave.example")[1]
    assert "entry-summary" in get(sandbox, "harborlinedental.example")[1]
    assert "<table" in get(sandbox, "oldmillbrewery.example")[1]
    assert 'class="card"' in get(sandbox, "kestrelpay.example")[1]


def test_one_site_is_empty_without_script_and_full_with_it(sandbox):
    for path in ("/", "/notes/floro-shortlist"):
        answer, body = get(sandbox, "atelier-nordlys.example", path)
        assert answer.status == 200
        assert len(text_of(body)) < 40
    content = json.loads(get(sandbox, "atelier-nordlys.example", "/api/content.json")[1])
    assert "71 entries" in content["pages"]["/notes/floro-shortlist"]["html"]
    assert "fetch(" in get(sandbox, "atelier-nordlys.example", "/app.js")[1]
    assert get(sandbox, "atelier-nordlys.example", "/nothing")[0].status == 404


def test_one_site_is_slow(sandbox):
    started = time.monotonic()
    assert get(sandbox, "summitcoop.example")[0].status == 200
    assert 1.4 < time.monotonic() - started < 4


def test_a_slow_site_does_not_hold_up_the_others(sandbox):
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.web_port, timeout=10)
    connection.request("GET", "/", headers={"Host": "summitcoop.example"})
    started = time.monotonic()
    get(sandbox, "brightwave.example")
    assert time.monotonic() - started < 1
    assert connection.getresponse().status == 200
    connection.close()


def test_one_site_has_nothing_but_its_home_page(sandbox):
    assert get(sandbox, "smallfox.example")[0].status == 200
    for path in ("/about", "/team", "/journal", "/contact"):
        assert get(sandbox, "smallfox.example", path)[0].status == 404


def test_one_address_redirects_for_ever(sandbox):
    path = "/shop"
    for _ in range(6):
        answer, _ = get(sandbox, "oldmillbrewery.example", path)
        assert answer.status == 302
        path = answer.getheader("Location")
    assert get(sandbox, "oldmillbrewery.example", "/story.html")[0].status == 200


def test_one_site_is_parked(sandbox):
    for path in ("/", "/about"):
        assert text_of(get(sandbox, "quillandco.example", path)[1]) == "This domain is parked."


def test_one_site_hides_an_instruction_for_models_from_people_only(sandbox):
    body = get(sandbox, "verdantbio.example", "/company")[1]
    assert INJECTION in text_of(body)
    assert 'class="fine"' in body
    assert ".fine { color: #fff" in get(sandbox, "verdantbio.example", "/site.css")[1]
    assert INJECTION not in get(sandbox, "brightwave.example", "/about")[1]


def test_one_site_speaks_german(sandbox):
    body = get(sandbox, "bergmann-praezision.example", "/aktuelles/neue-halle")[1]
    assert 'lang="de"' in body
    assert "ging Halle 4 in Betrieb" in body
    assert re.search(r"Am \d+\. \w+ \d{4} ging", body)


def test_robots_txt_closes_what_the_site_wants_closed(sandbox):
    answer, body = get(sandbox, "kestrelpay.example", "/robots.txt")
    assert answer.getheader("Content-Type").startswith("text/plain")
    assert "Disallow: /company/team" in body
    assert "/company/team" not in get(sandbox, "brightwave.example", "/robots.txt")[1]


def test_the_sitemap_lists_the_pages(sandbox):
    body = get(sandbox, "brightwave.example", "/sitemap.xml")[1]
    assert "<loc>http://brightwave.example/news/gdansk-office</loc>" in body


def test_the_servers_own_address_shows_who_lives_here(sandbox):
    _, body = get(sandbox, f"localhost:{sandbox.web_port}")
    assert f'href="http://brightwave.example.localhost:{sandbox.web_port}/"' in body
    assert "maren.dewit@brightwave.example" in body
    assert get(sandbox, "127.0.0.1", "/other")[0].status == 404


def test_head_has_the_length_but_no_body(sandbox):
    answer, body = get(sandbox, "brightwave.example", method="HEAD")
    assert int(answer.getheader("Content-Length")) > 1000
    assert body == ""


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("one\nline\n\ntwo", "<p>one line</p>\n<p>two</p>"),
        ("## Head & tail", "<h2>Head &amp; tail</h2>"),
        ("Open:\n- a\n- <b>", "<p>Open:</p><ul><li>a</li><li>&lt;b&gt;</li></ul>"),
    ],
)
def test_texts_become_escaped_html(text, html):
    assert to_html(text) == html
