"""What the agent adds to the floors below it at start-up, which know nothing of it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from agent import checks, corrections, diary, engine, gate, limits
from agent.models import AgentConfig, TaskType
from agent.models.config import ConfigStatus
from agent.status import agent_status, unread_threads, waiting_for_approval
from campaigns import clearance
from campaigns.models import InboundMessage, Message
from campaigns.services import inbound, quota
from leadpilot.lib import verdict as verdicts
from leadpilot.lib.verdict import Verdict
from leadpilot.orgs.context import register_counter
from leadpilot.orgs.navigation import register_agent_status
from leads.queries import register_timeline


def connect() -> None:
    """Register everything; doing it again changes nothing."""
    for check in checks.ALL:
        gate.register_check(check)
    clearance.register_check(agent_stopped, load=settings_of)
    quota.register_cap(limits.MESSAGES_CAP, messages_cap)
    register_counter("approvals", waiting_for_approval)
    register_counter("inbox", unread_threads)
    register_agent_status(agent_status)
    inbound.on_received(read_soon)
    inbound.on_corrected(corrections.follow)
    for source in (diary.logs, diary.decisions):
        register_timeline(source)


def read_soon(found: InboundMessage) -> None:
    """A mail that nobody has classified is read as soon as its transaction commits."""
    if not found.classification and found.lead_id is not None:
        engine.submit(
            org=found.org_id,
            task_type=TaskType.CLASSIFY_REPLY,
            lead=found.lead_id,
            inbox_message=found.pk,
            dedupe_key=f"classify:{found.pk}",
            priority=20,
        )


def settings_of(org_id: UUID) -> AgentConfig | None:
    """The agent's settings, as far as they say whether it runs."""
    found: AgentConfig | None = AgentConfig.objects.for_org(org_id).only("status", "is_enabled").first()
    return found


def agent_stopped(message: Message, now: datetime, config: AgentConfig | None) -> Verdict | None:
    """Nothing leaves while the agent is stopped, and nothing of its own approving while it does not run."""
    if config is None or (config.is_enabled and config.status == ConfigStatus.RUNNING):
        return None
    if config.status == ConfigStatus.PAUSED:
        return verdicts.defer(None, "agent_stopped", "The agent is stopped; press Start to go on.")
    if message.approved_by_id is None:
        return verdicts.defer(
            None, "agent_stopped", "The agent is not running, and no person approved this mail."
        )
    return None


def messages_cap(org_id: UUID) -> int | None:
    """`max_messages_per_day` of the agent's settings."""
    found = AgentConfig.objects.for_org(org_id).values_list("max_messages_per_day", flat=True).first()
    return None if found is None else int(found)
