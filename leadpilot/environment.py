"""What every entry point does before Django: read `.env`, and have a database server when none is named."""

from __future__ import annotations

import os
from pathlib import Path

import environ

from leadpilot import postgres

ROOT = Path(__file__).resolve().parent.parent


def load() -> None:
    """Take over what `.env` says, unless the environment says it already, and name the settings."""
    file = ROOT / ".env"
    if file.exists():
        environ.Env.read_env(file)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "leadpilot.settings")


def is_private() -> bool:
    """True when the database is the private one: DATABASE_URL is unset."""
    return not os.environ.get("DATABASE_URL")


def ensure_database() -> None:
    """Start the private PostgreSQL if it is the one to use. Raises postgres.PostgresError."""
    if is_private():
        postgres.ensure(postgres.default_home())
