"""Secrets at rest: AES-256-GCM under a ring of keys, each ciphertext bound to the place where it is stored.

A token reads `v1.KEYID.BASE64URL(nonce + ciphertext + tag)`. Its associated data is version, key id, tenant, table,
column and row, so a token that is moved, cut or changed does not open (TRUST A12).
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

_VERSION = "v1"
_NONCE = 12
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")
_TOKEN = re.compile(r"v1\.([A-Za-z0-9_-]{1,32})\.([A-Za-z0-9_-]+)")


class DecryptionError(Exception):
    """A token that does not open here: moved, damaged, or written with a key that is not in the ring."""


@dataclass(frozen=True)
class Key:
    """One key of the ring; its bytes never show in a repr."""

    id: str
    secret: bytes = field(repr=False)


def generate_key() -> str:
    """A new random 256-bit key in base64, for `ENCRYPTION_KEYS=name:KEY`."""
    return base64.b64encode(os.urandom(32)).decode()


def parse_keys(lines: list[str]) -> list[Key]:
    """Read `id:base64key` lines: the first key writes, all read. Raises ImproperlyConfigured without showing a key."""
    keys: list[Key] = []
    for position, line in enumerate(lines, start=1):
        key_id, colon, text = line.strip().partition(":")
        if not colon or not _KEY_ID.fullmatch(key_id):
            raise ImproperlyConfigured(
                f"ENCRYPTION_KEYS, entry {position}: write it as name:key, the name of letters, digits, - and _."
            )
        try:
            secret = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise ImproperlyConfigured(f"ENCRYPTION_KEYS, key {key_id}: it is not base64.") from None
        if len(secret) != 32:
            raise ImproperlyConfigured(f"ENCRYPTION_KEYS, key {key_id}: it has {len(secret)} bytes, not 32.")
        if any(known.id == key_id for known in keys):
            raise ImproperlyConfigured(f"ENCRYPTION_KEYS: there are two keys named {key_id}.")
        keys.append(Key(key_id, secret))
    if not keys:
        raise ImproperlyConfigured(
            "ENCRYPTION_KEYS is empty. Make one with "
            "`python -c \"import base64, os; print('k1:' + base64.b64encode(os.urandom(32)).decode())\"`."
        )
    return keys


def encrypt(plaintext: str, *, tenant: object, table: str, column: str, row: object) -> str:
    """Encrypt a text for one place, with the newest key."""
    key = _ring()[0]
    nonce = os.urandom(_NONCE)
    sealed = AESGCM(key.secret).encrypt(nonce, plaintext.encode(), _place(key.id, tenant, table, column, row))
    return f"{_VERSION}.{key.id}.{base64.urlsafe_b64encode(nonce + sealed).decode().rstrip('=')}"


def decrypt(token: str, *, tenant: object, table: str, column: str, row: object) -> str:
    """Open a token in the place it was made for; raises DecryptionError whatever is wrong, without saying what is in it."""
    where = f"{table}.{column} of row {row}"
    match = _TOKEN.fullmatch(token)
    if not match:
        raise DecryptionError(f"The secret in {where} is not in a form that LeadPilot writes.")
    key = next((key for key in _ring() if key.id == match.group(1)), None)
    if key is None:
        raise DecryptionError(
            f"The secret in {where} needs key {match.group(1)}, which is not in ENCRYPTION_KEYS."
        )
    text = match.group(2)
    try:
        sealed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        # Base64 has spare bits at its end: only the one spelling we write is ours.
        if base64.urlsafe_b64encode(sealed).decode().rstrip("=") != text:
            raise ValueError("not canonical")
        place = _place(key.id, tenant, table, column, row)
        return AESGCM(key.secret).decrypt(sealed[:_NONCE], sealed[_NONCE:], place).decode()
    except (InvalidTag, ValueError):
        raise DecryptionError(f"The secret in {where} was damaged or comes from another place.") from None


def is_token(value: str) -> bool:
    """Whether a text has the form of a token (it may still not open)."""
    return bool(_TOKEN.fullmatch(value))


def needs_rotation(token: str) -> bool:
    """Whether a token was written with another key than the newest."""
    return not token.startswith(newest_prefix())


def newest_prefix() -> str:
    """How tokens of the newest key begin."""
    return f"{_VERSION}.{_ring()[0].id}."


def _ring() -> list[Key]:
    keys: list[Any] = list(settings.ENCRYPTION_KEYS)
    return keys if keys and isinstance(keys[0], Key) else parse_keys(keys)


def _place(key_id: str, tenant: object, table: str, column: str, row: object) -> bytes:
    """The associated data. JSON keeps its parts apart, so that no two places read the same."""
    parts = [str(tenant), table, column, str(row)]
    if not all(part and part != "None" for part in parts):
        raise ValueError("a secret needs tenant, table, column and row before it can be stored")
    return json.dumps([_VERSION, key_id, *parts]).encode()
