"""A bound on what is read of one page, for before it is parsed."""

from __future__ import annotations

from leadpilot.lib.markup import limit_markup

_MAX_CHARACTERS = 2_000_000


def limited(html: str) -> str:
    """The html cut before what would make reading slow: 2 million characters, deep nesting, a tag of 256 attributes."""
    return limit_markup(html[:_MAX_CHARACTERS].replace("\x00", ""))
