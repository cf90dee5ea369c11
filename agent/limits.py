"""The agent's own limits (seed 002, section 12.3), exact under concurrency by campaigns' counters."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.conf import settings

from agent.models import AgentConfig
from campaigns.services import quota
from campaigns.windows import local_day, next_midnight, zone_of
from leadpilot.orgs.models import Organization

MESSAGES_CAP = "max_messages_per_day"
COUNTED_AS_ACTION = frozenset({"research_lead", "respond_to_reply", "book_meeting"})


@dataclass(frozen=True)
class Limit:
    """A counter with its place in time: how much is used, how much there may be, and when it starts anew."""

    code: str
    text: str
    scope: str
    period: str
    limit: int
    renewed_at: datetime

    def used(self, org_id: UUID) -> int:
        """How many places are taken."""
        return quota.used(org_id=org_id, scope=self.scope, period=self.period)

    def take(self, org_id: UUID) -> bool:
        """Take one place, if there is one."""
        return quota.reserve(org_id=org_id, scope=self.scope, period=self.period, limit=self.limit)

    def give_back(self, org_id: UUID) -> None:
        """Return a place that was not needed."""
        quota.give_back(org_id=org_id, taken=[[self.scope, self.period]])


def leads_per_day(org: Organization, config: AgentConfig, now: datetime) -> Limit:
    """`max_leads_per_day`, on the organization's local day."""
    return _daily("leads_per_day", "leads today", "leads", config.max_leads_per_day, org, now)


def messages_per_day(org: Organization, config: AgentConfig, now: datetime) -> Limit:
    """`max_messages_per_day`; the clearance counts it when a message leaves."""
    scope = f"cap:{MESSAGES_CAP}"
    return _daily("messages_per_day", "messages today", scope, config.max_messages_per_day, org, now)


def actions_per_hour(config: AgentConfig, now: datetime) -> Limit:
    """`max_actions_per_hour`, by the clock's hours: leads researched, answers sent and meetings booked by itself."""
    hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    renewed = hour + timedelta(hours=1)
    limit = config.max_actions_per_hour
    return Limit("actions_per_hour", "actions this hour", "actions", f"{hour:%Y-%m-%dT%H}", limit, renewed)


def research_per_minute(now: datetime) -> Limit:
    """MAX_RESEARCH_PER_MINUTE (seed 000, section 7.2), an organization."""
    minute = now.astimezone(UTC).replace(second=0, microsecond=0)
    limit, renewed = settings.MAX_RESEARCH_PER_MINUTE, minute + timedelta(minutes=1)
    return Limit(
        "research_per_minute", "leads this minute", "research", f"{minute:%y%m%dT%H%M}", limit, renewed
    )


def room_for_research(org: Organization, config: AgentConfig, now: datetime) -> int:
    """How many leads may still be begun now by every limit that counts them."""
    counting = (leads_per_day(org, config, now), actions_per_hour(config, now), research_per_minute(now))
    return max(0, min(limit.limit - limit.used(org.pk) for limit in counting))


def _daily(code: str, text: str, scope: str, limit: int, org: Organization, now: datetime) -> Limit:
    zone = zone_of(org.time_zone)
    return Limit(code, text, scope, local_day(now, zone), limit, next_midnight(now, zone))
