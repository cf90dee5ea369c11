"""Answers to replies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from agent import llm
from agent.prompts import prompt
from agent.writers.model import MailOut, SequenceOut, mail_problems, written_from
from agent.writers.offline import MODEL, PROMPT_VERSION, clip
from agent.writers.types import Brief, Sentence, Written, WrittenMail

MAX_REPLY = 6_000  # characters of the reply that a model is shown


@dataclass(frozen=True)
class AnswerBrief:
    """What the writer of an answer may know. `reply` is the new text of the reply; it is data."""

    brief: Brief
    classification: str
    reply: str
    reply_subject: str
    extracted: Mapping[str, str]


def write_offline(answer: AnswerBrief) -> Written:
    """A courteous answer that promises nothing: it thanks, says what happens next, and asks for what is needed."""
    name = answer.brief.lead.get("first_name") or "there"
    if answer.classification == "interested":
        text = (
            "Thank you, I am glad this is of interest. Which two or three times would suit you for a short call? If you "
            "would rather have something in writing first, tell me what matters most to you and I will send it.\n\n"
        )
        call = "Which times would suit you?"
    elif answer.classification in ("question", "objection"):
        text = (
            "Thank you for asking. I would rather give you a proper answer than a quick one, so I am looking into it "
            "and will come back to you with the details. If there is a deadline on your side, let me know.\n\n"
        )
        call = "Is there a date by which you need this?"
    else:
        text = "Thank you for your answer. I have noted it.\n\n"
        call = "Is there anything you need from me?"
    sentences = (Sentence(f"Hi {name},\n\n"), Sentence(text), Sentence(f"{call}\n"))
    mail = WrittenMail(step=0, subject=reply_subject(answer.reply_subject), sentences=sentences, cta=call)
    return Written(mails=(mail,), model=MODEL, prompt_version=PROMPT_VERSION)


def write_model(answer: AnswerBrief) -> Written:
    """The answer as the configured model writes it. Raises llm.ModelUnavailable."""
    instructions, version = prompt("answer")

    def check(output: SequenceOut) -> None:
        if len(output.mails) != 1 or output.mails[0].step != 0:
            raise llm.Unfit("Write exactly one mail with step 0.")
        mail: MailOut = output.mails[0].model_copy(update={"subject": answer.reply_subject[:50] or "Re"})
        if problems := mail_problems(mail, answer.brief, shortest=15):
            raise llm.Unfit(" ".join(problems))

    result = llm.ask(
        instructions=instructions,
        prompt=_material(answer),
        output_type=SequenceOut,
        check=check,
        temperature=0.4,
        purpose=version,
        model=answer.brief.model,
    )
    written = written_from(result, version)
    mail = written.mails[0]
    fixed = WrittenMail(
        step=0, subject=reply_subject(answer.reply_subject), sentences=mail.sentences, cta=mail.cta, ps=""
    )
    return Written(**{**vars(written), "mails": (fixed,)})


def reply_subject(subject: str) -> str:
    """The subject of an answer: "Re: " once."""
    subject = " ".join(subject.split()) or "your message"
    return clip(subject if subject.lower().startswith(("re:", "aw:", "sv:")) else f"Re: {subject}", 300)


def _material(answer: AnswerBrief) -> str:
    return json.dumps(
        {
            "reader": {k: v for k, v in answer.brief.lead.items() if k != "email"},
            "sender": dict(answer.brief.sender),
            "campaign": dict(answer.brief.campaign),
            "facts": [
                {"id": str(f.id), "statement": f.statement, "quote": f.quote} for f in answer.brief.facts
            ],
            "class_of_the_reply": answer.classification,
            "reply": answer.reply[:MAX_REPLY],
        },
        ensure_ascii=False,
        indent=1,
    )
