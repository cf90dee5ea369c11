"""Write an answer to a reply and put it to the gate."""

from __future__ import annotations

from typing import Any

from agent.engine import ClaimedTask, TaskLater, handles, hold
from agent.handlers.common import inbound_id, inbound_of, row_of
from agent.handlers.settle_draft import settle_draft
from agent.llm import metered
from agent.models import Draft, DraftStatus, LogType, TaskType
from agent.services import drafts
from agent.services.log import log
from agent.services.usage import record_usage
from agent.writers import AnswerBrief, Brief, brief_for, lead_values, sender_values, write_answer, writer_name
from campaigns.models import Enrollment, InboundMessage
from leadpilot.lib import clock
from leads.models import CLOSED_STATUSES, Lead


@handles(TaskType.RESPOND_TO_REPLY)
def respond_to_reply(task: ClaimedTask) -> dict[str, Any]:
    """One answer a mail: sent when the gate allows it, else waiting for a person. Robots get none."""
    with hold(task):
        found = inbound_of(task)
        if found.is_automatic or found.handled_at is not None or found.lead is None:
            return {"skipped": "It needs no answer."}
        if found.lead.status in CLOSED_STATUSES:
            return {"skipped": f"{found.lead.name} is {found.lead.get_status_display().lower()}."}
        draft = _living(found)
        brief = None if draft else _brief(found, found.lead)
    if brief is not None:
        with metered() as spent:
            written = write_answer(brief)
        with hold(task):
            record_usage(org_id=task.org_id, lead_id=task.lead_id, spent=spent)
        with hold(task):
            found = _as_it_was_read(task, found)
            draft = drafts.create_answer(org=found.org, inbound=found, written=written, task=row_of(task))
            _log(task, draft, written.model)
    if draft is None or draft.status != DraftStatus.DRAFT:
        return {"skipped": "There is an answer already."}
    outcome = settle_draft(task, draft, confidence=found.confidence)
    return {"outcome": str(outcome), "draft": str(draft.pk)}


def _as_it_was_read(task: ClaimedTask, before: InboundMessage) -> InboundMessage:
    """The mail, locked; raises TaskLater when a person corrected its class while the answer was written."""
    mail = InboundMessage.objects.for_org(task.org_id).filter(pk=inbound_id(task))
    mail.select_for_update(no_key=True).values_list("pk").first()
    found = inbound_of(task)
    if found.classified_at != before.classified_at:
        raise TaskLater(clock.now(), "The mail was read anew while its answer was written.")
    return found


def _living(found: InboundMessage) -> Draft | None:
    gone = [DraftStatus.REJECTED, DraftStatus.WITHDRAWN]
    answers = Draft.objects.for_org(found.org_id).filter(in_reply_to=found).exclude(status__in=gone)
    return answers.select_related("org", "lead", "in_reply_to", "campaign").first()


def _brief(found: InboundMessage, lead: Lead) -> AnswerBrief:
    enrollment = (
        Enrollment.objects.for_org(found.org_id)
        .filter(lead=lead)
        .select_related("org", "lead__company_profile", "campaign", "mailbox")
        .order_by("-enrolled_at")
        .first()
    )
    if enrollment is not None:
        brief = brief_for(enrollment)
    else:
        sender = sender_values(found.org, found.mailbox)
        brief = Brief(lead_values(lead), {}, (), (), sender, {})
    return AnswerBrief(
        brief=brief,
        classification=found.classification,
        reply=found.new_text,
        reply_subject=found.subject,
        extracted={key: str(value) for key, value in found.extracted.items()},
    )


def _log(task: ClaimedTask, draft: Draft, model: str) -> None:
    log(
        org=task.org_id,
        log_type=LogType.ACTION,
        action_type="write_answer",
        agent=task.agent_id,
        task=task.id,
        lead=draft.lead_id,
        message=f"Wrote an answer to {draft.lead.name}.",
        reasoning=f"Written by {writer_name(model)}.",
        details={"draft": str(draft.pk)},
    )
