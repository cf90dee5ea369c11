"""What workers are woken for. Each takes ids, and may be lost or repeated without harm (DESIGN 1.3)."""

from __future__ import annotations

from uuid import UUID

from django.db import connection

from leadpilot.lib import jobs
from leadpilot.ops import comparing


def compare_sent() -> None:
    """Wake a comparison for each mailbox that a restore locked and nobody tried in the last five minutes."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT org_id, mailbox_id FROM ops_unchecked_mailboxes()")
        found = cursor.fetchall()
    for org_id, mailbox_id in found:
        jobs.wake("leadpilot.ops.tasks.compare_mailbox", org_id, mailbox_id)


def compare_mailbox(org_id: str, mailbox_id: str) -> None:
    """Compare one mailbox's Sent folder with the restored rows."""
    comparing.compare(org_id=UUID(org_id), mailbox_id=UUID(mailbox_id))
