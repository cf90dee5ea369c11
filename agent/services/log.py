"""The agent's diary: written once, never changed (a database trigger sees to it)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Q

from agent.models import Agent, AgentLog
from leadpilot.lib import clock

SEEN = timedelta(seconds=10)


def log(
    *,
    org: Any,
    log_type: str,
    message: str,
    action_type: str = "",
    agent: Any = None,
    task: Any = None,
    lead: Any = None,
    actor: Any = None,
    details: dict[str, Any] | None = None,
    reasoning: str = "",
    confidence: float | None = None,
) -> AgentLog:
    """Write one line inside the organization in force. Related rows may be given as objects or ids.

    When one of the crew did it, it was active just now.
    """
    now = clock.now()
    entry = AgentLog.objects.create(
        org_id=_id(org),
        log_type=log_type,
        action_type=action_type,
        agent_id=_id(agent),
        task_id=_id(task),
        lead_id=_id(lead),
        actor_id=_id(actor),
        message=message,
        details=details or {},
        reasoning=reasoning,
        confidence=confidence,
    )
    if agent is not None:
        long_ago = Q(last_active_at=None) | Q(last_active_at__lt=now - SEEN)
        Agent.objects.for_org(org).filter(long_ago, pk=_id(agent)).update(last_active_at=now)
    return entry


def _id(thing: Any) -> Any:
    return getattr(thing, "pk", thing)
