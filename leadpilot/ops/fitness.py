"""Whether a backup may be restored here: its keys, its version, its database."""

from __future__ import annotations

from django.db.migrations.loader import MigrationLoader

from leadpilot.ops import manifest
from leadpilot.ops.errors import OpsError
from leadpilot.ops.manifest import Manifest
from leadpilot.version import VERSION

LINKS_BROKEN = (
    "SECRET_KEY is another one than when this backup was made: the opt-out links in mails that left before "
    "do not work. Set the old SECRET_KEY."
)


def check(found: Manifest, *, server: int) -> list[str]:
    """Warnings for people. Raises OpsError when the backup does not fit.

    `server` is the major version of the PostgreSQL that would hold it.
    """
    _check_keys(found)
    _check_version(found)
    if server < found.postgresql:
        raise OpsError(
            f"The backup comes from PostgreSQL {found.postgresql}, and this server is {server}. "
            f"Restore into PostgreSQL {found.postgresql} or newer."
        )
    return [] if found.secret_key == manifest.secret_key() else [LINKS_BROKEN]


def _check_keys(found: Manifest) -> None:
    """Every key under which something is stored has to be in the ring, and be the same."""
    here = manifest.ring()
    for name in found.keys_used:
        needed = found.keys.get(name)
        if (
            needed is None or here.get(name) == needed
        ):  # one that was missing then is missed no more than then
            continue
        has = f"has another key of that name ({here[name]})" if name in here else "has none of that name"
        raise OpsError(
            f"What is encrypted in this backup needs key {name} with the fingerprint {needed}, and ENCRYPTION_KEYS "
            f"{has}. Put the ENCRYPTION_KEYS of then into the environment, with newer keys before it."
        )


def _check_version(found: Manifest) -> None:
    known = set(MigrationLoader(None, ignore_no_migrations=True).disk_migrations or {})
    newer = [f"{app}.{name}" for app, name in found.migrations if (app, name) not in known]
    if newer:
        raise OpsError(
            f"This backup was made by a newer LeadPilot ({found.version}; here is {VERSION}): its database has "
            f"{', '.join(newer[:3])}{' and more' if len(newer) > 3 else ''}. Upgrade LeadPilot, then restore."
        )
