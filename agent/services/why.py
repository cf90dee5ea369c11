"""Why this was sent, why the next is not, and when it will be (SPEC AG-13): read from what was recorded, never guessed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from agent.models import AgentTask, Decision, Draft, DraftStatus, TaskStatus
from campaigns import clearance
from campaigns.models import Enrollment, EnrollmentStatus, Message, MessageStatus
from leadpilot.lib import clock
from leadpilot.lib.verdict import Outcome
from leadpilot.orgs.models import Organization
from leads.models import CLOSED_STATUSES, Fact, Lead, LeadStatus
from leads.services.suppression import find_suppression

WAITING = (
    MessageStatus.HELD,
    MessageStatus.QUEUED,
    MessageStatus.CLAIMED,
    MessageStatus.SENDING,
    MessageStatus.DEFERRED,
)
LEFT = (MessageStatus.SENT, MessageStatus.UNKNOWN)


@dataclass(frozen=True)
class Sent:
    """One mail that left: who let it go, on which reasons and facts, and which bytes."""

    message: Message
    approved_by: str
    approved_at: datetime | None
    reasons: list[dict[str, Any]]
    facts: list[Fact]
    content_hash: str
    raw_hash: str


@dataclass(frozen=True)
class Next:
    """The one thing in the way of the next mail. `when` is None when nobody can know."""

    code: str
    text: str
    when: datetime | None = None


@dataclass(frozen=True)
class Why:
    """The record of one lead."""

    sent: list[Sent]
    next: Next
    decisions: list[Decision] = field(default_factory=list)


def why(lead: Lead) -> Why:
    """Everything that was done to this lead by mail, with its reasons, and what comes next. Run inside `org_context`."""
    decisions = list(
        Decision.objects.for_org(lead.org_id)
        .filter(lead=lead)
        .select_related("actor")
        .order_by("-created_at")[:50]
    )
    return Why(sent=_sent(lead), next=next_obstacle(lead), decisions=decisions)


def _sent(lead: Lead) -> list[Sent]:
    messages = (
        Message.objects.for_org(lead.org_id).filter(lead=lead, status__in=LEFT).select_related("approved_by")
    )
    found = list(messages.order_by("sent_at", "created_at"))
    drafts = {d.message_id: d for d in Draft.objects.for_org(lead.org_id).filter(message__in=found)}
    decisions: dict[UUID, Decision] = {}
    asked = Decision.objects.for_org(lead.org_id).filter(
        draft__in=drafts.values(), outcome=str(Outcome.ALLOW)
    )
    for decision in asked.order_by("created_at"):
        if decision.draft_id is not None:
            decisions[decision.draft_id] = decision
    facts = _facts(lead, drafts.values())
    return [_one_sent(m, drafts.get(m.pk), decisions, facts) for m in found]


def _facts(lead: Lead, drafts: Iterable[Draft]) -> dict[str, Fact]:
    ids = {fact for draft in drafts for fact in fact_ids(draft)}
    return {str(fact.pk): fact for fact in Fact.objects.for_org(lead.org_id).filter(pk__in=ids)}


def fact_ids(draft: Draft) -> list[str]:
    """The facts a draft's sentences rest on, in their order, each once."""
    return list(dict.fromkeys(str(f) for sentence in draft.sentences for f in sentence.get("fact_ids", [])))


def _one_sent(
    message: Message, draft: Draft | None, decisions: dict[UUID, Decision], facts: dict[str, Fact]
) -> Sent:
    decision = decisions.get(draft.pk) if draft else None
    return Sent(
        message=message,
        approved_by=message.approved_by.display_name if message.approved_by else "the gate",
        approved_at=message.approved_at,
        reasons=list(decision.reasons) if decision else [],
        facts=[facts[f] for f in fact_ids(draft) if f in facts] if draft else [],
        content_hash=message.approved_hash,
        raw_hash=message.raw_hash,
    )


def next_obstacle(lead: Lead) -> Next:
    """What the next mail to this lead waits for, the weightiest first."""
    org = Organization.objects.get(pk=lead.org_id)
    if lead.status in CLOSED_STATUSES:
        return Next(
            "lead_closed", f"{lead.name} is {lead.get_status_display().lower()}: nothing more is sent."
        )
    if entry := find_suppression(org=org, email=lead.email):
        return Next("suppressed", f"{entry.value} is on the suppression list: nothing more is sent.")
    enrollment = (
        Enrollment.objects.for_org(org)
        .filter(lead=lead)
        .select_related("campaign")
        .order_by("-enrolled_at")
        .first()
    )
    return _of_message(lead) or _of_answer(lead) or _of_enrollment(lead, enrollment) or _before(lead, org)


def _of_message(lead: Lead) -> Next | None:
    waiting = Message.objects.for_org(lead.org_id).filter(lead=lead, status__in=WAITING)
    message = waiting.order_by("email_sequence", "created_at").first()
    if message is None:
        return None
    now = clock.now()
    verdict = clearance.clear(message, now)
    if not verdict.allowed and verdict.reasons:
        return Next(verdict.reasons[0].code, verdict.reasons[0].text, verdict.until or _planned(message))
    due = _planned(message)
    if due is not None and due > now:
        reason = message.enrollment.next_reason if message.enrollment else ""
        return Next("scheduled", reason or "It is approved and waits for its time.", due)
    return Next("leaving", "It is approved and leaves in a moment.", now)


def _planned(message: Message) -> datetime | None:
    return message.scheduled_for or (message.enrollment.next_step_at if message.enrollment else None)


def _of_answer(lead: Lead) -> Next | None:
    waiting = Draft.objects.for_org(lead.org_id).filter(
        lead=lead, status=DraftStatus.PENDING_APPROVAL, in_reply_to__isnull=False
    )
    return _approval(waiting.first())


def _approval(draft: Draft | None) -> Next | None:
    if draft is None:
        return None
    what = "The answer" if draft.in_reply_to_id else f"Step {draft.step_number}"
    return Next(
        "approval", f"{what} waits for a person's approval since {draft.created_at:%d %B, %H:%M} UTC."
    )


def _of_enrollment(lead: Lead, enrollment: Enrollment | None) -> Next | None:
    if enrollment is None:
        return None
    if enrollment.status == EnrollmentStatus.STOPPED:
        text = enrollment.stop_note or enrollment.get_stop_reason_display()
        return Next(f"stopped_{enrollment.stop_reason}", f"The sequence was stopped: {text}")
    if enrollment.status == EnrollmentStatus.COMPLETED:
        return Next("completed", f"The sequence is complete. {enrollment.next_reason}".strip())
    if enrollment.status == EnrollmentStatus.PAUSED:
        return Next("paused", enrollment.next_reason or "The sequence is paused.", enrollment.next_step_at)
    drafts = Draft.objects.for_org(lead.org_id).filter(
        enrollment=enrollment, step_number__gte=enrollment.next_step
    )
    first = drafts.filter(status=DraftStatus.PENDING_APPROVAL).order_by("step_number").first()
    return (
        _approval(first)
        or _of_task(lead)
        or _halted(enrollment)
        or Next("writing", "Its mails are not written yet.")
    )


def _halted(enrollment: Enrollment) -> Next | None:
    if enrollment.org.halted_at is None:
        return None
    return Next("halted", "Everything is stopped; press Start to go on.")


def _of_task(lead: Lead) -> Next | None:
    open_statuses = [TaskStatus.PENDING, TaskStatus.RUNNING, TaskStatus.AWAITING_APPROVAL]
    task = (
        AgentTask.objects.for_org(lead.org_id)
        .filter(lead=lead, status__in=open_statuses)
        .order_by("created_at")
        .first()
    )
    if task is None:
        return None
    what = task.get_task_type_display()
    if task.status == TaskStatus.RUNNING:
        return Next("working", f"{what}: under way.")
    if task.status == TaskStatus.AWAITING_APPROVAL:
        return Next("task_approval", f"{what}: waits for a person. {task.error_message}".strip())
    when = task.scheduled_for if task.scheduled_for > clock.now() else None
    return Next("queued", f"{what}: in the queue. {task.error_message}".strip(), when)


def _before(lead: Lead, org: Organization) -> Next:
    if lead.status == LeadStatus.SKIPPED and _of_task(lead) is None:
        return Next("skipped", lead.skip_reason or "The lead was skipped.")
    if org.halted_at is not None:
        return Next("halted", "Everything is stopped; press Start to go on.")
    if task := _of_task(lead):
        return task
    refused = Decision.objects.for_org(org).filter(lead=lead).order_by("-created_at").first()
    if refused is not None and refused.outcome != str(Outcome.ALLOW):
        texts = [reason["text"] for reason in refused.reasons if reason.get("outcome") == refused.outcome]
        return Next(refused.action, " ".join(texts), refused.until)
    if lead.status in (LeadStatus.NEW, LeadStatus.RESEARCHING):
        return Next("research", "The lead is not researched yet.")
    if lead.status in (LeadStatus.REPLIED, LeadStatus.MEETING):
        return Next("answered", f"{lead.name} answered; the conversation is in the inbox.")
    return Next("not_enrolled", "The lead is in no campaign.")
