"""Bounds for before HTML is parsed: tree builders take quadratic time in the depth, and in the attributes of a tag.

A page of 20,000 nested `<div>` costs lexbor and html5ever a second, one of a million costs hours. Browsers stop at 512.
Each attribute of a tag is compared with all others of that tag.
"""

from __future__ import annotations

import re

MAX_DEPTH = 400
MAX_ATTRIBUTES = 256
_MAX_SHORT = 20_000
_MAX_REREADING = 20  # how often, on average, a character may be looked at while attributes are counted
_ATTRIBUTE = r"[\s/]*+[^\s/>][^\s/>=]*+(?:\s*+=\s*+(?:\"[^\"]*+\"?|'[^']*+'?|[^\s>]*+))?+"
_ATTRIBUTES = re.compile(rf"(?:{_ATTRIBUTE}){{0,{MAX_ATTRIBUTES}}}+({_ATTRIBUTE})?+")
_TAG = re.compile(r"<(?:(/?)([a-zA-Z][^\s/>]{0,40})|!--)")
_VOID = {
    *(
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "param",
        "source",
        "track",
        "wbr",
    ),
}
# A second of these closes the first, so a list without end tags is no deeper for being long.
_CLOSING_THEMSELVES = {
    *("a", "body", "dd", "dt", "head", "html", "li", "nobr", "optgroup", "option", "p", "rb", "rp", "rt"),
    *("tbody", "td", "tfoot", "th", "thead", "tr"),
}
_RAW = {
    name: re.compile(f"</{name}", re.IGNORECASE)
    for name in ("script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes")
}
_COMMENT_END = re.compile(r"--!?>")
# An end tag does not reach out of these (HTML 13.2.4.2, "has an element in scope").
_WALLS = {"applet", "button", "caption", "marquee", "object", "table", "template", "foreignobject"}
_SHORT = {
    *("path", "circle", "rect", "line", "polygon", "polyline", "ellipse", "use", "stop", "image", "set"),
    *("animate", "animatetransform", "animatemotion"),
}


def limit_markup(html: str, depth: int = MAX_DEPTH) -> str:
    """Return the html, cut before the first tag that would nest deeper than `depth` or has more than 256 attributes.

    Takes linear time. The counts are estimates that err on the side of cutting; what people write stays far below them.
    """
    stack: list[str] = []
    to_reread = _MAX_REREADING * len(html)
    endless: set[re.Pattern[str]] = set()
    short = position = 0
    while match := _TAG.search(html, position):
        position = match.end()
        name = (match.group(2) or "").lower()
        if name:
            attributes = _ATTRIBUTES.match(html, position)
            to_reread -= attributes.end() - position if attributes else 0
            if to_reread < 0 or (attributes and attributes[1]):
                return html[: match.start()]
        if not name:
            position = _after(_COMMENT_END, html, position - 2, endless)
        elif match.group(1):
            _close(stack, name)
        elif name in _RAW and "svg" not in stack and "math" not in stack:
            position = _after(_RAW[name], html, position, endless)
        elif name in _SHORT:
            short += 1
        elif name not in _VOID and name not in _CLOSING_THEMSELVES:
            stack.append(name)
        if len(stack) > depth or short > _MAX_SHORT:
            return html[: match.start()]
    return html


def _close(stack: list[str], name: str) -> None:
    for index in range(len(stack) - 1, max(-1, len(stack) - 65), -1):
        if stack[index] == name:
            del stack[index:]
            return
        if stack[index] in _WALLS:
            return


def _after(end: re.Pattern[str], html: str, position: int, endless: set[re.Pattern[str]]) -> int:
    """Where a raw stretch ends; one that never does is not skipped, so that nothing hides behind it."""
    found = None if end in endless else end.search(html, position)
    if found is None:
        endless.add(end)  # looked for once only: a search to the end of the text for each would be quadratic
        return position
    return found.start()
