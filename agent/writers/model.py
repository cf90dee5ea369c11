"""The model's writer: structured output, checked, asked again with the error when it does not fit."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, Field

from agent import llm, quality
from agent.prompts import prompt
from agent.writers import contacts
from agent.writers.types import Brief, Sentence, Written, WrittenMail

MAX_FACT_CHARACTERS = 400
MAX_MATERIAL = 24_000  # characters; the least sure facts are left out before the model's window is full


class SentenceOut(BaseModel):
    """One sentence of a mail as the model returns it."""

    text: str = Field(max_length=1200)
    fact_ids: list[str] = Field(default_factory=list)
    personal: bool = False


class MailOut(BaseModel):
    """One mail as the model returns it."""

    step: int
    subject: str = Field(min_length=3, max_length=120)
    sentences: list[SentenceOut] = Field(min_length=2, max_length=40)
    cta: str = Field(max_length=300)
    ps: str = Field(default="", max_length=400)


class SequenceOut(BaseModel):
    """A whole sequence as the model returns it."""

    mails: list[MailOut] = Field(min_length=1, max_length=5)


def write(brief: Brief) -> Written:
    """The sequence as the configured model writes it. Raises llm.ModelUnavailable."""
    instructions, version = prompt("sequence")

    def check(output: SequenceOut) -> None:
        problems = problems_of(output, brief)
        if problems:
            raise llm.Unfit("Write it again. " + " ".join(problems))

    answer = llm.ask(
        instructions=instructions,
        prompt=material(brief),
        output_type=SequenceOut,
        check=check,
        purpose=version,
        model=brief.model,
        temperature=brief.temperature,
    )
    return written_from(answer, version)


def written_from(answer: llm.Answer[SequenceOut], version: str) -> Written:
    """A checked answer in our own terms."""
    return Written(
        mails=tuple(_mail(mail) for mail in answer.output.mails),
        model=answer.model,
        prompt_version=version,
        tokens_used=answer.tokens_used,
        cost_cents=answer.cost_cents,
        elapsed_ms=answer.elapsed_ms,
    )


def material(brief: Brief) -> str:
    """The prompt's data as JSON, so that nothing in it can pass for the prompt's own text."""
    facts = [
        {
            "id": str(fact.id),
            "category": fact.category,
            "statement": fact.statement[:MAX_FACT_CHARACTERS],
            "quote": fact.quote[:MAX_FACT_CHARACTERS],
            "read_at": fact.source_url,
            "date": fact.dated,
        }
        for fact in brief.facts
    ]
    data: dict[str, Any] = {
        "reader": {key: value for key, value in brief.lead.items() if key != "email"},
        "company": dict(brief.company),
        "sender": dict(brief.sender),
        "campaign": dict(brief.campaign),
        "steps": [vars(step) for step in brief.steps],
        "feedback_from_the_user": brief.feedback,
        "facts": facts,
    }
    while len(text := json.dumps(data, ensure_ascii=False, indent=1)) > MAX_MATERIAL and data["facts"]:
        data["facts"].pop()
    return text


def problems_of(output: SequenceOut, brief: Brief) -> list[str]:
    """What is wrong with an answer, as sentences the model can act on; empty when it fits."""
    expected = [step.number for step in brief.steps]
    if [mail.step for mail in output.mails] != expected:
        return [f"The steps must be {expected}, in that order."]
    found = []
    for mail in output.mails:
        for problem in [*mail_problems(mail, brief, shortest=50), *seed_problems(mail, brief)]:
            found.append(f"Mail {mail.step}: {problem}")
    return found


def mail_problems(mail: MailOut, brief: Brief, *, shortest: int) -> list[str]:
    """What is wrong with one mail."""
    written = _mail(mail)
    words = len(written.body.split())
    unknown = {i for s in mail.sentences for i in s.fact_ids} - brief.fact_ids
    found = []
    if len(mail.subject) > quality.MAX_SUBJECT:
        found.append(f"the subject has {len(mail.subject)} characters, at most 50 are allowed.")
    if not shortest <= words <= 150:
        found.append(f"the body has {words} words, {shortest} to 150 are allowed.")
    if unknown:
        found.append("it names fact ids that were not given.")
    if strange := contacts.strange(f"{mail.subject}\n{written.body}\n{mail.cta}\n{mail.ps}", brief):
        found.append(f"leave out {', '.join(strange)}: nobody is sent to an address the sender did not give.")
    judged = quality.assess_quality(written, lead_name=brief.lead.get("name", ""))
    found += [
        reason for reason in judged.reasons if reason.startswith(("A placeholder", "The greeting names"))
    ]
    return found


def seed_problems(mail: MailOut, brief: Brief) -> list[str]:
    """What seed 000, 6.1, asks of each mail of a sequence: a call to action and a P.S., both in the body; of the first
    one specific detail from research, where there is any."""
    body, found = _folded("".join(sentence.text for sentence in mail.sentences)), []
    if not _folded(mail.cta):
        found.append("there is no call to action; ask for one thing, in the body and in `cta`.")
    elif _folded(mail.cta) not in body:
        found.append("the call to action in `cta` does not stand in the body; use the same words.")
    if not _folded(mail.ps).startswith(("p.s.", "ps")):
        found.append("there is no P.S.; end with a line that begins with “P.S.”, in the body and in `ps`.")
    elif _folded(mail.ps) not in body:
        found.append("the P.S. in `ps` does not stand in the body; use the same words.")
    cited = {fact_id for sentence in mail.sentences for fact_id in sentence.fact_ids}
    if mail.step == 1 and brief.facts and not cited & brief.fact_ids:
        found.append("it names no detail from research; use one of the facts and list its id in `fact_ids`.")
    return found


def _folded(text: str) -> str:
    return " ".join(text.lower().split()).rstrip(".?! ")


def _mail(mail: MailOut) -> WrittenMail:
    return WrittenMail(
        step=mail.step,
        subject=" ".join(mail.subject.split()),
        sentences=tuple(Sentence(s.text, tuple(s.fact_ids), s.personal) for s in _spaced(mail.sentences)),
        cta=mail.cta,
        ps=mail.ps,
    )


def _spaced(sentences: list[SentenceOut]) -> list[SentenceOut]:
    """Models forget the space between sentences: two that touch get one."""
    spaced = []
    for index, sentence in enumerate(sentences):
        last = index == len(sentences) - 1
        touches = (
            not last and not sentence.text[-1:].isspace() and not sentences[index + 1].text[:1].isspace()
        )
        spaced.append(sentence.model_copy(update={"text": sentence.text + (" " if touches else "")}))
    return spaced
