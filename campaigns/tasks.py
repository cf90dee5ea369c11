"""What workers are woken for. Each takes ids, and may be lost or repeated without harm (DESIGN 1.3)."""

from __future__ import annotations

from uuid import UUID

from campaigns.services import delivery, finders, ledger, outbox, polling, settling
from leadpilot.lib import clock, jobs
from leadpilot.orgs.models import Organization
from leadpilot.orgs.tenancy import org_context


def sweep() -> None:
    """Take over from dead workers, queue steps whose turn has come, wake the drains. Every 15 s."""
    for org_id in finders.orgs_with_expired_leases():
        ledger.reap(org_id=org_id)
    for org_id in finders.orgs_with_due_steps(clock.now()):
        with org_context(org_id):
            outbox.release_due(org=Organization.objects.get(pk=org_id))
    for org_id, mailbox_id in finders.due_mailboxes(clock.now()):
        jobs.wake("campaigns.tasks.drain_mailbox", org_id, mailbox_id)


def drain_mailbox(org_id: str, mailbox_id: str) -> None:
    """Send what is due from one mailbox."""
    delivery.drain(org_id=UUID(org_id), mailbox_id=UUID(mailbox_id))


def poll_inboxes() -> None:
    """Wake a reader for each mailbox that nobody reads. Every 20 s."""
    for org_id, mailbox_id in finders.mailboxes_to_poll():
        jobs.wake("campaigns.tasks.poll_mailbox", org_id, mailbox_id)


def poll_mailbox(org_id: str, mailbox_id: str) -> None:
    """Read what is new in one mailbox."""
    polling.poll(org_id=UUID(org_id), mailbox_id=UUID(mailbox_id))


def settle() -> None:
    """Wake a search of the Sent folder for each mailbox with unknown messages. Every 2 minutes."""
    for org_id, mailbox_id in finders.unsettled_mailboxes():
        jobs.wake("campaigns.tasks.settle_mailbox", org_id, mailbox_id)


def settle_mailbox(org_id: str, mailbox_id: str) -> None:
    """Look for a mailbox's unknown messages in its Sent folder."""
    settling.settle_mailbox(org_id=UUID(org_id), mailbox_id=UUID(mailbox_id))
