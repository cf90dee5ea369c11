"""A claim stands only when the facts it names say it."""

from __future__ import annotations

from uuid import uuid4

import pytest

from agent import grounding
from agent.tests.briefs import ABOUT_ID, FACTS, NEWS_ID, make_brief
from agent.writers.types import Sentence, Written, WrittenMail

BY_ID = {str(f.id): f for f in FACTS}
KNOWN = "Maya Lindqvist Brightwave Northbeam"


def checked(text: str, *ids: object, personal: bool = True) -> Sentence:
    return grounding.check_sentence(Sentence(text, tuple(str(i) for i in ids), personal), BY_ID, KNOWN)


def test_a_claim_with_its_fact_is_supported() -> None:
    assert checked("I read that Brightwave opened a second depot in Malmö.", NEWS_ID).supported


def test_a_claim_without_a_fact_is_marked() -> None:
    sentence = checked("Congratulations on your funding round.", personal=False)
    assert sentence.personal
    assert not sentence.supported
    assert "No fact" in sentence.note


@pytest.mark.parametrize(
    "text",
    [
        "I was impressed by how far you have come.",
        "I love what you do.",
        "I noticed your recent launch.",
        "Your impressive growth speaks for itself.",
    ],
)
def test_praise_is_a_claim_even_when_the_model_says_it_is_none(text: str) -> None:
    assert not checked(text, personal=False).supported


def test_a_fact_id_that_was_made_up_does_not_count() -> None:
    sentence = checked("I read that Brightwave opened a depot.", uuid4())
    assert sentence.fact_ids == ()
    assert not sentence.supported


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("I read that Brightwave opened a third depot in Oslo.", "Oslo"),
        ("I read that Brightwave plans deliveries for 900 grocery stores.", "900"),
        ("I read that Brightwave was praised by Angela Schmidt.", "Angela"),
    ],
)
def test_names_and_numbers_have_to_stand_in_the_sources(text: str, missing: str) -> None:
    sentence = checked(text, NEWS_ID, ABOUT_ID)
    assert not sentence.supported
    assert missing in sentence.note


def test_numbers_of_another_fact_do_not_count() -> None:
    assert not checked("I read that Brightwave serves 140 stores.", NEWS_ID).supported
    assert checked("I read that Brightwave serves 140 stores.", ABOUT_ID).supported


def test_plain_sentences_need_nothing() -> None:
    for text in (
        "Would a short call be worth your time?",
        "Hi Maya,\n\n",
        "We plan routes for small fleets.",
    ):
        sentence = checked(text, personal=False)
        assert sentence.supported
        assert not sentence.personal


def test_what_the_user_typed_counts_as_known() -> None:
    assert checked("I read that Brightwave, where Maya works, opened a depot.", NEWS_ID).supported


def test_a_whole_sequence_is_checked() -> None:
    mail = WrittenMail(1, "Hello", (Sentence("Congrats on winning the Nobel prize.", ()),))
    result = grounding.check(Written((mail,), "m", "p"), make_brief())
    assert not result.mails[0].sentences[0].supported
