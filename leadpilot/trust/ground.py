"""What a campaign stands on: a folder, a private PostgreSQL in it, and the environment that leads only there."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from leadpilot import postgres
from leadpilot.lib.encryption import generate_key
from leadpilot.postgres import layout

# Production's waits, made short. The relations between them are production's: a lease outlives its conversation, and
# nothing is called unsent before every attempt of its time must be over.
PACE = {
    "claim_lease": 6,
    "send_lease": 27,
    "first_wait": 0.7,
    "longest_wait": 3,
    "recheck": 3,
    "soon": 1,
    "drain_budget": 8,
    "smtp_connect": 11,
    "smtp_before_dot": 11,
    "smtp_after_dot": 3,
    "settle_patience": 33,
    "follow_up_jitter": 2,
    "poll_lease": 6,
    "canary_silence": 10,
    "canary_starting": 45,
    "job": 40,
    "first_pause": 0.2,
    "longest_pause": 1,
    "tick": 1,
    "watch": 0.5,
    "watch_grace": 1,
    "sweep": 1,
    "poll": 5,
    "settle": 3,
    "slack": 0.2,
}


@contextmanager
def private_ground(folder: Path) -> Iterator[dict[str, str]]:
    """Start a PostgreSQL of the campaign's own and yield an environment that uses it; both end with the block.

    The folder stays, with logs and evidence; the database's files are removed.
    """
    home = folder / "var" / "postgres"
    try:
        urls = postgres.ensure(home)  # inside: whoever is stopped while it starts leaves none behind
        yield {
            **{name: value for name, value in os.environ.items() if name not in _FOREIGN},
            "LEADPILOT_VAR": str(folder / "var"),
            "DATABASE_URL": urls.app,
            "DATABASE_OWNER_URL": urls.owner,
            "DATABASE_SYSTEM_URL": urls.system,
            "SECRET_KEY": secrets.token_urlsafe(50),
            "ENCRYPTION_KEYS": f"k1:{generate_key()}",
            "DEBUG": "false",
            "UNDO_SECONDS": "0",
            "MAX_EMAILS_PER_DAY": "1000000",
            "LEADPILOT_SANDBOX": "false",
            "LEADPILOT_FAULT_TESTS": "1",
            "LEADPILOT_PACE": ";".join(f"{name}={figure}" for name, figure in PACE.items()),
        }
    finally:
        postgres.stop(home)
        shutil.rmtree(os.path.realpath(layout.locate(home).cluster), ignore_errors=True)
        shutil.rmtree(home, ignore_errors=True)


_FOREIGN = (
    "OUTBOUND_ALLOW",
    "OUTBOUND_PROXIES",
    "PUBLIC_URL",
    "PORT",
    "TEST_DATABASE_NAME",
    "LEADPILOT_FAILPOINTS",
)


def database_socket(folder: Path) -> str:
    """The Unix socket of the campaign's PostgreSQL."""
    return str(layout.locate(folder / "var" / "postgres").socket)


def through_proxy(url: str, port: int) -> str:
    """A database URL by way of the proxy on this port of the loopback."""
    parts = urlsplit(url)
    user, _, _ = parts.netloc.rpartition("@")
    return f"postgresql://{user}@127.0.0.1:{port}{parts.path}?sslmode=disable"


def steady_zone(now: datetime | None = None) -> str:
    """A zone in which it is late morning, so that no local day ends while a campaign runs."""
    hour = (now or datetime.now(UTC)).hour
    ahead = (10 - hour) % 24
    ahead = ahead if ahead <= 12 else ahead - 24
    return "Etc/GMT" if not ahead else f"Etc/GMT{-ahead:+d}"
