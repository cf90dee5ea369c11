"""A bound on attributes, for before a page is parsed: a tree builder compares each attribute of a tag with all others."""

from __future__ import annotations

import re

from leadpilot.lib.markup import limit_depth

_MOST = 256
_MAX_CHARACTERS = 2_000_000
_ATTRIBUTE = r"[\s/]*+[^\s/>][^\s/>=]*+(?:\s*+=\s*+(?:\"[^\"]*+\"?|'[^']*+'?|[^\s>]*+))?+"
_CROWDED = re.compile(rf"<[a-zA-Z][^\s/>]*+(?:{_ATTRIBUTE}){{{_MOST + 1}}}")
_RAW_START = ("<script", "<style", "<!--", "<textarea")
_RAW_END = ("</script", "</style", "-->", "</textarea")


def limited(html: str) -> str:
    """The html cut before what would make reading slow: 2 million characters, deep nesting, a tag of 256 attributes."""
    html = limit_depth(html[:_MAX_CHARACTERS].replace("\x00", ""))
    position = 0
    for _ in range(50):
        crowded = _CROWDED.search(html, position)
        if crowded is None:
            return html
        after = _raw_end(html, crowded.start())
        if after < 0:
            return html[: crowded.start()]
        position = after
    return html[:position]


def _raw_end(html: str, position: int) -> int:
    """Where the script, style or comment around a position ends; -1 when there is none around it."""
    before = html[max(0, position - 500_000) : position].lower()
    for start, end in zip(_RAW_START, _RAW_END, strict=True):
        opened = before.rfind(start)
        if opened >= 0 and before.rfind(end) < opened:
            closed = html.lower().find(end, position)
            return closed if closed >= 0 else -1
    return -1
