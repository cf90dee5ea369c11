"""What becomes of a fresh draft: the gate approves it, asks a person, or makes it wait."""

from __future__ import annotations

from django.urls import reverse

from agent import gate
from agent.engine import ClaimedTask, TaskLater, hold
from agent.handlers.common import RECHECK, because, row_of, stopped
from agent.models import Draft
from agent.services import drafts
from campaigns.services import inbound as inbox
from leadpilot.lib import clock
from leadpilot.lib.verdict import Outcome
from leadpilot.orgs.models import Organization
from leadpilot.orgs.services import notify


def settle_draft(task: ClaimedTask, draft: Draft, *, confidence: float | None = None) -> Outcome:
    """Ask the gate about a draft of this task and do what it says, in one transaction.

    Raises TaskLater when the gate defers: the draft stays as it is and is asked about again.
    """
    action = "respond_to_reply" if draft.in_reply_to_id else "send_message"
    with hold(task):
        verdict = gate.propose(
            org=draft.org,
            action=action,
            lead=draft.lead,
            draft=draft,
            task=row_of(task),
            confidence=confidence,
            situation={"step": draft.step_number, "quality": draft.quality_score},
        )
        if verdict.allowed:
            drafts.approve_draft(draft=draft, version=draft.version)
            if draft.in_reply_to is not None:
                inbox.mark_handled(inbound=draft.in_reply_to)
        elif verdict.outcome in (Outcome.ASK, Outcome.ESCALATE):
            drafts.submit_for_approval(draft=draft, reason=because(verdict))
            _tell(draft.org, because(verdict), urgent=verdict.outcome is Outcome.ESCALATE)
        elif verdict.outcome is Outcome.DENY and not stopped(verdict):
            drafts.withdraw_drafts(lead=draft.lead, reason=because(verdict))
    if verdict.outcome is Outcome.DEFER:
        raise TaskLater(verdict.until or clock.now() + RECHECK, because(verdict))
    if stopped(verdict):
        raise TaskLater(clock.now(), because(verdict))
    return verdict.outcome


def _tell(org: Organization, reason: str, *, urgent: bool) -> None:
    """One unread note about waiting approvals is enough, and one for what is urgent."""
    notify(
        org=org,
        type="approval_needed",
        title="Something waits for your decision" if urgent else "Mails wait for your approval",
        message=reason,
        action_url=reverse("agent:approval_list"),
        priority="high" if urgent else "medium",
    )
