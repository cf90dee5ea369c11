import re
from datetime import date, timedelta
from email.utils import parseaddr
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from leadpilot.sandbox.replies import _BODIES
from leadpilot.sandbox.world import REFERENCE_DAY, Person, in_words, load_world

WORLD = load_world(REFERENCE_DAY)


def test_there_are_fourteen_companies_and_twenty_five_leads():
    assert len(WORLD.companies) == 14
    assert len(WORLD.leads()) == 25
    assert len(WORLD.people) == 28


def test_every_domain_is_reserved_for_examples():
    for company in WORLD.companies:
        assert company.domain.endswith(".example")
        for address in company.social.values():
            assert ".example/" in address
    for person in WORLD.people:
        assert person.email.endswith(".example")
        assert parseaddr(person.email)[1] == person.email == person.email.lower()


def test_every_kind_of_answer_is_somebodys():
    kinds = {person.persona for person in WORLD.leads()}
    assert kinds == {
        "interested", "question", "objection", "not_now", "not_interested", "out_of_office", "auto_reply",
        "referral", "unsubscribe", "angry", "one_click", "silent", "bounces", "complains",
    }  # fmt: skip


def test_one_lead_bounces_and_no_more_so_that_the_mailbox_is_not_paused():
    """More than one hard bounce in twenty mails pauses a mailbox, and the demo would stand still."""
    assert [person.email for person in WORLD.leads() if person.fate == "bounces"] == [
        "victor.osei@verdantbio.example"
    ]
    assert [person.fate for person in WORLD.people if not person.lead and person.fate != "answers"] == [
        "unknown"
    ]


def test_every_style_can_be_written():
    for person in WORLD.people:
        for answer in person.answers:
            assert answer.style == "none" or answer.style in _BODIES
            assert answer.text.strip() or answer.kind == "one_click"


def test_people_work_at_known_companies_and_live_in_known_time_zones():
    for person in WORLD.people:
        if person.company:
            company = WORLD.company(person.company)
            assert company
            assert person.email.endswith("@" + company.domain)
        if person.timezone:
            ZoneInfo(person.timezone)


def test_referrals_name_somebody_who_exists():
    for person in WORLD.people:
        for answer in person.answers:
            for address in re.findall(r"[\w.]+@[\w.-]+\.example", answer.text):
                assert WORLD.person(address), address


def test_addresses_are_found_whatever_the_case():
    assert WORLD.person("Maren.deWit@Brightwave.example").name == "Maren de Wit"
    assert WORLD.company("BRIGHTWAVE.example").name == "Brightwave Freight Systems"
    assert WORLD.person("nobody@brightwave.example") is None
    assert WORLD.knows_domain("Hollis-Partners.example")
    assert not WORLD.knows_domain("elsewhere.example")


def test_news_carry_figures_and_none_lies_in_the_future():
    for company in WORLD.companies:
        for post in company.news:
            assert re.search(r"\d", WORLD.dated(post.body, company.locale))
            assert post.date <= REFERENCE_DAY
        assert list(company.news) == sorted(company.news, key=lambda post: post.date, reverse=True)


@pytest.mark.parametrize("days", [0, 6, 7, 400, -30])
def test_dates_move_forward_by_whole_weeks(days):
    later = WORLD.model_copy(update={"today": REFERENCE_DAY + timedelta(days=days)})
    moved = later.moved(date(2026, 11, 10))
    assert (moved - date(2026, 11, 10)).days == max(0, days // 7 * 7)
    assert moved.weekday() == date(2026, 11, 10).weekday()


def test_dates_are_written_as_the_place_writes_them():
    assert in_words(date(2026, 11, 12), "en-GB") == "12 November 2026"
    assert in_words(date(2026, 11, 12), "en-US") == "November 12, 2026"
    assert in_words(date(2027, 3, 1), "de-DE") == "1. März 2027"
    assert WORLD.dated("Am {2026-11-02} ging", "de-DE") == "Am 2. November 2026 ging"


def test_no_date_token_is_left_in_a_text():
    for company in WORLD.companies:
        texts = [*company.text.model_dump().values(), *(post.body for post in company.news)]
        for text in texts:
            assert "{" not in WORLD.dated(text, company.locale)


def test_an_unknown_word_in_the_data_is_refused():
    row = WORLD.people[0].model_dump() | {"fate": "vanishes"}
    with pytest.raises(ValidationError, match="fate"):
        Person.model_validate(row)
    with pytest.raises(ValidationError, match="shoe_size"):
        Person.model_validate(WORLD.people[0].model_dump() | {"shoe_size": 42})
