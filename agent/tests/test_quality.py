"""Each fault costs points and says so."""

from __future__ import annotations

import pytest

from agent.quality import assess_quality
from agent.writers.types import Sentence, WrittenMail

FILLER = "We help small teams to plan their week without spreadsheets and late surprises. " * 5


def mail(
    body: str = f"Hi Maya,\n\n{FILLER}\n\nP.S. Bye.",
    subject: str = "A question",
    cta: str = "Call?",
    ps: str = "P.S. Bye.",
) -> WrittenMail:
    return WrittenMail(2, subject, (Sentence(body),), cta=cta, ps=ps)


def test_a_good_mail_gets_five() -> None:
    assert assess_quality(mail(), lead_name="Maya Lindqvist").score == 5


@pytest.mark.parametrize(
    ("faulty", "says"),
    [
        (mail(subject="x" * 51), "51 characters"),
        (mail(body="Hi Maya, short."), "words"),
        (mail(body="word " * 200), "200 words"),
        (mail(ps=""), "P.S."),
        (mail(cta=""), "call to action"),
        (mail(body=f"Hi Maya, act now, limited time. {FILLER}"), "act now, limited time"),
        (mail(body=f"Hi Maya, our world-class game-changing tool. {FILLER}"), "Empty praise"),
        (mail(body=f"Hi {{{{first_name}}}}, {FILLER}"), "placeholder"),
        (mail(body=f"Hi [First Name], {FILLER}"), "placeholder"),
        (mail(body=f"Hi Maya, https://a.example https://b.example {FILLER}"), "2 links"),
        (mail(body=f"Hi Tom,\n{FILLER}"), "names Tom"),
    ],
)
def test_each_fault_is_named_and_costs(faulty: WrittenMail, says: str) -> None:
    judged = assess_quality(faulty, lead_name="Maya Lindqvist")
    assert judged.score < 5
    assert says in " ".join(judged.reasons)


def test_a_left_over_placeholder_blocks() -> None:
    assert assess_quality(mail(body=f"Hi {{{{name}}}} {FILLER}")).blocking
    assert not assess_quality(mail()).blocking


def test_the_first_mail_needs_a_detail() -> None:
    first = WrittenMail(1, "A question", (Sentence(f"Hi Maya,\n\n{FILLER}"),), cta="Call?", ps="P.S.")
    assert "No specific detail from research." in assess_quality(first).reasons


def test_unsupported_claims_cost() -> None:
    claim = WrittenMail(
        2, "A question", (Sentence(FILLER), Sentence("You won.", personal=True, supported=False)), "c", "p"
    )
    assert "1 claim without a fact." in assess_quality(claim).reasons


def test_the_score_never_falls_below_zero() -> None:
    assert (
        assess_quality(mail(body="act now buy now click here urgent winner " * 30, cta="", ps="")).score == 0
    )


def test_greetings_without_a_name_are_fine() -> None:
    assert assess_quality(mail(body=f"Hi there,\n{FILLER}"), lead_name="Maya").score == 5
    assert assess_quality(mail(body=f"Hi Lindqvist,\n{FILLER}"), lead_name="Maya Lindqvist").score == 5
