"""What the people write back, read by the application's own parser and rules: no key, no model."""

from datetime import date
from email import message_from_bytes, policy

import pytest

from agent.reading import rules
from campaigns import dsn
from campaigns.parsing import parse, to_message
from leadpilot.lib import clock
from leadpilot.sandbox.bounces import write_bounce
from leadpilot.sandbox.complaints import write_complaint
from leadpilot.sandbox.replies import read_original, return_day, write_reply
from leadpilot.sandbox.world import REFERENCE_DAY, load_world

from .conftest import SENDER, make_mail

WORLD = load_world(REFERENCE_DAY)
MEANS = {
    "angry": "not_interested",
    "not_now": "not_interested",
}  # the inbox has no classes of their own for these
ANSWERS = [
    pytest.param(person, answer, id=f"{person.email}-{answer.kind}")
    for person in WORLD.people
    for answer in person.answers
    if answer.style != "none"
]


def original_for(person):
    mail = make_mail(person.email)
    mail.set_content(
        "Hi,\n\nI read about your news.\n\nWould a call next week be useful?\n\nAlex\n\n"
        "If you would rather not hear from me, unsubscribe here: http://127.0.0.1:8000/u/x/\n"
    )
    message = message_from_bytes(mail.as_bytes(), policy=policy.default)
    return read_original(message)


@pytest.mark.parametrize(("person", "answer"), ANSWERS)
def test_an_answer_is_read_as_it_was_meant(person, answer):
    """The mail that is quoted offers to unsubscribe and asks for a call; neither is the person's word."""
    raw = write_reply(WORLD, person, answer, original_for(person), clock.now()).as_bytes()
    mail = parse(raw)
    found = rules.read(mail.subject, mail.new_text, mail.is_automatic, clock.now().date())
    assert found.classification == MEANS.get(answer.kind, answer.kind), (found, mail.new_text)
    assert mail.from_email == person.email
    assert dsn.read_report(to_message(raw), raw, mail.from_email, mail.subject) is None
    if answer.kind == "angry":
        assert found.sentiment == "angry"
    if answer.kind == "referral":
        assert WORLD.person(found.extracted["contact_email"])
    if answer.kind == "out_of_office":
        today = mail.headers["date"]
        assert today
        assert date.fromisoformat(found.extracted["return_date"]) >= clock.now().date()
        assert (
            abs(
                (
                    return_day(person, clock.now().date())
                    - date.fromisoformat(found.extracted["return_date"])
                ).days
            )
            <= 1
        )


def test_the_bounce_is_read_as_a_hard_one_of_that_address():
    person = WORLD.person("victor.osei@verdantbio.example")
    original = original_for(person)
    raw = b"Return-Path: <>\r\n" + write_bounce(person, original, SENDER, clock.now())
    mail = parse(raw)
    assert mail.is_automatic
    report = dsn.read_report(to_message(raw), raw, mail.from_email, mail.subject)
    [failure] = report.failures
    assert (failure.email, failure.status, failure.hard) == (person.email, "5.1.1", True)
    assert original.message_id in report.message_ids


def test_the_complaint_is_read_as_one_about_that_mail():
    person = WORLD.person("terrence.holt@ironbridge-energy.example")
    original = original_for(person)
    raw = b"Return-Path: <>\r\n" + write_complaint(person, original, SENDER, clock.now())
    mail = parse(raw)
    assert mail.is_automatic
    report = dsn.read_report(to_message(raw), raw, mail.from_email, mail.subject)
    assert report.complaint
    assert report.failures == ()
    assert original.message_id in report.message_ids
