"""Checks of the database's second lock."""

from __future__ import annotations

from typing import Any

from django.core.checks import Error
from django.db import OperationalError, connections


def application_role_is_confined(databases: Any = None, **kwargs: Any) -> list[Error]:
    """The application's role must not own tables, be superuser or bypass row security (DESIGN 7)."""
    if "default" not in (databases or []):
        return []
    try:
        with connections["default"].cursor() as cursor:
            cursor.execute(
                "SELECT rolname, rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
            )
            role, bypasses = cursor.fetchone()
    except OperationalError as error:
        return [Error(f"The database cannot be reached: {error}", id="orgs.E001")]
    if not bypasses:
        return []
    return [
        Error(
            f"The application's database role “{role}” passes by row-level security.",
            hint="Point DATABASE_URL at a role without SUPERUSER and BYPASSRLS; see .env.example.",
            id="orgs.E002",
        )
    ]
