"""Jobs that fail in the ways that tell most: by the database's own words, and by our own."""

from __future__ import annotations

from uuid import UUID

from django.db import connection

from leadpilot.orgs.tenancy import org_context
from leadpilot.tests.probing.planted import PEOPLE, SECRETS
from leads.models import Lead


def twice(org_id: str) -> None:
    """A second lead with the same address: PostgreSQL names the key."""
    with org_context(UUID(org_id)):
        Lead.objects.create(org_id=UUID(org_id), name="Two", email=PEOPLE["lead's address"])


def misspelled(org_id: str) -> None:
    """A row that breaks a rule: PostgreSQL shows the whole row."""
    with org_context(UUID(org_id)):
        Lead.objects.create(
            org_id=UUID(org_id),
            name=PEOPLE["imported name"],
            email=PEOPLE["imported broken address"],
            phone=PEOPLE["imported phone"],
            custom_fields={"note": f"{PEOPLE['imported note']}).\n(and more"},
        )


def mistyped(org_id: str) -> None:
    """A value of the wrong type: PostgreSQL quotes it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::text::uuid", [PEOPLE["lead's phone"]])


def told(org_id: str) -> None:
    """An exception of somebody's library, with what it was given."""
    raise RuntimeError(
        f"POST https://alex:{SECRETS['proxy password']}@gate.example failed: "
        f"Authorization: Bearer {SECRETS['bearer token']}, api_key={SECRETS['api key header']}, "
        f"key {SECRETS['model key']} and {SECRETS['cloud key']}, whsec {SECRETS['webhook secret']}, "
        f"postgres://x:{SECRETS['database password']}@db/x, settings {SECRETS['model key of another make']}"
    )


def chained(org_id: str) -> None:
    """An error of the database under one of our own."""
    try:
        misspelled(org_id)
    except Exception as error:
        raise RuntimeError("the job could not go on") from error


JOBS = ("twice", "misspelled", "mistyped", "told", "chained")
