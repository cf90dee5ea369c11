"""HTML from strangers: made harmless for showing, or turned into the text a person would read."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import nh3
from selectolax.lexbor import LexborHTMLParser, LexborNode

from leadpilot.lib.markup import limit_markup

_TAGS = {
    *(
        "a",
        "abbr",
        "address",
        "b",
        "blockquote",
        "br",
        "caption",
        "center",
        "cite",
        "code",
        "col",
        "colgroup",
        "dd",
    ),
    *(
        "del",
        "div",
        "dl",
        "dt",
        "em",
        "font",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "i",
        "ins",
        "kbd",
        "li",
        "mark",
    ),
    *(
        "ol",
        "p",
        "pre",
        "q",
        "s",
        "samp",
        "small",
        "span",
        "strike",
        "strong",
        "sub",
        "sup",
        "table",
        "tbody",
        "td",
    ),
    *("tfoot", "th", "thead", "tr", "tt", "u", "ul", "var"),
}
# No style, class, id, background, src: nothing that fetches, covers the page, or collides with it.
_ATTRIBUTES = {
    "a": {"href", "title"},
    "td": {"colspan", "rowspan", "align", "valign"},
    "th": {"colspan", "rowspan", "align", "valign", "scope"},
    "ol": {"start", "type"},
    "blockquote": {"type"},
}
_DROPPED_WHOLE = {
    *("script", "style", "title", "head", "noscript", "template", "iframe", "object", "embed", "svg", "math"),
    *("textarea", "select", "option", "audio", "video", "canvas"),
}
_SILENT = {*_DROPPED_WHOLE, "-comment", "-doctype", "meta", "link"}
_BLOCKS = {
    *(
        "address",
        "article",
        "aside",
        "blockquote",
        "dd",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figure",
        "footer",
        "form",
    ),
    *(
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "li",
        "main",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "table",
    ),
    *("tr", "ul", "center", "body"),
}
_PARAGRAPHS = {"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table", "blockquote", "pre", "dl", "hr"}
_MAX_NODES = 200_000
_LINE, _PARAGRAPH = "\x1e", "\x1f"  # boundaries of blocks: several in a row count as one


def sanitise_email_html(html: str) -> str:
    """Make inbound mail safe to show: no scripts, styles, forms or images, and nothing that is fetched on opening.

    Links stay if they are http, https or mailto; they open in a new window and tell the target nothing about us.
    """
    return nh3.clean(
        limit_markup(html.replace("\x00", "")),
        tags=_TAGS,
        clean_content_tags=_DROPPED_WHOLE,
        attributes=_ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
        strip_comments=True,
    )


def html_to_text(html: str, *, links: bool = False) -> str:
    """The text of a page or mail, with line breaks where a reader sees them; `links` adds addresses in brackets.

    Walks without recursion and stops after 200,000 nodes, so that a page built to exhaust us does not.
    """
    parser = LexborHTMLParser(limit_markup(re.sub(r"[\x00\x1e\x1f]", "", html)))
    pieces: list[str] = []
    if parser.root is None:
        return ""
    stack: list[LexborNode | str] = [parser.root]
    for _ in range(_MAX_NODES):
        if not stack:
            break
        node = stack.pop()
        if isinstance(node, str):
            pieces.append(node)
        elif node.tag == "-text":
            pieces.append(_inline(node))
        elif node.tag not in _SILENT:
            _open(node, pieces, stack, links)
    return _tidy("".join(pieces))


def safe_url(url: str | None) -> str:
    """The address if it is plain http or https with a host, else "": what may stand in an href."""
    text = (url or "").strip()
    if not text or len(text) > 4000 or "\\" in text or any(not c.isprintable() or c.isspace() for c in text):
        return ""
    try:
        parts = urlsplit(text)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
        _ = parts.port
    except ValueError:
        return ""
    return text if fine and not set(text) & set("<>\"'`") else ""


def _open(node: LexborNode, pieces: list[str], stack: list[LexborNode | str], links: bool) -> None:
    """Write what a tag means in plain text and put its children, and what follows them, on the stack."""
    tag = node.tag or ""
    if tag == "br":
        pieces.append("\n")
        return
    if tag in _BLOCKS:
        gap = _PARAGRAPH if tag in _PARAGRAPHS else _LINE
        pieces.append(gap + ("- " if tag == "li" else ""))
        stack.append(gap)
    elif tag in ("td", "th"):
        stack.append(" ")
    elif tag == "img":
        pieces.append(_spaced(node.attributes.get("alt") or ""))
    elif tag == "a" and links and (address := safe_url(node.attributes.get("href"))):
        stack.append(f" ({address})")
    child = node.last_child
    while child is not None:
        stack.append(child)
        child = child.prev


def _inline(node: LexborNode) -> str:
    """A text node's words; white space means as much as in HTML, except inside `pre`."""
    text = node.text_content or ""
    parent = node.parent
    return text if parent is not None and parent.tag == "pre" else _spaced(text)


def _spaced(text: str) -> str:
    return re.sub(r"[\s\u00ad\u200b\u200c\u2060\ufeff]+", _one_space, text)


def _one_space(match: re.Match[str]) -> str:
    return " " if any(c.isspace() for c in match.group()) else ""


def _tidy(text: str) -> str:
    text = re.sub(r"[ \t\xa0\r\n\x1e\x1f]+", _gap, text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _gap(match: re.Match[str]) -> str:
    """What a run of white space and boundaries is on paper."""
    run = match.group()
    boundaries = 2 if _PARAGRAPH in run else 1 if _LINE in run else 0
    return "\n" * max(run.count("\n"), boundaries) or " "
