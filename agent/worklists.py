"""What there is to do in an organization, kind by kind. Each function runs inside `org_context` and makes tasks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from agent import enrolling, gate, limits
from agent.bookkeeping import STEP_REMOVED
from agent.engine import submit_many
from agent.engine.queue import OPEN_STATUSES
from agent.models import (
    AgentConfig,
    AgentLog,
    AgentTask,
    Decision,
    Draft,
    DraftStatus,
    LogType,
    TaskStatus,
    TaskType,
)
from agent.services.log import log
from campaigns.models import (
    Campaign,
    CampaignStatus,
    Classification,
    Enrollment,
    EnrollmentStatus,
    InboundMessage,
    SequenceStep,
)
from campaigns.services import enrollment as enrollments
from leadpilot.lib import clock
from leadpilot.lib.errors import Conflict, DomainError
from leadpilot.lib.verdict import Outcome
from leadpilot.orgs.models import Organization
from leads.models import CLOSED_STATUSES, Lead, LeadStatus

ANSWERABLE = (Classification.INTERESTED, Classification.QUESTION, Classification.OBJECTION)
ASK_AGAIN = timedelta(hours=1)  # a lead the gate refused is not asked about again before


def _tasks(kind: TaskType, **related: Any) -> Exists:
    """Tasks of a kind about the row in question."""
    return Exists(AgentTask.objects.filter(org_id=OuterRef("org_id"), task_type=kind, **related))


def find_replies(org: Organization, most: int) -> int:
    """Answers that nobody has read."""
    unread = (
        InboundMessage.objects.for_org(org)
        .filter(classification="", lead__isnull=False)
        .exclude(_tasks(TaskType.CLASSIFY_REPLY, inbox_message=OuterRef("pk"), status__in=OPEN_STATUSES))
        .order_by("created_at")[:most]
    )
    return _submit(org, [_reply_task(TaskType.CLASSIFY_REPLY, "classify", each) for each in unread])


def find_answers(org: Organization, config: AgentConfig, most: int) -> int:
    """Replies to answer whose answer was never begun; one that was given up is left to a person."""
    drafts = Draft.objects.filter(org_id=OuterRef("org_id"), in_reply_to=OuterRef("pk"))
    waiting = (
        InboundMessage.objects.for_org(org)
        .filter(classification__in=ANSWERABLE, handled_at=None, is_automatic=False, lead__isnull=False)
        .filter(confidence__gte=config.minimum_confidence)
        .exclude(lead__status__in=CLOSED_STATUSES)
        .exclude(Exists(drafts))
        .exclude(_tasks(TaskType.RESPOND_TO_REPLY, inbox_message=OuterRef("pk")))
        .order_by("received_at")[:most]
    )
    return _submit(org, [_reply_task(TaskType.RESPOND_TO_REPLY, "respond", each) for each in waiting])


def _reply_task(kind: TaskType, word: str, inbound: InboundMessage) -> AgentTask:
    return AgentTask(
        org_id=inbound.org_id,
        task_type=kind,
        lead_id=inbound.lead_id,
        inbox_message_id=inbound.pk,
        dedupe_key=f"{word}:{inbound.pk}",
        priority=20,
    )


def find_leads(org: Organization, config: AgentConfig, most: int) -> int:
    """Leads to research, oldest first, as many as the limits still have room for."""
    under_way = AgentTask.objects.for_org(org).filter(
        task_type=TaskType.ENRICH_LEAD, status__in=OPEN_STATUSES
    )
    room = min(most, limits.room_for_research(org, config, clock.now()) - under_way.count())
    if room <= 0:
        return 0
    mine = _tasks(TaskType.ENRICH_LEAD, lead=OuterRef("pk"), status__in=OPEN_STATUSES)
    left_behind = Lead.objects.for_org(org).filter(status=LeadStatus.RESEARCHING).exclude(mine)
    fresh = Lead.objects.for_org(org).filter(status=LeadStatus.NEW).exclude(mine)
    leads = list(left_behind.order_by("created_at")[:room])
    leads += fresh.order_by("created_at")[
        : room - len(leads)
    ]  # two queries: each goes along the index of its status
    tasks = [
        AgentTask(
            org_id=org.pk,
            task_type=TaskType.ENRICH_LEAD,
            lead_id=lead.pk,
            dedupe_key=f"enrich:{lead.pk}",
            priority=0,
        )
        for lead in leads
    ]
    return _submit(org, tasks)


def enroll_leads(org: Organization, config: AgentConfig, most: int) -> int:
    """Put researched leads into the campaign that takes them by itself, or ask a person where the settings say so;
    returns how many were enrolled."""
    campaign = (
        Campaign.objects.for_org(org)
        .filter(status=CampaignStatus.ACTIVE, enroll_automatically=True)
        .order_by("started_at", "created_at")
        .first()
    )
    if campaign is None:
        return 0
    if "enroll_lead" in config.require_approval_for:
        most = min(most, enrolling.room(org))
    enrolled = 0
    for lead in _to_enroll(org, campaign)[:most]:
        verdict = gate.propose(org=org, action="enroll_lead", lead=lead, situation=_where(campaign))
        if verdict.outcome is Outcome.ASK:
            enrolling.ask(campaign=campaign, lead=lead, verdict=verdict)
        if not verdict.allowed:
            continue
        try:
            enrollments.enroll(campaign=campaign, lead=lead)
        except Conflict:
            continue
        except DomainError as error:
            _could_not_enroll(org, campaign, str(error))
            break
        enrolled += 1
    return enrolled


def _where(campaign: Campaign) -> dict[str, str]:
    return {"campaign": str(campaign.pk), "campaign_name": campaign.name}


def _to_enroll(org: Organization, campaign: Campaign) -> QuerySet[Lead]:
    refused = Decision.objects.filter(
        org_id=OuterRef("org_id"),
        lead=OuterRef("pk"),
        action="enroll_lead",
        created_at__gt=clock.now() - ASK_AGAIN,
    ).exclude(outcome=str(Outcome.ALLOW))
    ever = Enrollment.objects.filter(org_id=OuterRef("org_id"), lead=OuterRef("pk"))
    asked = AgentTask.objects.filter(
        org_id=OuterRef("org_id"), lead=OuterRef("pk"), campaign=campaign, **enrolling.QUESTION
    )
    researched = Lead.objects.for_org(org).filter(status=LeadStatus.RESEARCHED)
    return (
        researched.exclude(Exists(ever))
        .exclude(Exists(refused))
        .exclude(Exists(asked))
        .select_related("org")
        .order_by("-score", "created_at")
    )


def _could_not_enroll(org: Organization, campaign: Campaign, message: str) -> None:
    """Say it once, not every fifteen seconds."""
    said = AgentLog.objects.for_org(org).filter(action_type="enroll_lead", message=message)
    if not said.filter(created_at__gt=clock.now() - ASK_AGAIN).exists():
        log(
            org=org,
            log_type=LogType.ERROR,
            action_type="enroll_lead",
            message=message,
            details=_where(campaign),
        )


def find_sequences(org: Organization, config: AgentConfig, most: int) -> int:
    """Enrolled leads whose mails are not written, or written and not yet put to the gate, or who lack a step that
    was added later."""
    drafts = Draft.objects.filter(org_id=OuterRef("org_id"), enrollment=OuterRef("pk"))
    open_task = _tasks(
        TaskType.GENERATE_SEQUENCE,
        input_data__draft__isnull=True,
        input_data__enroll__isnull=True,
        lead=OuterRef("lead"),
        campaign=OuterRef("campaign"),
        status__in=[*OPEN_STATUSES, TaskStatus.CANCELLED],
    )
    waiting = (
        Enrollment.objects.for_org(org)
        .filter(status=EnrollmentStatus.ACTIVE, campaign__status=CampaignStatus.ACTIVE)
        .exclude(lead__status__in=[LeadStatus.NEW, LeadStatus.RESEARCHING, *CLOSED_STATUSES])
        .filter(~Exists(drafts.exclude(status=DraftStatus.DRAFT)) | Exists(_step_not_written()))
        .exclude(open_task)
        .order_by("enrolled_at")[:most]
    )
    tasks = [
        AgentTask(
            org_id=org.pk,
            task_type=TaskType.GENERATE_SEQUENCE,
            lead_id=enrollment.lead_id,
            campaign_id=enrollment.campaign_id,
            dedupe_key=f"write:{enrollment.pk}",
            priority=10,
        )
        for enrollment in waiting
    ]
    return _submit(org, tasks)


def _step_not_written() -> QuerySet[SequenceStep]:
    """Steps an enrolment has before it of which no draft was ever made."""
    written = Draft.objects.filter(
        org_id=OuterRef("org_id"), enrollment=OuterRef(OuterRef("pk")), step_number=OuterRef("number")
    ).exclude(withdrawn_reason=STEP_REMOVED)
    return SequenceStep.objects.filter(
        org_id=OuterRef("org_id"),
        campaign=OuterRef("campaign"),
        channel="email",
        number__gte=OuterRef("next_step"),
    ).exclude(Exists(written))


def _submit(org: Organization, tasks: list[AgentTask]) -> int:
    submit_many(org=org, tasks=tasks)
    return len(tasks)
