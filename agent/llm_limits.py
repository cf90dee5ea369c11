"""What the transport and its caller agree on, free of the libraries that cost seconds to import."""

from __future__ import annotations

from collections.abc import Mapping


class GaveUp(Exception):
    """The transport will not ask again; its message is shown to people."""


def seconds(headers: Mapping[str, str]) -> float | None:
    """The `Retry-After` of an answer in seconds, or None where there is none (a date counts as none)."""
    try:
        return max(0.0, float(headers.get("retry-after", "")))
    except ValueError:
        return None
