"""The offline writer keeps the rules of seed 000, section 6, and claims nothing that no fact says."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import grounding, quality
from agent.tests.briefs import ABOUT_ID, FACTS, NEWS_ID, fact, make_brief
from agent.writers import offline, write_sequence
from agent.writers.types import StepBrief


def test_it_writes_a_mail_for_each_step() -> None:
    written = offline.write(make_brief())
    assert [mail.step for mail in written.mails] == [1, 2, 3, 4, 5]
    assert written.model == "offline"
    assert written.prompt_version == "offline-1"


def test_the_same_brief_gives_the_same_text() -> None:
    assert offline.write(make_brief()) == offline.write(make_brief())


def test_two_leads_of_one_company_do_not_get_the_same_mail() -> None:
    first = offline.write(make_brief())
    texts = {first.mails[0].body}
    for name in ("tom", "ida", "per", "eva"):
        lead = {**make_brief().lead, "first_name": name.title(), "email": f"{name}@brightwave.example"}
        texts.add(offline.write(make_brief(lead=lead)).mails[0].body.replace(name.title(), "Maya"))
    assert len(texts) > 1


def test_every_mail_has_50_to_150_words_a_short_subject_a_call_and_a_postscript() -> None:
    for mail in offline.write(make_brief()).mails:
        assert 50 <= len(mail.body.split()) <= 150, mail.body
        assert 0 < len(mail.subject) <= 50
        assert mail.cta
        assert mail.ps.startswith("P.S.")
        assert mail.ps in mail.body


def test_the_first_mail_names_one_detail_with_its_source_and_its_fact() -> None:
    mail = offline.write(make_brief()).mails[0]
    personal = [s for s in mail.sentences if s.personal]
    assert personal[0].fact_ids == (str(NEWS_ID),)
    assert "brightwave.example" in personal[0].text
    assert "second depot in Malmö" in personal[0].text


def test_the_pieces_joined_are_the_body() -> None:
    for mail in offline.write(make_brief()).mails:
        assert "".join(s.text for s in mail.sentences).strip() == mail.body.strip()


def test_without_facts_it_claims_nothing() -> None:
    for mail in offline.write(make_brief(facts=())).mails:
        assert not any(s.personal for s in mail.sentences)
        assert not grounding.ABOUT_THE_READER.search(mail.body), mail.body


def test_nothing_it_writes_is_unsupported() -> None:
    written = write_sequence(make_brief())
    assert all(s.supported for mail in written.mails for s in mail.sentences)


def test_unsure_and_endless_facts_are_not_used() -> None:
    bad = (
        fact("Brightwave may be sold to a competitor soon", confidence=0.3),
        fact("Brightwave " + "very " * 60),
    )
    assert offline.usable_facts(bad) == []


def test_news_comes_before_the_general() -> None:
    assert [f.id for f in offline.usable_facts(FACTS[::-1])] == [NEWS_ID, ABOUT_ID]


def test_what_is_about_the_reader_is_said_to_the_reader() -> None:
    facts = (
        fact(
            "Maya Lindqvist wrote “Why we count pallets twice” on 3 November 2026", category="recent_activity"
        ),
    )
    body = offline.write(make_brief(facts=facts)).mails[0].body
    assert "you wrote “Why we count pallets twice”" in body
    assert "Maya Lindqvist" not in body


def test_what_cannot_be_said_to_the_reader_is_left_out() -> None:
    facts = (fact("Maya Lindqvist runs the depot and she writes a blog", category="recent_activity"),)
    assert offline.usable_facts(facts, "Maya Lindqvist") == []


def test_the_same_news_from_two_pages_is_told_once() -> None:
    twice = (
        *FACTS,
        fact(
            "Brightwave opened its second depot, in Malmö, in September 2026",
            pk=UUID(int=7),
            category="company_info",
        ),
    )
    assert [f.id for f in offline.usable_facts(twice)] == [NEWS_ID, ABOUT_ID]


def test_a_persons_own_role_is_not_told_to_them() -> None:
    assert offline.usable_facts((fact("Maya Lindqvist is Head of Operations", category="person_role"),)) == []


def test_follow_ups_continue_the_first_subject() -> None:
    mails = offline.write(make_brief()).mails
    assert all(mail.subject.startswith("Re: ") for mail in mails[1:])
    assert mails[0].subject.split()[0] in mails[1].subject


def test_the_campaigns_own_words_come_first() -> None:
    campaign = {
        **make_brief().campaign,
        "offer": "We paint lorries blue.",
        "call_to_action": "Shall we paint one",
    }
    mail = offline.write(make_brief(campaign=campaign)).mails[0]
    assert "We paint lorries blue." in mail.body
    assert "Shall we paint one?" in mail.body
    assert "plans routes" not in mail.body


def test_a_steps_instructions_are_used_as_written() -> None:
    step = StepBrief(
        3, "case_study", "educational", "medium", "medium", "A bakery in Lund saved 40 minutes a day."
    )
    mail = offline.write(make_brief(steps=(step,))).mails[0]
    assert "A bakery in Lund saved 40 minutes a day." in mail.body


def test_a_long_offer_does_not_push_a_mail_over_its_limit() -> None:
    sender = {
        **make_brief().sender,
        "offer": "We do many things for many people in many places every day. " * 20,
    }
    for mail in offline.write(make_brief(sender=sender)).mails:
        assert len(mail.body.split()) <= 150


def test_a_long_company_name_keeps_the_subject_short() -> None:
    lead = {**make_brief().lead, "company": "The Very Long Named International Holding of Everything Limited"}
    assert len(offline.write(make_brief(lead=lead)).mails[0].subject) <= 50


@settings(max_examples=60, deadline=None)
@given(
    name=st.text(max_size=40),
    company=st.text(max_size=80),
    email=st.emails(),
    offer=st.text(max_size=600),
)
def test_whatever_the_list_says_the_form_holds(name: str, company: str, email: str, offer: str) -> None:
    lead = {**make_brief().lead, "first_name": name.strip(), "company": company.strip(), "email": email}
    brief = make_brief(lead=lead, sender={**make_brief().sender, "offer": offer})
    for mail in offline.write(brief).mails:
        assert len(mail.subject) <= 50
        assert mail.body.strip()


@pytest.mark.parametrize(("text", "limit"), [("short", 50), ("a " * 60, 50), ("x" * 80, 50)])
def test_clipping_never_exceeds_the_limit(text: str, limit: int) -> None:
    assert len(offline.clip(text, limit)) <= limit


def test_its_mails_score_five_of_five() -> None:
    for mail in write_sequence(make_brief()).mails:
        judged = quality.assess_quality(mail, lead_name="Maya Lindqvist", company="Brightwave")
        assert judged.score == 5, (mail.step, judged.reasons)


def test_curly_braces_in_a_name_are_only_text() -> None:
    lead = {**make_brief().lead, "company": "{sender.__class__}"}
    body = offline.write(replace(make_brief(), lead=lead)).mails[0].body
    assert "{sender.__class__}" in body
