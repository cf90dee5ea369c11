"""Write the mails of an enrolled lead and put each to the gate."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from agent import gate
from agent.bookkeeping import STEP_REMOVED
from agent.engine import ClaimedTask, handles, hold
from agent.handlers.common import may, row_of
from agent.handlers.rewrite_draft import rewrite
from agent.handlers.settle_draft import settle_draft
from agent.llm import metered
from agent.models import Draft, DraftStatus, LogType, TaskType
from agent.services import drafts
from agent.services.log import log
from agent.services.usage import record_usage
from agent.writers import Brief, Written, brief_for, write_sequence, writer_name
from agent.writers.offline import MAX_SUBJECT, clip
from campaigns.models import CampaignStatus, Enrollment, EnrollmentStatus
from campaigns.services import enrollment as enrollments


def writing_failed(task: ClaimedTask, message: str) -> None:
    """The writing was given up: the sequence is paused and says why."""
    enrollment = _enrollment(task)
    if enrollment is not None and not task.input_data.get(
        "draft"
    ):  # one that is rewritten is there as it was
        enrollments.pause(enrollment=enrollment, reason=f"The mails could not be written: {message}")


@handles(TaskType.GENERATE_SEQUENCE, gave_up=writing_failed)
def generate_sequence(task: ClaimedTask) -> dict[str, Any]:
    """Drafts for every step that has none, each approved by the gate or waiting for a person.

    With `{"draft": …}` that one draft is written again (`agent.services.rewriting`).
    """
    if task.input_data.get("draft"):
        return rewrite(task)
    with hold(task):
        enrollment = _enrollment(task)
        if enrollment is None:
            return {"skipped": "The lead is in no active campaign any more."}
        brief = _brief_of_missing(enrollment)
        if brief.steps:
            verdict = gate.propose(
                org=enrollment.org, action="write_sequence", lead=enrollment.lead, task=row_of(task)
            )
    if brief.steps:
        if not may(verdict):
            return {"denied": [reason.text for reason in verdict.reasons]}
        with metered() as spent:
            written = write_sequence(brief)
        with hold(task):
            record_usage(org_id=task.org_id, lead_id=task.lead_id, spent=spent)
            made = drafts.create_sequence(
                org=enrollment.org,
                enrollment=enrollment,
                written=_as_follow_ups(written, enrollment),
                task=row_of(task),
            )
            _log(task, enrollment, made, written.model, written.notes)
    return {"drafts": _settle(task, enrollment)}


def _enrollment(task: ClaimedTask) -> Enrollment | None:
    if task.lead_id is None or task.campaign_id is None:
        return None
    return (
        Enrollment.objects.for_org(task.org_id)
        .filter(lead_id=task.lead_id, campaign_id=task.campaign_id, status=EnrollmentStatus.ACTIVE)
        .filter(campaign__status=CampaignStatus.ACTIVE)
        .select_related("org", "lead__company_profile", "campaign", "mailbox")
        .first()
    )


def _brief_of_missing(enrollment: Enrollment) -> Brief:
    """The brief of the steps of which no draft was ever made: all at first, later those that were added."""
    made = _drafts(enrollment).exclude(withdrawn_reason=STEP_REMOVED)
    written = set(made.values_list("step_number", flat=True))
    brief = brief_for(enrollment)
    missing = (s for s in brief.steps if s.number not in written and s.number >= enrollment.next_step)
    return replace(brief, steps=tuple(missing))


def _as_follow_ups(written: Written, enrollment: Enrollment) -> Written:
    """Mails that are written later keep the thread's subject."""
    first = _drafts(enrollment).filter(step_number=1).order_by("-created_at").first()
    if first is None:
        return written
    subject = clip(f"Re: {first.subject}", MAX_SUBJECT)
    return replace(
        written,
        mails=tuple(replace(m, subject=subject) if m.step > 1 else m for m in written.mails),
    )


def _drafts(enrollment: Enrollment) -> Any:
    return Draft.objects.for_org(enrollment.org_id).filter(enrollment=enrollment)


def _settle(task: ClaimedTask, enrollment: Enrollment) -> dict[str, str]:
    with hold(task):
        fresh = list(_drafts(enrollment).filter(status=DraftStatus.DRAFT).order_by("step_number"))
    outcomes = {}
    for draft in fresh:
        sure = None if draft.quality_score is None else draft.quality_score / 5
        outcomes[f"step {draft.step_number}"] = str(settle_draft(task, draft, confidence=sure))
    return outcomes


def _log(
    task: ClaimedTask, enrollment: Enrollment, made: list[Draft], model: str, notes: tuple[str, ...]
) -> None:
    doubtful = sum(draft.has_unsupported for draft in made)
    told = f"{doubtful} with a sentence that nothing supports. " if doubtful else ""
    log(
        org=task.org_id,
        log_type=LogType.ACTION,
        action_type="write_sequence",
        agent=task.agent_id,
        task=task.id,
        lead=enrollment.lead,
        message=f"Wrote {len(made)} mails for {enrollment.lead.name}.",
        reasoning=f"Written by {writer_name(model)}. {told}{' '.join(notes)}".strip(),
        details={"drafts": [str(draft.pk) for draft in made], "campaign": str(enrollment.campaign_id)},
    )
