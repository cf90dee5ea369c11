"""Start, Stop and the settings of an organization's agent (seed 002, sections 12.3 and 12.10)."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from agent import limits
from agent.config_fields import SECRETS, clean
from agent.models import Agent, AgentConfig, AgentType, LogType
from agent.models.config import ConfigStatus
from agent.services.log import log
from campaigns.services import quota
from leadpilot.lib import clock, jobs
from leadpilot.orgs import services as orgs
from leadpilot.orgs.models import Organization, User

# What each of the crew does today; the others come later.
CAPABILITIES: dict[str, list[str]] = {
    AgentType.SCOUT: [],
    AgentType.RESEARCH: ["research_company", "research_person", "extract_facts", "score_lead"],
    AgentType.OUTREACH: ["write_sequence", "write_answer", "check_claims"],
    AgentType.SENDER: ["schedule_send", "respect_caps", "send_email"],
    AgentType.READER: ["classify_reply", "detect_opt_out", "detect_bounce"],
    AgentType.FOLLOWUP: ["resume_after_absence"],
    AgentType.BOOKER: [],
    AgentType.PLANNING: [],
    AgentType.LEARNER: [],
}


@transaction.atomic
def config_for(org: Organization) -> AgentConfig:
    """The organization's settings; made at the first use, with the crew."""
    config, made = AgentConfig.objects.get_or_create(
        org=org, defaults={"schedule_timezone": org.time_zone or "UTC"}
    )
    if made:
        crew = [
            Agent(org=org, agent_type=kind, name=kind.label, capabilities=CAPABILITIES[kind])
            for kind in AgentType
        ]
        Agent.objects.bulk_create(crew, ignore_conflicts=True)
    return config


def crew_of(org: Organization) -> list[Agent]:
    """The crew with what each does today, whatever was promised when their rows were made."""
    crew = list(Agent.objects.for_org(org).order_by("created_at", "id"))
    for member in crew:
        member.capabilities = CAPABILITIES[member.agent_type]
    return sorted(crew, key=lambda member: not member.capabilities)


@transaction.atomic
def start(*, org: Organization, by: User | None) -> AgentConfig:
    """Lift the kill switch and let the agent work; a worker looks for work at once. Starting twice changes nothing."""
    config = config_for(org)
    orgs.resume(org=org, by=by)
    changed = (
        AgentConfig.objects.for_org(org)
        .exclude(is_enabled=True, status=ConfigStatus.RUNNING)
        .update(is_enabled=True, status=ConfigStatus.RUNNING, status_reason="")
    )
    if changed:
        who = by.display_name if by else "The command line"
        log(
            org=org,
            log_type=LogType.ACTION,
            action_type="agent.started",
            actor=by,
            message=f"{who} started the agent.",
        )
    jobs.wake("agent.tasks.look_for_work", org.pk)
    jobs.wake("agent.tasks.drain", org.pk)
    config.refresh_from_db()
    return config


@transaction.atomic
def stop(*, org: Organization, by: User | None, reason: str = "") -> AgentConfig:
    """The kill switch: from the commit on no task is claimed, no running one takes its outward step, no message
    leaves. Stopping twice changes nothing."""
    config = config_for(org)
    orgs.halt(org=org, by=by, reason=reason)
    who = by.display_name if by else "LeadPilot"
    why = reason.strip() or f"{who} pressed Stop."
    changed = (
        AgentConfig.objects.for_org(org)
        .exclude(status=ConfigStatus.PAUSED)
        .update(status=ConfigStatus.PAUSED, status_reason=why)
    )
    if changed:
        message = f"{who} stopped the agent."
        log(
            org=org,
            log_type=LogType.ACTION,
            action_type="agent.stopped",
            actor=by,
            message=message,
            reasoning=reason,
        )
    config.refresh_from_db()
    return config


@transaction.atomic
def update_config(*, org: Organization, by: User | None, **fields: Any) -> AgentConfig:
    """Change the named settings and record which. Raises DomainError naming the first field that cannot be taken.

    `is_enabled`, `status` and `status_reason` belong to `start` and `stop`.
    """
    config_for(org)
    config: AgentConfig = AgentConfig.objects.for_org(org).select_for_update().get()
    changed = {name: value for name, value in clean(config, fields).items() if _value(config, name) != value}
    for name, value in changed.items():
        if name in SECRETS:
            config.write_secret(name, value)
        else:
            setattr(config, name, value)
    if changed:
        config.save(update_fields=[*changed, "updated_at"])
        if "max_messages_per_day" in changed:
            today = limits.messages_per_day(org, config, clock.now())
            quota.set_cap(org_id=org.pk, name=limits.MESSAGES_CAP, period=today.period, cap=today.limit)
        orgs.record(
            org=org,
            actor=by,
            action="agent.configured",
            message=f"Agent settings changed: {', '.join(sorted(changed))}.",
            subject=config,
            values={name: str(value) for name, value in changed.items() if name not in SECRETS},
        )
    return config


def _value(config: AgentConfig, name: str) -> Any:
    return config.read_secret(name) if name in SECRETS else getattr(config, name)
