"""Read one answer: its class is recorded, then the sequence, the lead and the people are dealt with by it."""

from __future__ import annotations

from typing import Any

from agent import reading
from agent.engine import ClaimedTask, handles, hold
from agent.handlers.common import inbound_id, inbound_of
from agent.handlers.replies import HANDLED, act_on
from agent.llm import metered
from agent.models import AgentLog, LogType, TaskType
from agent.services.control import config_for
from agent.services.log import log
from agent.services.usage import record_usage
from campaigns.models import Classification, InboundMessage
from campaigns.services import inbound as inbox


def reading_failed(task: ClaimedTask, message: str) -> None:
    """Nobody could read it: it stays for a person, and is not tried for ever."""
    unread = InboundMessage.objects.for_org(task.org_id).filter(classification="")
    found = unread.filter(pk=task.inbox_message_id).first() if task.inbox_message_id else None
    if found is not None:
        inbox.record_classification(
            inbound=found,
            classification=Classification.OTHER,
            sentiment="neutral",
            confidence=0.0,
            reason=f"It could not be read: {message}",
            extracted={},
            by="nobody",
        )


@handles(TaskType.CLASSIFY_REPLY, gave_up=reading_failed)
def classify_reply(task: ClaimedTask) -> dict[str, Any]:
    """Classify and act, once. The reader sees the text and can do nothing; what acts sees only its fixed values."""
    with hold(task):
        found = inbound_of(task)
    if not found.classification:
        with metered() as spent:
            read = reading.classify(found)
        with hold(task):
            record_usage(org_id=task.org_id, lead_id=found.lead_id, spent=spent)
            _record(task, read)
    with hold(task):
        _lock(task)
        found = inbound_of(task)
        if found.handled_at is not None or found.lead is None or _acted_on(found):
            return {"classification": found.classification}
        done = act_on(found, config=config_for(found.org), task=task)
    return {"classification": found.classification, "done": done}


def _record(task: ClaimedTask, read: reading.Reading) -> None:
    """Write the reading down, unless a person said meanwhile what the mail means."""
    unread = InboundMessage.objects.for_org(task.org_id).filter(pk=inbound_id(task), classification="")
    found: InboundMessage | None = unread.select_for_update(of=("self",)).first()
    if found is None:
        return
    inbox.record_classification(
        inbound=found,
        classification=read.classification,
        sentiment=read.sentiment,
        confidence=read.confidence,
        reason=read.reason,
        extracted=dict(read.extracted),
        by=read.by,
    )
    _log(task, found, read)


def _lock(task: ClaimedTask) -> None:
    """Keep a person from correcting the class while it is acted on: the correction comes after, and prevails."""
    mail = InboundMessage.objects.for_org(task.org_id).filter(pk=inbound_id(task))
    mail.select_for_update(no_key=True).values_list("pk").first()


def _acted_on(found: InboundMessage) -> bool:
    """A worker that died after acting left this line, in the same transaction."""
    lines = AgentLog.objects.for_org(found.org_id).filter(lead=found.lead, action_type=HANDLED)
    return lines.filter(details__inbound=str(found.pk)).exists()


def _log(task: ClaimedTask, found: InboundMessage, read: reading.Reading) -> None:
    label = Classification(read.classification).label.lower()
    log(
        org=task.org_id,
        log_type=LogType.OBSERVATION,
        action_type="classify_reply",
        agent=task.agent_id,
        task=task.id,
        lead=found.lead_id,
        message=f"{found.from_email} answered: {label}.",
        reasoning=read.reason,
        confidence=read.confidence,
        details={"inbound": str(found.pk), "by": read.by, "sentiment": read.sentiment},
    )
