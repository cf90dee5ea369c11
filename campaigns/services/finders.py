"""Who has work, over all organizations: database functions that return ids and nothing else."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import connection


def _rows(query: str, *params: datetime) -> list[tuple[UUID, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, list(params))
        return list(cursor.fetchall())


def due_mailboxes(now: datetime) -> list[tuple[UUID, ...]]:
    """(organization, mailbox) pairs with a message that may be due."""
    return _rows("SELECT org_id, mailbox_id FROM campaigns_due_mailboxes(%s)", now)


def orgs_with_due_steps(now: datetime) -> list[UUID]:
    """Organizations with an approved message whose step's turn has come."""
    return [row[0] for row in _rows("SELECT org_id FROM campaigns_due_enrollments(%s)", now)]


def orgs_with_expired_leases() -> list[UUID]:
    """Organizations with a message whose worker is gone."""
    return [row[0] for row in _rows("SELECT org_id FROM campaigns_expired_leases()")]


def mailboxes_to_poll() -> list[tuple[UUID, ...]]:
    """(organization, mailbox) pairs that nobody is reading."""
    return _rows("SELECT org_id, mailbox_id FROM campaigns_mailboxes_to_poll()")


def unsettled_mailboxes() -> list[tuple[UUID, ...]]:
    """(organization, mailbox) pairs with an unknown message that the Sent folder may prove."""
    return _rows("SELECT org_id, mailbox_id FROM campaigns_unsettled_mailboxes()")
