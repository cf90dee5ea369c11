"""Time-ordered identifiers."""

from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """A UUID of version 7 (RFC 9562): its first 48 bits are milliseconds, so rows sort by creation."""
    return uuid7()
