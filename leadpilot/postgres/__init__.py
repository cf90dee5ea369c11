"""A private PostgreSQL for one checkout, used when DATABASE_URL is unset. Needs no Django, no root, no
Docker.

`ensure(home)` starts it, or finds it running, and returns its addresses; `urls(home)` only reads them;
`stop(home)`.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from leadpilot.postgres import server
from leadpilot.postgres.errors import PostgresError
from leadpilot.postgres.layout import locate, prepare
from leadpilot.postgres.roles import Urls, provision
from leadpilot.postgres.secret import Secret, read_secret

__all__ = [
    "PostgresError",
    "Urls",
    "default_home",
    "ensure",
    "is_running",
    "stop",
    "urls",
]

ROOT = Path(__file__).resolve().parents[2]


def default_home() -> Path:
    """The folder of the private server: `$LEADPILOT_VAR/postgres`, else `var/postgres` in the checkout."""
    return Path(os.environ.get("LEADPILOT_VAR") or ROOT / "var").absolute() / "postgres"


def ensure(home: Path) -> Urls:
    """Start the private server of `home` unless it answers already, and return its addresses.

    Several processes may call this at once; the first makes the cluster (a second or two), the others wait
    for it. Raises PostgresError, whose message says what to do.
    """
    home = Path(home).absolute()
    with _locked(home):
        layout = prepare(home)
        secret = Secret.of(layout)
        admin = secret.url(layout, "admin", database="postgres")
        if not server.answers(admin):
            server.start(layout, secret)
        provision(admin, secret)
        return Urls.of(layout, secret)


def urls(home: Path) -> Urls | None:
    """The addresses of the private server of `home`, running or not; None when it was never made."""
    layout = locate(Path(home).absolute())
    secret = read_secret(layout.secret)
    return Urls.of(layout, secret) if secret else None


def is_running(home: Path) -> bool:
    """True when a PostgreSQL process works on the data of `home`, whatever its pid file says."""
    return server.running_pid(locate(Path(home).absolute())) is not None


def stop(home: Path) -> bool:
    """Stop the private server of `home` and wait for it; False when none was running."""
    home = Path(home).absolute()
    if not home.exists():
        return False
    with _locked(home):
        return server.stop(locate(home))


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    """One starter at a time. The lock ends with its process, however that ends."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        with open(home / "lock", "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    except PermissionError as error:
        raise PostgresError(
            f"{error.filename or home} belongs to another account. Run as the account that made {home}, "
            "set LEADPILOT_VAR to another folder, or set DATABASE_URL."
        ) from error
