"""What a campaign stands on: waits whose relations are production's, a steady day, a way through the proxy."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from psycopg.conninfo import conninfo_to_dict

from campaigns.services import ledger, settling
from campaigns.services.ledger import sending
from campaigns.smtp import Limits
from leadpilot.lib import pace
from leadpilot.trust import ground
from leadpilot.trust.cards import SLOWEST


@pytest.mark.parametrize("hour", range(24))
def test_no_local_day_ends_during_a_campaign(hour: int) -> None:
    now = datetime(2026, 11, 21, hour, 30, tzinfo=UTC)
    local = now.astimezone(ZoneInfo(ground.steady_zone(now)))
    assert 9 <= local.hour <= 11


def test_a_database_url_leads_through_the_proxy() -> None:
    url = "postgresql://leadpilot_app:p%40ss@/leadpilot?host=%2Fsome%2Ffolder&port=5432"
    asked = conninfo_to_dict(ground.through_proxy(url, 4711))
    assert asked == {
        "user": "leadpilot_app",
        "password": "p@ss",
        "host": "127.0.0.1",
        "port": "4711",
        "dbname": "leadpilot",
        "sslmode": "disable",
    }


def relations_hold(waits: dict[str, float]) -> bool:
    """Leases outlive conversations, and nothing is called unsent while an attempt of its time may still be under way."""
    conversation = waits["smtp_connect"] + waits["smtp_before_dot"] + waits["smtp_after_dot"]
    return waits["settle_patience"] > waits["send_lease"] > conversation


def test_the_short_waits_have_the_relations_of_the_long_ones() -> None:
    limits = Limits()
    production = {
        "smtp_connect": limits.connect,
        "smtp_before_dot": limits.before_dot,
        "smtp_after_dot": limits.after_dot,
        "send_lease": sending.SEND_LEASE.total_seconds(),
        "settle_patience": settling.PATIENCE.total_seconds(),
    }
    assert relations_hold(production)
    assert relations_hold(ground.PACE)
    assert not relations_hold({**ground.PACE, "settle_patience": ground.PACE["send_lease"]})


def test_conversations_may_take_long_enough_for_lateness_to_show() -> None:
    assert ground.PACE["smtp_connect"] > SLOWEST > 5
    assert ground.PACE["smtp_before_dot"] > SLOWEST


def test_every_wait_of_a_campaign_is_one_that_the_application_asks_for() -> None:
    root = Path(ledger.__file__).parents[3]
    files = [
        path
        for part in ("campaigns", "leadpilot/lib", "leadpilot/run")
        for path in (root / part).rglob("*.py")
    ]
    text = "".join(path.read_text() for path in [*files, root / "leadpilot" / "schedules.py"])
    assert [name for name in ground.PACE if f'"{name}"' not in text] == []
    assert pace.parse(";".join(f"{name}={figure}" for name, figure in ground.PACE.items())) == ground.PACE
