"""The figures of `/metrics`: what the database's function counts over all organizations, under their names.

The function (`ops/migrations/0001_counts.py`) returns numbers alone: a family, a place in that family's list, an amount.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import connection
from prometheus_client.core import GaugeMetricFamily

NEVER = float("inf")  # so that an alert on "older than a minute" strikes, too


@dataclass(frozen=True)
class Family:
    """One metric; `kinds` are the values of its label, in the order of the function's lists."""

    name: str
    help: str
    label: str = ""
    kinds: tuple[str, ...] = ()
    missing: float = 0.0


FAMILIES: dict[int, Family] = {
    1: Family(
        "leadpilot_tasks",
        "Tasks of the agent by status.",
        "status",
        ("pending", "running", "awaiting_approval", "completed", "failed", "cancelled"),
    ),
    2: Family(
        "leadpilot_tasks_oldest_due_age_seconds",
        "How long the oldest pending task has been due, where the agent runs; 0 when none is.",
    ),
    3: Family(
        "leadpilot_messages",
        "Messages by status; unknown ones wait for proof or for a person.",
        "status",
        (
            *("held", "queued", "claimed", "sending", "sent", "deferred", "refused", "unknown"),
            *("not_sent", "cancelled"),
        ),
    ),
    4: Family(
        "leadpilot_messages_oldest_due_age_seconds",
        "How long the oldest queued or deferred message has been due in a connected mailbox; 0 when none is.",
    ),
    5: Family(
        "leadpilot_send_attempts_last_hour",
        "Attempts to send begun within the last hour, by outcome; intent is one that goes on.",
        "outcome",
        ("intent", "sent", "deferred", "refused", "unknown", "not_sent"),
    ),
    6: Family("leadpilot_mailboxes", "Mailboxes by status.", "status", ("connected", "paused", "error")),
    7: Family("leadpilot_inbound_unclassified", "Mails that came in and are not classified yet."),
    8: Family("leadpilot_queue_jobs", "Wake-ups in the queue by state.", "state", ("waiting", "claimed")),
    9: Family(
        "leadpilot_dispatcher_age_seconds",
        "Since a worker ran the dispatcher, which is due every 5 seconds; +Inf when none ever did.",
        missing=NEVER,
    ),
    10: Family(
        "leadpilot_organizations",
        "Organizations by state; nothing leaves a halted one.",
        "state",
        ("active", "halted"),
    ),
    11: Family(
        "leadpilot_mailboxes_locked",
        "Mailboxes whose Sent folder is not compared yet since a backup was restored; nothing of theirs leaves.",
    ),
}


def count() -> list[GaugeMetricFamily]:
    """Ask the database once; every family and every kind has a value, also when there are no rows."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT family, kind, amount FROM ops_counts() UNION ALL SELECT 11, 0, ops_waiting_checks()"
        )
        found = {(family, kind): amount for family, kind, amount in cursor.fetchall()}
    return [_gauge(number, family, found) for number, family in FAMILIES.items()]


def _gauge(number: int, family: Family, found: dict[tuple[int, int], int | None]) -> GaugeMetricFamily:
    if not family.label:
        amount = found.get((number, 0))
        return GaugeMetricFamily(
            family.name, family.help, value=family.missing if amount is None else float(amount)
        )
    gauge = GaugeMetricFamily(family.name, family.help, labels=[family.label])
    for place, kind in _places(family.kinds):
        amount = found.get((number, place))
        if place or amount:
            gauge.add_metric([kind], float(amount or 0))
    return gauge


def _places(kinds: tuple[str, ...]) -> Iterable[tuple[int, str]]:
    """Places begin at 1; 0 is whatever the function's lists do not know."""
    return enumerate(("other", *kinds))
