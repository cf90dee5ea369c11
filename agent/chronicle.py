"""What happened with mails, in the agent's diary: read from the rows that remember it, so that no line is lost or doubled.

A mail that leaves waits for nothing here: its event is written with it, and the diary follows within seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from django.db.models import Exists, OuterRef

from agent.models import Agent, AgentLog, AgentType, LogType
from campaigns.models import MessageEvent
from leadpilot.lib import clock
from leadpilot.orgs.models import AuditEntry, Organization

AT_ONCE = 500
LOOK_BACK = timedelta(days=7)  # of the audit log, which has no index by action
LATE = 600_000 << 80  # ten minutes in the time of an id: what was begun earlier may be committed later
K = MessageEvent.Kind
# Kind of event → kind of line, who of the crew it concerns, and the sentence.
SAID = {
    K.SENT: (LogType.ACTION, AgentType.SENDER, "Sent “{subject}” to {to}."),
    K.REFUSED: (LogType.OBSERVATION, AgentType.SENDER, "The receiving server refused “{subject}” to {to}."),
    K.UNKNOWN: (
        LogType.ERROR,
        AgentType.SENDER,
        "Whether “{subject}” reached {to} is not known; it is not sent again.",
    ),
    K.BOUNCED: (LogType.OBSERVATION, AgentType.READER, "“{subject}” to {to} bounced."),
    K.COMPLAINED: (LogType.OBSERVATION, AgentType.READER, "{to} complained about “{subject}”."),
    K.UNSUBSCRIBED: (LogType.OBSERVATION, AgentType.READER, "{to} opted out of further mails."),
}
PAUSED = ("mailbox.stopped", "mailbox.paused", "mailbox.resumed")  # in the audit log
ACTION = "mail."  # what `action_type` of these lines begins with


def write_down(org: Organization) -> int:
    """Add the lines that are not there yet, oldest first; returns how many. A line has the id of what it tells of."""
    crew: dict[str, UUID] = dict(Agent.objects.for_org(org).values_list("agent_type", "pk"))
    lines = [*_of_events(org, crew), *_of_pauses(org, crew)]
    AgentLog.objects.bulk_create(lines, ignore_conflicts=True, batch_size=AT_ONCE)
    return len(lines)


def _of_events(org: Organization, crew: dict[str, UUID]) -> Iterable[AgentLog]:
    told = AgentLog.objects.filter(org_id=OuterRef("org_id"), pk=OuterRef("pk"))
    events = (
        MessageEvent.objects.for_org(org)
        .filter(pk__gte=_since(org), kind__in=list(SAID))
        .exclude(Exists(told))
        .select_related("message")
        .order_by("pk")[:AT_ONCE]
    )
    for event in events:
        log_type, who, sentence = SAID[K(event.kind)]
        message = event.message
        yield AgentLog(
            id=event.pk,
            org_id=event.org_id,
            agent_id=crew.get(who),
            lead_id=message.lead_id,
            log_type=log_type,
            action_type=f"{ACTION}{event.kind}",
            message=sentence.format(subject=message.subject, to=message.to_email),
            reasoning=str(
                event.data.get("said") or event.data.get("proof") or event.data.get("origin") or ""
            ),
            details={"message": str(message.pk)},
            created_at=event.happened_at,
        )


def _since(org: Organization) -> UUID:
    """From where on events may not be told yet: a little before the newest that is."""
    lines = AgentLog.objects.for_org(org).filter(action_type__startswith=ACTION)
    newest = lines.order_by("-created_at").values_list("pk", flat=True).first()
    return UUID(int=max(0, newest.int - LATE)) if newest else UUID(int=0)


def _of_pauses(org: Organization, crew: dict[str, UUID]) -> Iterable[AgentLog]:
    told = AgentLog.objects.filter(org_id=OuterRef("org_id"), pk=OuterRef("pk"))
    recent = AuditEntry.objects.for_org(org).filter(created_at__gte=clock.now() - LOOK_BACK)
    pauses = recent.filter(action__in=PAUSED).exclude(Exists(told))
    for pause in pauses.order_by("pk")[:AT_ONCE]:
        stopped = pause.action == "mailbox.stopped"
        yield AgentLog(
            id=pause.pk,
            org_id=pause.org_id,
            agent_id=crew.get(AgentType.SENDER) if stopped else None,
            actor_id=pause.actor_id,
            log_type=LogType.ERROR if stopped else LogType.ACTION,
            action_type=pause.action,
            message=pause.message,
            reasoning=str(pause.details.get("said") or ""),
            created_at=pause.created_at,
        )
