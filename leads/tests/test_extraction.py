"""What is taken from a page, and that no page is too broken to be read."""

import json
import time
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leads.research import dates, tell_tales
from leads.research.extract import extract, stylesheet_links
from leads.research.links import kind_of, same_site, worth_reading
from leads.research.people import byline, looks_like_name, looks_like_role

URL = "https://acme.example/about"


def read(body, head="", **options):
    return extract(f"<html lang=en><head>{head}</head><body>{body}</body></html>", URL, **options)


def test_main_text_is_lines_without_the_frame():
    page = read(
        "<header><a href=/>Acme</a><nav><a href=/a>A</a></nav></header>"
        "<div class='cookie-banner'><p>We use cookies.</p></div>"
        "<main><h1>About  us</h1><p>We build <b>ferries</b>.<br>Since 1998.</p><ul><li>One</li><li>Two</li></ul></main>"
        "<aside>Advertisement</aside><footer><p>© Acme</p></footer><div role=dialog>Sign up!</div>"
    )
    assert page.text == "About us\nWe build ferries.\nSince 1998.\nOne\nTwo"
    assert page.headline == "About us"


def test_a_row_of_links_is_a_menu_and_a_linked_heading_is_not():
    page = read(
        "<div><a href=/a>Home</a><a href=/b>Team</a><a href=/c>Jobs</a></div><h2><a href=/n>Ferry launched</a></h2>"
    )
    assert page.text == "Ferry launched"
    assert [link for link, _ in page.links] == [f"https://acme.example/{p}" for p in "abcn"]


def test_json_ld_gives_the_organization():
    data = {
        "@graph": [
            {
                "@type": ["Organization", "Thing"],
                "name": "Acme AS",
                "foundingDate": "1998",
                "numberOfEmployees": {"value": 86},
                "address": {"addressLocality": "Bergen", "addressCountry": {"name": "Norway"}},
                "sameAs": ["https://linkedin.com/company/acme", "https://unknown.example/acme"],
            }
        ]
    }
    page = read("<p>x</p>", f'<script type="application/ld+json">{json.dumps(data)}</script>')
    assert page.organization == {
        "name": "Acme AS",
        "founded": "1998",
        "employees": "86",
        "location": "Bergen, Norway",
    }
    assert page.social == {"linkedin": "https://linkedin.com/company/acme"}


@pytest.mark.parametrize(
    "broken",
    [
        "{",
        "[" * 50_000,
        "null",
        '{"@type": 3, "@graph": 7}',
        '{"@type":"Person","name":["x"]}',
        '{"@type":"NewsArticle","author":[[]]}',
    ],
)
def test_broken_json_ld_is_passed_over(broken):
    assert (
        read("<p>Still here.</p>", f'<script type="application/ld+json">{broken}</script>').text
        == "Still here."
    )


def test_addresses_phones_and_profiles():
    page = read(
        "<p>Write to sales@acme.example or call +47 55 55 01 42.</p><a href='mailto:Ada@acme.example?subject=x'>Ada</a>"
        "<div><h3>Ada Lovelace</h3><p>CTO</p><a href='https://www.linkedin.com/in/ada'>LinkedIn</a></div>"
        "<a href='https://twitter.com/intent/tweet?url=x'>Share</a><a href='https://www.linkedin.com/company/acme'>Follow</a>"
    )
    assert page.emails == ["ada@acme.example", "sales@acme.example"]
    assert page.phones == ["+47 55 55 01 42"]
    assert page.social == {"linkedin": "https://www.linkedin.com/company/acme"}
    assert page.profiles == [
        {"url": "https://www.linkedin.com/in/ada", "network": "linkedin", "near": "Ada Lovelace CTO LinkedIn"}
    ]


@pytest.mark.parametrize(
    "body",
    [
        "<h3>Ada Lovelace</h3><p>Chief Engineer</p><p>Ada has built engines since 1998.</p>",
        "<div><b>Ada Lovelace</b>, <span>Chief Engineer</span><br>Ada has built engines since 1998.</div>",
        "<li>Dr. Ada Lovelace, Chief Engineer</li><li>Ada has built engines since 1998.</li>",
    ],
)
def test_people_are_found_by_name_and_role(body):
    (person,) = read(body).people
    assert person.name.endswith("Ada Lovelace")
    assert person.role == "Chief Engineer"
    assert person.about == "Ada has built engines since 1998."


@pytest.mark.parametrize(
    "text", ["Maren de Wit", "Dr. Ellen Harbor", "Étienne Gagnon", "Anne-Marie O'Neill", "Lucía Ferrer"]
)
def test_names(text):
    assert looks_like_name(text)


@pytest.mark.parametrize(
    "text", ["Our Team", "Privacy Policy", "Ada", "ada lovelace", "Acme 2000", "We Are Hiring", "Read More"]
)
def test_not_names(text):
    assert not looks_like_name(text)


@pytest.mark.parametrize(
    "text", ['CTO: "The inbox did not."', "Manager of the year wins again.", "", "x" * 90 + " manager"]
)
def test_not_roles(text):
    assert not looks_like_role(text)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("By Ada Lovelace, 14 October 2026", "Ada Lovelace"),
        ("Posted on November 5, 2026 by Dr. Naomi Feld", "Naomi Feld"),
        ("6. November 2026 (Klaus Bergmann)", "Klaus Bergmann"),
        ("3 November 2026 · Aisha Rahman", "Aisha Rahman"),
        ("14 October 2026", ""),
    ],
)
def test_bylines(text, name):
    assert byline(text) == name


def test_news_lists_give_title_day_and_address():
    page = read(
        "<h1>News</h1>"
        "<article><h2><a href=/n/1>Ferry number nine launched</a></h2><time>12 May 2026</time></article>"
        "<p><b>3 June 2026:</b> <a href=/n/2>Ferry number ten ordered</a></p>"
        "<a href=/n/3><div>1 July 2026</div><div>Ferry number eleven planned</div></a>"
    )
    assert [(item.title, item.day, item.url[-4:]) for item in page.news] == [
        ("Ferry number eleven planned", date(2026, 7, 1), "/n/3"),
        ("Ferry number ten ordered", date(2026, 6, 3), "/n/2"),
        ("Ferry number nine launched", date(2026, 5, 12), "/n/1"),
    ]
    assert not page.is_article
    assert page.published is None


def test_an_article_knows_its_day_and_author():
    page = read("<h1>Ferry launched</h1><p>By Ada Lovelace, 12 May 2026</p><p>It floats.</p>")
    assert (page.is_article, page.published, page.author) == (True, date(2026, 5, 12), "Ada Lovelace")
    meta = read(
        "<h1>Ferry launched</h1><p>It floats.</p>",
        '<meta property="article:published_time" content="2026-05-12T10:00Z">',
    )
    assert (meta.is_article, meta.published) == (True, date(2026, 5, 12))


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("on 9 November 2026 we", date(2026, 11, 9)),
        ("November 2, 2026", date(2026, 11, 2)),
        ("Am 12. März 2027 geht", date(2027, 3, 12)),
        ("le 1er août 2025", date(2025, 8, 1)),
        ("3 de mayo de 2024", date(2024, 5, 3)),
        ("2026-02-28T10:00:00Z", date(2026, 2, 28)),
        ("01.12.2026", date(2026, 12, 1)),
        ("32 May 2026", None),
        ("31 February 2026, then 2 March 2026", date(2026, 3, 2)),
        ("in 2026", None),
        ("", None),
    ],
)
def test_days_in_words(text, day):
    assert dates.find_date(text) == day


@given(st.dates(min_value=date(1990, 1, 1), max_value=date(2089, 12, 31)))
def test_every_day_written_in_words_is_found_again(day):
    assert dates.find_date(f"It was {dates.in_words(day)}, a good day") == day
    assert dates.find_date(day.isoformat()) == day


def test_tools_behind_a_page():
    head = '<meta name="generator" content="WordPress 6.8"><script src="https://js.hs-scripts.com/1.js"></script>'
    assert read("<p>x</p><p>Built with Next.js, Snowflake</p>", head).technologies == [
        "HubSpot",
        "Next.js",
        "Snowflake",
        "WordPress",
    ]


@pytest.mark.parametrize(
    ("url", "network"),
    [
        ("https://www.linkedin.com/in/ada", "linkedin"),
        ("https://x.com/acme", "twitter"),
        ("https://twitter.com/share?url=x", ""),
        ("https://linkedin.com/", ""),
        ("https://netlinkedin.com.evil/x", ""),
        ("javascript:alert(1)", ""),
    ],
)
def test_profiles_are_told_from_other_links(url, network):
    assert tell_tales.network_of(url) == network


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("<p>" + "Wir sind die Werft und bauen mit Freude für das Meer. " * 5 + "</p>", "de"),
        ("<p>Short.</p>", "en"),
    ],
)
def test_the_language_is_what_the_text_says(text, language):
    assert read(text).language == language


@pytest.mark.parametrize(
    ("body", "needs"),
    [
        (
            '<div id=root></div><noscript>Please enable JavaScript.</noscript><script src="/a.js"></script>',
            True,
        ),
        ('<div id=app></div><script src="/a.js"></script>', True),
        ("<p>This domain is parked.</p>", False),
        ("<p>" + "Many words. " * 60 + '</p><script src="/a.js"></script>', False),
    ],
)
def test_pages_that_need_a_browser_are_recognised(body, needs):
    assert read(body).needs_browser is needs


def test_style_sheets_are_listed_with_whole_addresses():
    head = '<link rel="stylesheet" href="/a.css"><link rel="preload stylesheet" href="//cdn.example/b.css"><link rel=icon>'
    assert stylesheet_links(f"<head>{head}</head>", URL) == [
        "https://acme.example/a.css",
        "https://cdn.example/b.css",
    ]


@pytest.mark.parametrize(
    ("path", "text", "kind"),
    [
        ("/team", "Team", "team"),
        ("/company/team", "x", "team"),
        ("/our-doctors", "Our doctors", "team"),
        ("/unternehmen", "Unternehmen", "about"),
        ("/x7", "Our story", "about"),
        ("/story.html", "", "about"),
        ("/journal", "Journal", "news"),
        ("/blog/2026/05/a-post", "Team", ""),
        ("/report.pdf", "News", ""),
        ("/", "About", ""),
        ("/pricing", "Pricing", ""),
    ],
)
def test_links_are_known_by_path_and_text(path, text, kind):
    assert kind_of(f"https://acme.example{path}", text) == kind


def test_only_pages_of_the_site_are_worth_reading_the_most_telling_first():
    links = [
        ("https://acme.example/about", "About"),
        ("https://acme.example/en/team", "Team"),
        ("https://acme.example/team", "Team"),
        ("https://other.example/news", "News"),
        ("https://blog.acme.example/news", "News"),
    ]
    assert list(worth_reading(links, "www.acme.example").items()) == [
        ("team", "https://acme.example/team"),
        ("news", "https://blog.acme.example/news"),
        ("about", "https://acme.example/about"),
    ]


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        ("a.example", "www.a.example", True),
        ("b.a.example", "a.example", True),
        ("ba.example", "a.example", False),
        ("", "", False),
    ],
)
def test_sites_are_compared_by_whole_labels(one, two, same):
    assert same_site(one, two) is same


HOSTILE = {
    "deep": "<div>" * 200_000 + "x",
    "wide": "<p>word</p>" * 300_000,
    "attributes": "<p " + " ".join(f"a{i}=1" for i in range(50_000)) + ">x</p>",
    "attributes with quotes": "<p " + " ".join(f"a{i}='>'" for i in range(200_000)) + ">x</p>",
    "one long line": "<p>" + "We build ferries, 12 of them. " * 60_000 + "</p>",
    "unclosed": "<table><tr><td><a href=/x><b><i>text" * 2_000,
    "nulls": "<p>a\x00b</p>" * 1000,
    "style bomb": "<style>" + ".x{display:none}" * 20_000 + "</style><p class=x>y</p>",
    "css selectors": "<style>" + "div div div div *{color:#fff}" * 300 + "</style>" + "<div>" * 300 + "x",
    "quotes": '<p>"' + '"a' * 100_000 + "</p>",
    "dots": "<p>" + "A." * 200_000 + "</p>",
    "mail": "<p>" + "a@" * 200_000 + "</p>",
    "plus": "<p>" + "+1 555 " * 50_000 + "</p>",
    "brackets": "<" * 500_000,
    "links": "<a href='/n'>A b c 1 May 2026</a>" * 20_000,
    "entities": "<p>" + "&lt;script&gt;" * 50_000 + "</p>",
}


def test_a_script_full_of_comparisons_is_not_taken_for_attributes():
    script = "<script>for(i=0;i<n;i++){" + "a = b ; " * 400 + "}</script>"
    assert read(f"{script}<p>Still here.</p><!-- <x {'y ' * 400}> -->").text == "Still here."


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pages_are_read_in_a_moment(name):
    began = time.process_time()
    page = extract(HOSTILE[name], URL)
    assert time.process_time() - began < 8
    assert len(page.text) <= 100_000


@given(st.binary(max_size=400))
@settings(deadline=None)
def test_any_bytes_can_be_read(data):
    page = extract(data.decode("latin-1"), URL)
    assert "\x00" not in page.text
    assert all(line.strip() for line in page.text.split("\n")) or page.text == ""


@given(
    st.lists(
        st.sampled_from(
            [
                "<p>",
                "</p>",
                "<div>",
                "</div>",
                "<a href=x>",
                "</a>",
                "<td>",
                "<h1>",
                "<br>",
                "word ",
                "1 May 2026 ",
                "<nav>",
                "</nav>",
            ]
        ),
        max_size=80,
    )
)
@settings(deadline=None)
def test_every_block_stands_in_the_text(pieces):
    page = extract("".join(pieces), URL)
    assert page.text.split("\n") == [block.text for block in page.blocks] or not page.blocks


def test_a_long_article_among_other_things_is_taken_alone():
    article = "".join(
        f"<p>The {n}th ferry was launched in Bergen with {n * 3} guests, and the choir sang again.</p>"
        for n in range(60)
    )
    noise = "".join(
        f"<div class=box><span>Offer {n}</span><span>Only today {n}</span></div>" for n in range(900)
    )
    page = read(f"<main><article><h1>Ferries</h1>{article}</article></main><div class=shop>{noise}</div>")
    assert "The 7th ferry was launched" in page.text
    assert page.text.count("Only today") < 10
