"""Taking a known secret out of a stranger's words: mail servers like to repeat what they were told."""

from __future__ import annotations

import base64
from functools import lru_cache
from urllib.parse import quote

HIDDEN = "[hidden]"
_SHORTEST = 4  # a shorter one stands in too many words


def mask(text: str, *secrets: str) -> str:
    """The text without these secrets, in any of the forms in which protocols carry them."""
    for secret in secrets:
        for form in _forms(secret) if len(secret) >= _SHORTEST else ():
            text = text.replace(form, HIDDEN)
    return text


@lru_cache(maxsize=64)
def _forms(secret: str) -> tuple[str, ...]:
    """Longest first: as it is, quoted for IMAP and for addresses, and in base64 wherever in the data it begins."""
    data = secret.encode()
    escaped = secret.replace("\\", "\\\\").replace('"', '\\"')
    found = {secret, escaped, quote(secret), quote(secret, safe=""), data.decode("latin-1")}
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + data).decode().rstrip("=")
        # The first and last digits hold bits of the neighbours too.
        found.add(encoded[(0, 2, 3)[before] : -1 if (before + len(data)) % 3 else None])
    return tuple(sorted((form for form in found if len(form) >= _SHORTEST), key=len, reverse=True))
