"""Writers of mails: the model's, with the offline one behind it; everything they write is grounded before it is kept."""

from __future__ import annotations

from dataclasses import replace

from agent import grounding, llm
from agent.writers import answers, model, offline
from agent.writers.answers import AnswerBrief
from agent.writers.briefs import brief_for, campaign_values, lead_values, sender_values
from agent.writers.types import Brief, FactBrief, Sentence, StepBrief, Written, WrittenMail, body_of

__all__ = [
    "AnswerBrief",
    "Brief",
    "FactBrief",
    "Sentence",
    "StepBrief",
    "Written",
    "WrittenMail",
    "body_of",
    "brief_for",
    "campaign_values",
    "lead_values",
    "sender_values",
    "write_answer",
    "write_sequence",
    "writer_name",
]


def writer_name(model: str) -> str:
    """Who wrote, as people are told: the template writer, or the model's name."""
    return "the template writer" if model == offline.MODEL else model


def write_sequence(brief: Brief) -> Written:
    """A sequence for the brief: the model's, or, when there is none or it fails, the offline writer's with a note."""
    if not llm.is_configured():
        return grounding.check(offline.write(brief), brief)
    try:
        return grounding.check(model.write(brief), brief)
    except llm.ModelUnavailable as error:
        written = replace(offline.write(brief), notes=(f"The template writer stood in: {error}",))
        return grounding.check(written, brief)


def write_answer(answer: AnswerBrief) -> Written:
    """An answer to a reply, by the same order of writers."""
    if not llm.is_configured():
        return grounding.check(answers.write_offline(answer), answer.brief)
    try:
        return grounding.check(answers.write_model(answer), answer.brief)
    except llm.ModelUnavailable as error:
        written = replace(answers.write_offline(answer), notes=(f"The template writer stood in: {error}",))
        return grounding.check(written, answer.brief)
