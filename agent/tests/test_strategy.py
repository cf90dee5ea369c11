"""The seed's decision tree word for word, and the plan made of it."""

import pytest

from agent.strategy import determine_strategy, plan_research
from leads.models import Lead


def lead(**fields):
    return Lead(**{"name": "Ada Lovelace", "email": "ada@acme.example", **fields})


def test_the_seeds_tree_is_followed_exactly():
    data = {
        "name": "Ada Lovelace",
        "email": "ada@acme.example",
        "company": "Acme",
        "linkedin_url": "https://linkedin.com/in/ada",
    }
    assert determine_strategy(data) == [
        {"tool": "browseruse", "priority": 1, "target": "https://linkedin.com/in/ada"},
        {"tool": "google_search", "priority": 2, "query": "Acme Ada Lovelace news"},
        {"tool": "browseruse", "priority": 3, "target": "https://acme.example"},
    ]


@pytest.mark.parametrize(
    ("data", "priorities"),
    [
        ({}, []),
        ({"email": "a@b.example"}, [3]),
        ({"company": "Acme"}, [2]),
        ({"company": "Acme", "email": "a@b.example"}, [2, 3]),
        ({"linkedin_url": "https://linkedin.com/in/a"}, [1]),
    ],
)
def test_each_branch_needs_its_field(data, priorities):
    assert [strategy["priority"] for strategy in determine_strategy(data)] == priorities


def test_without_a_name_the_query_is_the_companys():
    assert determine_strategy({"company": "Acme"})[0]["query"] == "Acme  news"


@pytest.mark.parametrize(("depth", "pages"), [("quick", 1), ("standard", 5), ("deep", 10)])
def test_the_depth_decides_how_many_pages_are_read(depth, pages):
    (step,) = plan_research(lead(), depth)
    assert (step.target, step.pages, step.skip) == ("https://acme.example", pages, "")


def test_an_unknown_depth_is_an_error():
    with pytest.raises(KeyError):
        plan_research(lead(), "abyssal")


def test_the_web_site_comes_first_and_its_domain_is_not_read_twice():
    plan = plan_research(lead(website_url="https://www.acme.example/en"))
    assert [(step.target, step.pages) for step in plan] == [("https://www.acme.example/en", 5)]


def test_a_second_site_gets_fewer_pages():
    plan = plan_research(lead(website_url="https://ada.example"))
    assert [(step.target, step.pages) for step in plan] == [
        ("https://ada.example", 5),
        ("https://acme.example", 3),
    ]


def test_linkedin_is_left_out_with_the_reason():
    plan = plan_research(lead(linkedin_url="https://www.linkedin.com/in/ada"))
    step = next(step for step in plan if step.priority == 1)
    assert step.pages == 0
    assert "linkedin.com does not allow" in step.skip


@pytest.mark.parametrize(
    "address", ["https://www.linkedin.com/company/acme", "https://facebook.com/acme", "https://x.com/acme"]
)
def test_a_profile_given_as_web_site_is_not_read(address):
    first = plan_research(lead(website_url=address))[0]
    assert first.skip
    assert first.pages == 0


def test_the_search_is_left_out_while_no_provider_is_connected():
    step = next(step for step in plan_research(lead(company="Acme")) if step.tool == "google_search")
    assert step.query == "Acme Ada Lovelace news"
    assert step.skip == "No web search is connected."


def test_a_mail_provider_is_not_taken_for_the_company():
    (step,) = plan_research(lead(email="ada@gmail.com"))
    assert step.skip == "gmail.com is a mail provider, not the person's company."
    plan = plan_research(lead(email="ada@gmail.com", website_url="https://ada.example"))
    assert [step.target for step in plan if step.pages] == ["https://ada.example"]
