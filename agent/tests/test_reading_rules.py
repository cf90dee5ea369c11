"""What replies mean, by headers and words."""

from __future__ import annotations

from datetime import UTC, date, datetime
from types import SimpleNamespace

import pytest

from agent import reading
from agent.reading import rules
from agent.reading.dates import return_date

TODAY = date(2026, 11, 21)  # a Saturday


def read(text: str, *, automatic: bool = False, subject: str = "Re: A question") -> rules.Reading:
    return rules.read(subject, text, automatic, TODAY)


@pytest.mark.parametrize(
    "text",
    [
        "Please remove me from your list.",
        "unsubscribe",
        "STOP",
        "Stop.",
        "Do not contact me again.",
        "please stop emailing me",
        "Take us off this list",
        "I want to opt out",
        "No more emails please.",
        "Bitte keine weiteren Mails.",
        "Bitte nicht mehr schreiben",
        "Bitte austragen",
        "Sounds good but please unsubscribe me",
        "Delete my address and leave me alone",
        "Ne me contactez plus",
        "Quiero darme de baja",
    ],
)
def test_a_wish_to_be_left_alone_comes_before_everything(text: str) -> None:
    found = read(text)
    assert found.classification == "unsubscribe"
    assert found.confidence > 0.9
    assert "“" in found.reason


@pytest.mark.parametrize(
    ("text", "expected", "sentiment"),
    [
        ("Sounds great, let's talk next week!", "interested", "positive"),
        ("I'd love to hear more. Tuesday 10:00 works for me.", "interested", "positive"),
        ("Klingt spannend, gerne ein Gespräch.", "interested", "positive"),
        ("How much does it cost for 20 drivers?", "question", "neutral"),
        ("Was kostet das?", "question", "neutral"),
        ("Not now, maybe next year.", "not_interested", "negative"),
        ("No thanks, we are all set.", "not_interested", "negative"),
        ("Kein Interesse.", "not_interested", "negative"),
        ("We already use another tool for this.", "objection", "neutral"),
        ("How dare you write to me. This is spam!", "not_interested", "angry"),
        ("I'm not the right person for this.", "wrong_person", "neutral"),
        ("ok", "other", "neutral"),
    ],
)
def test_people(text: str, expected: str, sentiment: str) -> None:
    found = read(text)
    assert (found.classification, found.sentiment) == (expected, sentiment)


def test_a_referral_names_the_other_person() -> None:
    found = read("I'm not the right person, please contact Tom Berg at Tom.Berg@haven.example.")
    assert found.classification == "referral"
    assert found.extracted == {"contact_name": "Tom Berg", "contact_email": "tom.berg@haven.example"}


@pytest.mark.parametrize(
    ("text", "back"),
    [
        ("I am out of the office until 3 December 2026.", "2026-12-03"),
        ("Out of office, back on December 7th.", "2026-12-07"),
        ("Ich bin bis zum 07.12.2026 nicht im Büro.", "2026-12-07"),
        ("On annual leave from 20 November to 2 January.", "2027-01-02"),
        ("I am away from my desk. Back on Monday.", "2026-11-23"),
        ("Out of office. Return: 2026-12-01", "2026-12-01"),
    ],
)
def test_out_of_office_says_when_they_are_back(text: str, back: str) -> None:
    found = read(text, automatic=True)
    assert found.classification == "out_of_office"
    assert found.extracted["return_date"] == back


def test_out_of_office_without_a_date() -> None:
    assert read("I am out of the office.", automatic=True).extracted == {}


def test_a_person_who_types_an_absence_note_is_recognised() -> None:
    assert read("Ich bin im Urlaub und melde mich danach.").classification == "out_of_office"


def test_other_machines_are_automatic_replies() -> None:
    assert read("We have received your request #1234.", automatic=True).classification == "auto_reply"


def test_an_unsubscribe_word_in_an_automatic_reply_is_no_wish() -> None:
    found = read("Out of office. To unsubscribe from our newsletter click below.", automatic=True)
    assert found.classification == "out_of_office"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("31.02.2027", None),
        ("on 1 January 2020", None),
        ("1 March 2030", None),
        ("from 1 December to 5 December", date(2026, 12, 5)),
        ("am 1.12. und 3.12.", date(2026, 12, 3)),
        ("see you on 5 January", date(2027, 1, 5)),
        ("no date here", None),
        ("wieder ab Mittwoch", date(2026, 11, 25)),
    ],
)
def test_dates(text: str, expected: date | None) -> None:
    assert return_date(text, TODAY) == expected


def test_classifying_without_a_model_takes_the_rules_word() -> None:
    reply = SimpleNamespace(
        subject="Re: x",
        new_text="hm",
        is_automatic=False,
        received_at=datetime(2026, 11, 21, tzinfo=UTC),
    )
    found = reading.classify(reply)
    assert (found.classification, found.by) == ("other", "rules")
