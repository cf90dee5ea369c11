"""Taking out of a page what a visitor cannot see: instructions for machines like to hide there."""

from __future__ import annotations

import re
from collections.abc import Iterator

from selectolax.lexbor import LexborHTMLParser, LexborNode

_MAX_RULES = 400
_MAX_CSS = 400_000
_MAX_MATCHES = 20_000
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_BRACE = re.compile(r"[{}]")
_TINY = re.compile(r"^(0?\.\d+|[0-3](\.\d+)?)(px|pt)?$|^0?\.[0-2]\d*r?em$|^\d(\.\d+)?%$")
_FAR = re.compile(r"^-\s*(\d{3,}(\.\d+)?(px|pt|%)?|\d{2,}(\.\d+)?r?em|\d{3,}vw)")
_NOTHING = re.compile(r"^[01](\.0+)?(px)?$|^0?\.0\d*$")
_GONE_CLIP = re.compile(
    r"rect\(\s*(0|1)(px)?[ ,]+(0|1)(px)?[ ,]+(0|1)(px)?[ ,]+(0|1)(px)?\s*\)|inset\(\s*(50|100)%"
)
_RGB = re.compile(r"rgba?\(\s*(\d{1,3})[ ,]+(\d{1,3})[ ,]+(\d{1,3})\s*(?:[,/]\s*([\d.]+%?))?\s*\)")
_COLOURS = {"white": (255, 255, 255), "black": (0, 0, 0), "snow": (255, 250, 250), "ivory": (255, 255, 240)}
_ALIKE = 24  # of 765: a difference no eye finds


def remove_hidden(tree: LexborHTMLParser, styles: list[str], *, all_styles: bool = True) -> int:
    """Remove elements that are not shown; returns how many.

    `styles` are the texts of the style sheets that could be read. Without all of them (`all_styles` False) backgrounds
    are not known, so that text in the colour of its background is only recognised inside one style attribute.
    """
    doomed: dict[int, LexborNode] = {}
    for node in tree.css("[hidden], [aria-hidden='true'], [aria-hidden='TRUE'], input[type='hidden']"):
        doomed[node.mem_id] = node
    backgrounds: dict[int, str] = {}
    coloured: list[tuple[LexborNode, str]] = []
    rules = [*_own_styles(tree), *(rule for css in styles for rule in css_rules(css))][:_MAX_RULES]
    for node, declared in _declared(tree, rules):
        if hides(declared):
            doomed[node.mem_id] = node
        if background := declared.get("background-color") or declared.get("background"):
            backgrounds[node.mem_id] = background
        if colour := declared.get("color"):
            if _parse_colour(colour) == "transparent":
                doomed[node.mem_id] = node
            elif all_styles or background:
                coloured.append((node, colour))
    for node, colour in coloured:
        if _same(colour, _background(node, backgrounds)):
            doomed[node.mem_id] = node
    # Outermost ones only: what is inside goes with them, and must not be touched afterwards.
    outermost = [
        node for node in doomed.values() if node.tag not in ("html", "body") and not _inside(node, doomed)
    ]
    for node in outermost:
        node.decompose()
    return len(outermost)


def css_rules(css: str) -> list[tuple[str, dict[str, str]]]:
    """(selector, declarations) of the rules outside of @media and the like, in order."""
    css = _COMMENT.sub("", css[:_MAX_CSS])
    rules: list[tuple[str, dict[str, str]]] = []
    depth = start = body = 0
    selector = ""
    for brace in _BRACE.finditer(css):
        if brace.group() == "{":
            if depth == 0:
                selector, body = css[start : brace.start()].rpartition(";")[2].strip(), brace.end()
            depth += 1
            continue
        depth = max(0, depth - 1)
        if depth == 0:
            if selector and not selector.startswith("@"):
                rules.append((selector, declarations(css[body : brace.start()])))
            start = brace.end()
    return rules


def declarations(text: str) -> dict[str, str]:
    """The declarations of one rule or style attribute, names and values in lower case."""
    found: dict[str, str] = {}
    for part in text[:20_000].split(";"):
        name, colon, value = part.partition(":")
        if colon:
            found[name.strip().lower()] = value.replace("!important", "").strip().lower()
    return found


def hides(declared: dict[str, str]) -> bool:
    """Whether these declarations keep an element from being read."""
    get = declared.get
    if (
        get("display") == "none"
        or get("visibility") in ("hidden", "collapse")
        or get("content-visibility") == "hidden"
    ):
        return True
    if _NOTHING.match(get("opacity", "1.1")) and not get("opacity", "").startswith("1"):
        return True
    if _TINY.match(get("font-size", "")) or _GONE_CLIP.search(get("clip", "") + get("clip-path", "")):
        return True
    if any(
        _FAR.match(get(side, "")) for side in ("left", "top", "right", "bottom", "text-indent", "margin-left")
    ):
        return True
    flat = _NOTHING.match(get("height", get("max-height", ""))) or _NOTHING.match(
        get("width", get("max-width", ""))
    )
    return bool(flat) and get("overflow", get("overflow-y", "")) in ("hidden", "clip")


def _own_styles(tree: LexborHTMLParser) -> Iterator[tuple[str, dict[str, str]]]:
    for style in tree.css("style")[:20]:
        yield from css_rules(style.text())


def _declared(
    tree: LexborHTMLParser, rules: list[tuple[str, dict[str, str]]]
) -> Iterator[tuple[LexborNode, dict[str, str]]]:
    """Elements with what is declared for them, as far as it can hide; style attributes last, as they win."""
    left = _MAX_MATCHES
    for selector, declared in rules:
        if not (hides(declared) or declared.keys() & {"color", "background", "background-color"}):
            continue
        for part in selector.split(","):
            if ":" in part or not part.strip() or len(part) > 300:  # states and pseudo-elements
                continue
            try:
                nodes = tree.css(part.strip())
            except Exception:  # noqa: S112 - selectolax raises bare errors for selectors it cannot read
                continue
            left -= len(nodes)
            if left < 0:
                return
            for node in nodes:
                yield node, declared
    for node in tree.css("[style]"):
        yield node, declarations(node.attributes.get("style") or "")


def _inside(node: LexborNode, others: dict[int, LexborNode]) -> bool:
    above = node.parent
    while above is not None and above.tag:
        if above.mem_id in others and above.tag not in ("html", "body"):
            return True
        above = above.parent
    return False


def _background(node: LexborNode, backgrounds: dict[int, str]) -> str:
    """The nearest declared background, white without any."""
    here: LexborNode | None = node
    while here is not None and here.tag:
        value = backgrounds.get(here.mem_id, "")
        if value and value not in ("transparent", "none", "inherit", "initial"):
            return value
        here = here.parent
    return "white"


def _same(colour: str, background: str) -> bool:
    one, two = _parse_colour(colour), _parse_colour(background)
    if not isinstance(one, tuple) or not isinstance(two, tuple):
        return False
    return sum(abs(a - b) for a, b in zip(one, two, strict=True)) < _ALIKE


def _parse_colour(value: str) -> tuple[int, int, int] | str | None:
    """Red, green, blue; "transparent"; None for what is not one plain colour (gradients, images, variables)."""
    value = value.strip()
    if value in ("transparent", "#0000", "#00000000"):
        return "transparent"
    if value in _COLOURS:
        return _COLOURS[value]
    if match := re.fullmatch(r"#([0-9a-f]{3}|[0-9a-f]{6})", value):
        digits = match[1] if len(match[1]) == 6 else "".join(c * 2 for c in match[1])
        return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)
    if match := _RGB.fullmatch(value):
        if match[4] and float(match[4].rstrip("%") or 1) < 0.05:
            return "transparent"
        return int(match[1]), int(match[2]), int(match[3])
    return None
