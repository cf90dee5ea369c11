"""From a page's tree to the lines a visitor reads, without menus, footers and cookie notices."""

from __future__ import annotations

import re
from dataclasses import dataclass

from selectolax.lexbor import LexborHTMLParser, LexborNode

_BLOCKS_WORDS = """
    address article aside blockquote body caption center dd details div dl dt fieldset figcaption figure
    footer form h1 h2 h3 h4 h5 h6 header hr hgroup li main nav ol p pre section summary table tbody td
    tfoot th thead tr ul
"""
_BLOCKS = frozenset(_BLOCKS_WORDS.split())
_SILENT_WORDS = """
    head script style noscript template svg math iframe object embed canvas audio video map select
    option button input textarea label datalist dialog
"""
_SILENT = frozenset(_SILENT_WORDS.split())
_CHROME_TAGS = {"nav", "footer", "aside", "menu"}
_CHROME_ROLES = {
    "navigation",
    "contentinfo",
    "dialog",
    "alertdialog",
    "search",
    "menu",
    "menubar",
    "complementary",
}
_CHROME_NAMES = re.compile(
    r"(?:^|[\s_-])(?:nav|navbar|navigation|menu|footer|foot|cookies?|consent|gdpr|ccpa|breadcrumbs?|sidebar|widget|"
    r"newsletter|subscribe|share|sharing|pagination|pager|skip-?link|colophon|popup|modal|onetrust|cookiebot)(?:[\s_-]|$)",
    re.IGNORECASE,
)
_INVISIBLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffc\U000e0000-\U000e007f]"
)
_MAX_NODES = 60_000
_MAX_TEXT = 200_000


@dataclass(frozen=True)
class Block:
    """One line of a page: its text and the tag it stands in.

    `link` is the address it leads to when it is one whole link. `anchors` are the links in it, address and text.
    """

    text: str
    tag: str
    link: str = ""
    anchors: tuple[tuple[str, str], ...] = ()

    @property
    def is_heading(self) -> bool:
        """True for h1 to h6."""
        return len(self.tag) == 2 and self.tag[0] == "h" and self.tag[1].isdigit()


def clean(text: str) -> str:
    """Text with single spaces and without characters that nobody sees (controls, zero width, direction, tags)."""
    return " ".join(_INVISIBLE.sub("", text.replace("\t", " ").replace("\n", " ").replace("\r", " ")).split())


def page_blocks(tree: LexborHTMLParser, *, chrome: bool = False) -> list[Block]:
    """The page's lines in order; `chrome` keeps menus, footers and the like."""
    if tree.body is None:
        return []
    walk = _Walk(chrome)
    walk.run(tree.body)
    return walk.blocks


class _Walk:
    """Depth first without recursion, since a page's nesting is the page's choice."""

    def __init__(self, chrome: bool) -> None:
        self.chrome = chrome
        self.blocks: list[Block] = []
        self._words: list[str] = []
        self._tags = ["body"]
        self._link = self._last_link = ""
        self._linked = self._plain = 0
        self._anchors: list[tuple[str, str]] = []
        self._anchor: list[str] = []
        self._size = 0

    def run(self, root: LexborNode) -> None:
        node: LexborNode | None = root
        opened: list[LexborNode] = []
        for _ in range(_MAX_NODES):
            if node is None or self._size > _MAX_TEXT:
                break
            if self._enter(node, root):
                if node.child is not None:
                    opened.append(node)
                    node = node.child
                    continue
                self._leave(node)
            while node.next is None:
                if not opened:
                    self._flush()
                    return
                node = opened.pop()
                self._leave(node)
                if node.mem_id == root.mem_id:
                    self._flush()
                    return
            node = node.next
        self._flush()

    def _enter(self, node: LexborNode, root: LexborNode) -> bool:
        """Take in a node; True when its children are to be read."""
        tag = node.tag
        if tag == "-text":
            self._add(node.text_content or "")
            return False
        if tag is None or tag.startswith(("-", "!")) or tag in _SILENT:
            return False
        if not self.chrome and node.mem_id != root.mem_id and is_chrome(node):
            return False
        if tag == "br":
            self._flush()
            return False
        if tag in _BLOCKS:
            self._flush()
            self._tags.append(tag)
        elif tag == "a":
            self._link = node.attributes.get("href") or ""
            self._anchor.clear()
        return True

    def _leave(self, node: LexborNode) -> None:
        if node.tag in _BLOCKS and self._tags[-1] == node.tag and len(self._tags) > 1:
            self._flush()
            self._tags.pop()
        elif node.tag == "a":
            if self._link and self._words and (text := clean("".join(self._anchor))):
                self._anchors.append((self._link, text))
            self._link = ""

    def _add(self, text: str) -> None:
        self._words.append(text)
        length = len(text.strip())
        self._size += len(text)
        if self._link:
            self._linked += length
            self._anchor.append(text)
            self._last_link = self._link
        else:
            self._plain += length

    def _flush(self) -> None:
        text = clean("".join(self._words))
        whole = bool(self._linked and not self._plain)
        is_menu = whole and len(self._anchors) > 2  # links side by side and nothing else
        if text and (self.chrome or not is_menu):
            self.blocks.append(
                Block(text, self._tags[-1], self._last_link if whole else "", tuple(self._anchors))
            )
        self._words.clear()
        self._anchors.clear()
        self._linked = self._plain = 0


def is_chrome(node: LexborNode) -> bool:
    """Whether an element is part of the page's frame rather than of what it says."""
    tag = node.tag
    attributes = node.attributes
    if tag in _CHROME_TAGS or (attributes.get("role") or "").lower() in _CHROME_ROLES:
        return True
    if tag == "header":
        return node.css_first("h1") is None
    if tag in ("body", "main", "article", "html", "a", "span", "b", "strong", "em", "h1", "h2", "h3", "td"):
        return False
    names = f"{attributes.get('class') or ''} {attributes.get('id') or ''}"
    if len(names) < 2 or not _CHROME_NAMES.search(names[:500]):
        return False
    return node.css_first("main, article, h1, p") is None or bool(
        re.search("cookie|consent", names, re.IGNORECASE)
    )
