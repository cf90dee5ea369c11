"""What a backup says of itself: who made it when, what is in it, and which keys open it, but never a key."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.conf import settings

from leadpilot.ops.errors import OpsError

FORMAT = 1
NAME = "manifest.json"
DUMP = "database.dump"
MEDIA = "media/"


@dataclass(frozen=True)
class Part:
    """One file inside: its size and SHA-256 (hex)."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """`keys` are fingerprints of the ring by name, `keys_used` the names under which something is encrypted.

    `rows` counts what the dump holds of each table; `postgresql` is the server's major version.
    """

    version: str
    made_at: datetime
    postgresql: int
    migrations: list[list[str]]
    rows: dict[str, int]
    keys: dict[str, str]
    keys_used: list[str]
    secret_key: str
    parts: dict[str, Part]
    format: int = FORMAT

    def to_json(self) -> str:
        """As it is written."""
        return json.dumps({**asdict(self), "made_at": self.made_at.isoformat()}, indent=1)


def read(text: bytes) -> Manifest:
    """Read one back. Raises OpsError when it is none, or of a form that came later."""
    try:
        found: dict[str, Any] = json.loads(text)
        if found.get("format") != FORMAT:
            raise OpsError(
                f"This backup has format {found.get('format')}; this version of LeadPilot reads {FORMAT}. "
                "Restore it with the version that made it, or a newer one."
            )
        parts = {name: Part(**part) for name, part in found.pop("parts").items()}
        made_at = datetime.fromisoformat(found.pop("made_at"))
        return Manifest(**found, parts=parts, made_at=made_at)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise OpsError(f"The backup's {NAME} cannot be read: {error}.") from error


def fingerprint(secret: bytes) -> str:
    """Tells two secrets apart and nothing else: slow to try, and short."""
    salt = b"leadpilot backup fingerprint"
    return hashlib.scrypt(secret, salt=salt, n=2**14, r=8, p=1, dklen=8).hex()


def ring() -> dict[str, str]:
    """The fingerprints of this installation's ENCRYPTION_KEYS by name."""
    return {key.id: fingerprint(key.secret) for key in settings.ENCRYPTION_KEYS}


def secret_key() -> str:
    """The fingerprint of SECRET_KEY, which signs the opt-out links of mails that have left."""
    return fingerprint(settings.SECRET_KEY.encode())
