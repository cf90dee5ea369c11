"""A person corrected what a mail means: the agent follows, by the code that follows its own reading (SPEC IN-2)."""

from __future__ import annotations

from agent.handlers.replies import act_on
from agent.models import LogType
from agent.services import drafts
from agent.services.control import config_for
from agent.services.log import log
from campaigns.models import Classification, InboundMessage
from leadpilot.orgs.models import User
from leads.models import CLOSED_STATUSES
from leads.services.suppression import find_suppression

FINAL = (Classification.UNSUBSCRIBE, Classification.BOUNCE)


def follow(found: InboundMessage, before: str, by: User) -> list[str]:
    """Do what the new class asks for; returns what was done, in sentences."""
    if found.lead is None:
        return []
    said = []
    if before and before != found.classification:
        _note(found, before, by)
        if drafts.withdraw_answer(inbound=found, reason="It was written for another reading of the mail."):
            said.append("The answer that was ready was withdrawn: it answered something else.")
    if found.classification not in FINAL and _is_left_alone(found):
        return said
    return [*said, act_on(found, config=config_for(found.org), by=by)]


def _is_left_alone(found: InboundMessage) -> bool:
    """The lead is closed or suppressed: no class opens it again."""
    lead = found.lead
    assert lead is not None, "asked only of mails with a lead"
    suppressed = find_suppression(org=found.org, email=lead.email) is not None
    return lead.status in CLOSED_STATUSES or suppressed


def _note(found: InboundMessage, before: str, by: User) -> None:
    was = Classification(before).label.lower()
    log(
        org=found.org_id,
        log_type=LogType.LEARNING,
        action_type="reply_corrected",
        lead=found.lead_id,
        actor=by,
        message=f"{by.display_name} corrected an answer of {found.from_email}: "
        f"{found.get_classification_display().lower()}, not {was}.",
        details={"inbound": str(found.pk), "before": before, "after": found.classification},
    )
