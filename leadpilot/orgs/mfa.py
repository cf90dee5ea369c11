"""Second factors at rest: allauth keeps what makes the codes in a JSON column; here it is encrypted (SPEC SEC-2).

allauth asks to encrypt before the row exists and without naming its owner, so the place of these tokens is the column.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.db.models import QuerySet

from leadpilot.lib import encryption

_PLACE = {"tenant": "accounts", "table": "mfa_authenticator", "column": "data", "row": "any"}
SECRET_KEYS = ("secret", "seed", "migrated_codes")


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth has no types
    """Encrypts what allauth stores for one-time codes and recovery codes."""

    def encrypt(self, text: str) -> str:
        """A token of the newest key."""
        return encryption.encrypt(text, **_PLACE)

    def decrypt(self, encrypted_text: str) -> str:
        """The plain text. What was stored before there was encryption is taken as it is, until `rotate_keys` ran."""
        if not encryption.is_token(encrypted_text):
            return encrypted_text
        return encryption.decrypt(encrypted_text, **_PLACE)


def rotate(database: str, *, dry_run: bool) -> tuple[int, list[str]]:
    """Write every second factor again with the newest key; returns how many, and the ids of those that did not open."""
    rotated, unreadable = 0, []
    rows: QuerySet[Any] = Authenticator.objects.using(database).order_by("pk")
    for row in rows.iterator():
        try:
            fresh = {key: _fresh(key, value) for key, value in row.data.items()}
        except encryption.DecryptionError:
            unreadable.append(f"mfa_authenticator.data {row.pk}")
            continue
        if fresh == row.data:
            continue
        # Only if nobody changed it meanwhile.
        same = rows.filter(pk=row.pk, data=row.data)
        rotated += 1 if dry_run else same.update(data=fresh)
    return rotated, unreadable


def _fresh(key: str, value: Any) -> Any:
    if key not in SECRET_KEYS:
        return value
    again: Callable[[str], str] = _again
    return [again(each) for each in value] if isinstance(value, list) else again(value)


def _again(value: str) -> str:
    if encryption.is_token(value) and not encryption.needs_rotation(value):
        return value
    adapter = MFAAdapter()
    return adapter.encrypt(adapter.decrypt(value))
