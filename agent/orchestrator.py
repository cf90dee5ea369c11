"""Turns the state of an organization into tasks (seed 002, section 12.6). Running it twice makes nothing twice."""

from __future__ import annotations

from uuid import UUID

from agent import bookkeeping, chronicle, schedule
from agent.models import AgentConfig
from agent.models.config import ConfigStatus
from agent.services.control import config_for
from agent.worklists import enroll_leads, find_answers, find_leads, find_replies, find_sequences
from leadpilot.lib import clock
from leadpilot.orgs.models import Organization
from leadpilot.orgs.tenancy import org_context

BATCH = 50  # of each kind a look; the next look finds the rest


def look_for_work(org_id: UUID | str) -> dict[str, int]:
    """Submit what is to be done now; returns how much of each kind.

    What came in is read and books are kept at any time; the rest only while the agent runs, in its hours.
    """
    found: dict[str, int] = {}
    with org_context(org_id):
        org = Organization.objects.get(pk=org_id)
        config = config_for(org)
        chronicle.write_down(org)
        found["drafts_settled"] = bookkeeping.settle_drafts(org)
        found["classify_reply"] = find_replies(org, BATCH)
        if not works_now(org, config):
            return found
    for name, look in _LOOKS.items():
        with org_context(org_id):
            found[name] = look(org, config, BATCH)
    return found


def works_now(org: Organization, config: AgentConfig) -> bool:
    """Whether the agent acts at this moment: running, not stopped, within its hours."""
    running = config.is_enabled and config.status == ConfigStatus.RUNNING and org.halted_at is None
    return running and schedule.is_open(config, clock.now())


_LOOKS = {
    "respond_to_reply": find_answers,
    "enroll_lead": enroll_leads,
    "generate_sequence": find_sequences,
    "enrich_lead": find_leads,
}
