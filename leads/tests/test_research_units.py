"""The small parts of research: addresses to try, what is remembered, limits, links, names, stored pages."""

import time
import uuid
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leads.models import Page, PageStatus
from leads.research import recent
from leads.research.crawl import candidates, deadline_in, read_site
from leads.research.extract import Extracted, News
from leads.research.findings import Gathered, Subject, draw_conclusions, is_companys, view_of_stored
from leads.research.keeping import extracted_of
from leads.research.limits import limited
from leads.research.links import guesses, host_of, is_closed_network, kind_of
from leads.research.people import Person, merge
from leads.research.person_facts import same_person
from leads.research.plan import ResearchStep
from leads.research.visit import ReadPage, Visitor

TODAY = date(2026, 11, 21)


class Planned(Visitor):
    """Answers from a table instead of the network: address → kind of error, or nothing when it is read."""

    def __init__(self, answers):
        super().__init__(deadline_in(20))
        self.answers = answers
        self.asked = []

    def visit(self, url, kind):
        self.asked.append(url)
        error = self.answers.get(url, "connection")
        status = PageStatus.FAILED if error else PageStatus.OK
        return ReadPage(url, kind, status=status, final_url=url, error_kind=error, failure=error)


@pytest.mark.parametrize(
    ("target", "tried"),
    [
        ("acme.com", ["https://acme.com/", "http://acme.com/", "https://www.acme.com/"]),
        ("https://acme.com", ["https://acme.com/", "http://acme.com/", "https://www.acme.com/"]),
        ("https://www.acme.com/en", ["https://www.acme.com/en", "http://www.acme.com/en"]),
        ("https://shop.acme.com", ["https://shop.acme.com/", "http://shop.acme.com/"]),
        ("http://acme.com/", ["http://acme.com/"]),
        ("https://acme.com:8443/", ["https://acme.com:8443/"]),
        (
            "https://acme.com/?lang=en",
            ["https://acme.com/?lang=en", "http://acme.com/", "https://www.acme.com/"],
        ),
    ],
)
def test_a_site_is_looked_for_where_it_may_be(target, tried):
    assert candidates(target) == tried


def test_the_sandbox_is_asked_over_http(settings):
    settings.OUTBOUND_SANDBOX = {"suffix": ".example", "web": "127.0.0.1:1", "smtp": "127.0.0.1:2"}
    assert candidates("https://acme.example") == ["http://acme.example/"]


@pytest.mark.parametrize(
    ("answers", "asked"),
    [
        ({"https://acme.com/": ""}, 1),
        ({"https://acme.com/": "tls", "http://acme.com/": ""}, 2),
        ({"https://acme.com/": "dns", "http://acme.com/": "dns", "https://www.acme.com/": ""}, 3),
        ({"https://acme.com/": "robots"}, 1),  # an answer, if not a friendly one
        ({"https://acme.com/": "too_large"}, 1),
        ({}, 3),
    ],
)
def test_the_next_address_is_tried_only_when_nobody_answers(answers, asked):
    visitor = Planned(answers)
    read_site("acme.com", visitor, pages=1)
    assert len(visitor.asked) == asked


def test_an_accident_while_reading_is_a_row(monkeypatch):
    monkeypatch.setattr("leads.research.visit.fetch", lambda *_, **__: 1 / 0)
    monkeypatch.setattr(Visitor, "_ask_robots", lambda *_, **__: None)
    page = Visitor(deadline_in(5)).visit("http://acme.com/", "home")
    assert (page.status, page.error_kind) == (PageStatus.FAILED, "unreadable")
    assert page.failure == "http://acme.com/ could not be read (ZeroDivisionError)."


def test_when_the_time_is_over_nothing_is_asked_for(monkeypatch):
    monkeypatch.setattr(Visitor, "_ask_robots", lambda *_, **__: None)
    page = Visitor(time.monotonic()).visit("http://acme.com/", "home")
    assert page.failure == "http://acme.com/ was not read: the time for this lead was over."


# --- remembered for a minute ---


@pytest.fixture
def memory():
    recent.forget()
    yield recent
    recent.forget()


def read(asked=5, **fields):
    return ReadPage("https://acme.com/", "home", status=PageStatus.OK, asked=asked, **fields)


def test_a_site_is_remembered_for_its_organization_alone(memory):
    one, two = uuid.uuid4(), uuid.uuid4()
    pages = [read()]
    memory.remember(one, "acme.com", pages)
    assert memory.pages_of(one, "acme.com", 5) is pages
    assert memory.pages_of(two, "acme.com", 5) == []
    assert memory.pages_of(one, "other.com", 5) == []


def test_a_shallow_visit_does_not_answer_a_deep_one(memory):
    org = uuid.uuid4()
    memory.remember(org, "acme.com", [read(asked=1)])
    assert memory.pages_of(org, "acme.com", 1)
    assert memory.pages_of(org, "acme.com", 5) == []


def test_after_a_minute_it_is_forgotten(memory, monkeypatch):
    org = uuid.uuid4()
    memory.remember(org, "acme.com", [read()])
    later = time.monotonic() + 61
    monkeypatch.setattr("leads.research.recent.time.monotonic", lambda: later)
    assert memory.pages_of(org, "acme.com", 5) == []


def test_only_so_many_sites_are_remembered(memory):
    org = uuid.uuid4()
    for number in range(60):
        memory.remember(org, f"acme{number}.com", [read()])
    assert memory.pages_of(org, "acme0.com", 1) == []
    assert memory.pages_of(org, "acme59.com", 1)


def test_whoever_comes_second_waits_only_half_of_its_time(memory):
    org = uuid.uuid4()
    with memory.one_at_a_time(org, "acme.com", deadline_in(10)):
        began = time.monotonic()
        with memory.one_at_a_time(org, "acme.com", deadline_in(0.6)):
            assert 0.2 < time.monotonic() - began < 2
    with memory.one_at_a_time(org, "acme.com", deadline_in(0)):
        pass  # free again


# --- limits ---


def test_ordinary_pages_are_not_cut():
    html = '<div class="a" data-x=\'>\' id=b><img src="data:image/png;base64,' + "A" * 50_000 + '"></div>'
    assert limited(html) == html


def test_a_tag_with_too_many_attributes_ends_the_page():
    crowded = "<p " + " ".join(f"a{n}" for n in range(300)) + ">x</p>"
    assert limited("<p>kept</p>" + crowded + "<p>lost</p>") == "<p>kept</p>"


def test_a_page_of_more_than_two_million_characters_is_cut():
    assert len(limited("<p>x</p>" * 400_000)) == 2_000_000


@given(st.text(alphabet="<>/='\" abcsript!-\n", max_size=200))
def test_limiting_keeps_the_beginning_of_any_text(html):
    assert html.startswith(limited(html))


# --- links, names, stored pages ---


@pytest.mark.parametrize("url", ["http://[::1", "http://[", "", "nonsense", "http://a b/"])
def test_broken_addresses_have_no_host_and_lead_nowhere(url):
    assert host_of(url) in ("", "a b")
    assert kind_of(url, "Team") in ("", "team")


@pytest.mark.parametrize(
    ("url", "closed"),
    [
        ("https://www.linkedin.com/in/ada", True),
        ("https://linkedin.com", True),
        ("https://de.linkedin.com/in/ada", True),
        ("https://x.com/acme", True),
        ("https://m.facebook.com/acme", True),
        ("https://linkedin.example/in/ada", True),
        ("https://acme.com/linkedin", False),
        ("https://box.com/acme", False),
        ("https://linkedin.com.acme.com/", False),
    ],
)
def test_closed_networks(url, closed):
    assert is_closed_network(url) is closed


def test_guesses_are_made_only_for_what_no_link_leads_to():
    found = guesses("https://acme.com/en/", {"about": "https://acme.com/en/about"})
    assert found == {"team": "https://acme.com/team", "news": "https://acme.com/news"}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Ada Lovelace", "Dr. Ada Lovelace", True),
        ("Ada K. Lovelace", "ada lovelace", True),
        ("Ada Lovelace", "Ada Byron", False),
        ("Ada", "Ada Lovelace", False),
        ("", "", False),
    ],
)
def test_names_are_compared_without_titles_and_middle_names(one, other, same):
    assert same_person(one, other) is same


def test_people_found_twice_are_one():
    merged = merge(
        [Person("Ada Lovelace", "CTO")], [Person("Dr. Ada Lovelace", "Other", "Sails."), Person("Bob Stone")]
    )
    assert merged == [Person("Ada Lovelace", "CTO", "Sails."), Person("Bob Stone")]


@pytest.mark.parametrize(
    ("url", "domain", "own"),
    [
        ("https://www.acme.com/x", "acme.com", True),
        ("https://blog.acme.com/x", "acme.com", True),
        ("https://ada.com/x", "acme.com", False),
        ("https://ada.com/x", "", False),
    ],
)
def test_pages_belong_to_the_company_by_domain(url, domain, own):
    assert is_companys(url, domain) is own


def test_a_stored_page_says_the_same_as_the_fresh_one():
    content = Extracted(
        title="T",
        headline="Ferry nine launched",
        text="Ferry nine launched\nBy Ada Lovelace, 2 May 2026",
        language="en",
        published=date(2026, 5, 2),
        author="Ada Lovelace",
        is_article=True,
        people=[Person("Ada Lovelace", "CTO", "Sails.")],
        news=[News("n", None)],
    )
    fresh = read(content=content, final_url="https://acme.com/")
    row = Page(
        url=fresh.url, final_url=fresh.final_url, title="T", text=content.text, extracted=extracted_of(fresh)
    )
    view = view_of_stored(row)
    assert (view.author, view.published, view.people) == (
        "Ada Lovelace",
        date(2026, 5, 2),
        tuple(content.people),
    )

    def conclude(**pages):
        subject = Subject(uuid.uuid4(), uuid.uuid4(), "Ada Lovelace", "Acme", None, "acme.com")
        gathered = Gathered(subject, [ResearchStep("browseruse", 1)], **pages)
        draw_conclusions(gathered, TODAY)
        return [fact for fact in gathered.facts if fact.about_lead]

    assert conclude(pages=[fresh]) == conclude(cached=[row]) != []


@pytest.mark.parametrize("kept", [{}, {"published": "rubbish"}, {"published": 7}, {"people": []}])
def test_stored_pages_of_older_days_can_be_read(kept):
    assert view_of_stored(Page(url="https://acme.com/", text="x", extracted=kept)).published is None


@pytest.mark.parametrize(
    ("content", "company"),
    [
        (Extracted(title="Ferries of Norway | Acme"), "Acme"),
        (Extracted(title="Acme | We build the best ferries of Norway"), "Acme"),
        (Extracted(title="x", site_name="Acme Ferries AS"), "Acme Ferries"),
        (Extracted(title="x", organization={"name": "Acme GmbH"}), "Acme"),
    ],
)
def test_a_company_without_a_name_is_called_what_its_site_says(content, company):
    gathered = Gathered(
        Subject(uuid.uuid4(), uuid.uuid4(), "Ada", "", None, "acme.com"), [], pages=[read(content=content)]
    )
    draw_conclusions(gathered, TODAY)
    assert gathered.company_name == company
