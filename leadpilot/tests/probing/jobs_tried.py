"""The workers' jobs, called for one organization with the ids of another's rows, or with its own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from agent import tasks as agent_tasks
from agent.models import AgentConfig
from campaigns import tasks as campaign_tasks
from campaigns.models import Campaign, Enrollment, Message
from campaigns.services import ledger, outbox
from campaigns.services.unsubscribe import make_token
from leadpilot.lib import clock
from leadpilot.orgs.tenancy import org_context
from leadpilot.tests.probing.fingerprints import fingerprint
from leadpilot.tests.probing.fixtures import Stage
from leadpilot.tests.probing.requests import undone
from leadpilot.tests.probing.world import Furnished
from leads import tasks as lead_tasks
from leads.models import LeadImport

Job = Callable[[Stage, Furnished], None]


def _release(stage: Stage, world: Furnished) -> None:
    with org_context(stage.home.org.pk):
        outbox.release_due(org=stage.home.org)


def _opt_out(stage: Stage, world: Furnished) -> None:
    token = make_token(org_id=stage.home.org.pk, lead_id=world.ids["lead"], message_id=world.ids["message"])
    stage.caller("anonymous").call("POST", f"/u/{token}/")


def _with(function: Any, kind: str) -> Job:
    return lambda stage, world: function(str(stage.home.org.pk), str(world.ids[kind]))


JOBS: dict[str, Job] = {
    "leads.tasks.run_import": _with(lead_tasks.run_import, "import"),
    "campaigns.tasks.drain_mailbox": _with(campaign_tasks.drain_mailbox, "mailbox"),
    "campaigns.tasks.poll_mailbox": _with(campaign_tasks.poll_mailbox, "mailbox"),
    "campaigns.tasks.settle_mailbox": _with(campaign_tasks.settle_mailbox, "mailbox"),
    "campaigns.services.ledger.reap": lambda stage, world: ledger.reap(org_id=stage.home.org.pk),
    "campaigns.services.outbox.release_due": _release,
    "agent.tasks.look_for_work": lambda stage, world: agent_tasks.look_for_work(stage.home.org.pk),
    "an opt-out with a token of mixed organizations": _opt_out,
}


def make_ready(world: Furnished) -> None:
    """Give the jobs something to do: mail that is due, mail whose worker died, an import under way, an agent at work."""
    late = clock.now() - timedelta(minutes=5)
    with org_context(world.org.pk):
        due = {"status": "queued", "raw": b"From: a", "scheduled_for": late}
        Message.objects.for_org(world.org).filter(pk=world.ids["message"]).update(**due)
        left = {"status": "sending", "lease_until": late, "lease_owner": "gone"}
        Message.objects.for_org(world.org).filter(pk=world.ids["unknown"]).update(**left)
        LeadImport.objects.for_org(world.org).update(status="running", started_at=late)
        Campaign.objects.for_org(world.org).update(window_start="00:00", window_end="23:59:59")
        Enrollment.objects.for_org(world.org).update(next_step_at=late)
        AgentConfig.objects.for_org(world.org).update(
            is_enabled=True, status="running", schedule_enabled=False
        )


def run_job(stage: Stage, name: str, world: Furnished) -> Any:
    """What a job came to: how many rows its organization then has in each table, and what it raised."""
    raised = ""
    with undone():
        make_ready(stage.home)
        try:
            with undone():
                JOBS[name](stage, world)
                counts = {table: count for table, (count, _) in fingerprint(stage.home.org).items()}
        except Exception as error:
            raised, counts = type(error).__name__, {}
    return raised, counts
