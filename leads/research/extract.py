"""Everything that is taken from one page: main text, structured data, contacts, people, news, language, tools."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

from selectolax.lexbor import LexborHTMLParser, LexborNode

from leads.research import dates, people, tell_tales
from leads.research.blocks import Block, clean, page_blocks
from leads.research.hidden import remove_hidden
from leads.research.limits import limited

MAX_TEXT = 100_000
_TRAFILATURA_LIMIT = 600_000
_ENOUGH_TEXT = 200
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,4}")
_WANTS_SCRIPT = re.compile(
    r"(?:enable|switch on|turn on|activate|requires?|need|without|aktivier\w*|einschalten) ?(?:your )?java ?script"
    r"|java ?script (?:is |to be )?(?:disabled|required|enabled|aktiv\w+|deaktiviert)",
    re.IGNORECASE,
)
_NEWS_TYPES = {"Article", "NewsArticle", "BlogPosting", "Report", "PressRelease"}
_ORGANIZATIONS = {
    "Organization",
    "Corporation",
    "LocalBusiness",
    "NGO",
    "EducationalOrganization",
    "OnlineStore",
}
_STOP_WORDS = {
    "en": {"the", "and", "of", "with", "for", "our", "we"},
    "de": {"und", "der", "die", "das", "mit", "wir", "für"},
    "fr": {"le", "la", "les", "et", "des", "nous", "pour"},
    "es": {"el", "los", "las", "y", "con", "para", "nuestro"},
    "nl": {"de", "het", "een", "en", "voor", "wij", "van"},
}


@dataclass
class News:
    """A news item as a list or an article page shows it; `url` is empty when it has no page of its own."""

    title: str
    day: date | None = None
    url: str = ""
    summary: str = ""


@dataclass
class Extracted:
    """What one page says. `text` is its main text, one line a block; everything else was found on the page as well."""

    title: str = ""
    headline: str = ""
    text: str = ""
    language: str = ""
    site_name: str = ""
    description: str = ""
    published: date | None = None
    author: str = ""
    is_article: bool = False
    needs_browser: bool = False
    hidden_removed: int = 0
    blocks: list[Block] = field(default_factory=list)
    organization: dict[str, Any] = field(default_factory=dict)
    people: list[people.Person] = field(default_factory=list)
    news: list[News] = field(default_factory=list)
    emails: list[str] = field(default_factory=list)
    phones: list[str] = field(default_factory=list)
    social: dict[str, str] = field(default_factory=dict)
    profiles: list[dict[str, str]] = field(default_factory=list)
    technologies: list[str] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)


def stylesheet_links(html: str, url: str) -> list[str]:
    """Addresses of the style sheets a page names, whatever their host."""
    tree = LexborHTMLParser(limited(html[:200_000]))
    found = [
        _absolute(url, node.attributes.get("href")) for node in tree.css("link[rel~='stylesheet' i][href]")
    ]
    return list(dict.fromkeys(link for link in found if link))


def extract(html: str, url: str, *, styles: list[str] | None = None, all_styles: bool = False) -> Extracted:
    """Read one page. Never raises for what a page says; time and memory stay linear in its size.

    `styles`: texts of its style sheets, by which hidden text is recognised; `all_styles` says that none is missing.
    """
    html = limited(html)
    tree = LexborHTMLParser(html)
    data = list(_json_ld(tree))
    page = Extracted(title=clean(_first_text(tree, "title"))[:300], needs_browser=_wants_browser(tree))
    page.technologies = tell_tales.technologies(html)
    page.hidden_removed = remove_hidden(tree, styles or [], all_styles=all_styles)
    page.blocks = page_blocks(tree)
    page.headline = next((b.text for b in page.blocks if b.tag == "h1"), "")[:300]
    page.text = _main_text(tree, page.blocks)
    whole = "\n".join(block.text for block in page_blocks(tree, chrome=True))[:MAX_TEXT]
    page.needs_browser = page.needs_browser and len(whole) < _ENOUGH_TEXT * 2
    page.technologies = sorted({*page.technologies, *tell_tales.technologies("", whole)})
    page.language = _language(tree, page.text)
    page.site_name = clean(_meta(tree, "og:site_name"))[:200]
    page.description = clean(_meta(tree, "description") or _meta(tree, "og:description"))[:1000]
    page.links = _links(tree, url)
    _read_contacts(page, tree, whole, url)
    _read_structured(page, data)
    page.people = people.merge(page.people, people.on_page(page.blocks))
    _read_article(page, tree)
    page.news = [] if page.is_article else _news_list(page.blocks, url)
    return page


def _main_text(tree: LexborHTMLParser, blocks: list[Block]) -> str:
    """Our own lines; where a long article drowns among other things, only what trafilatura takes for the article."""
    ours = "\n".join(block.text for block in blocks)[:MAX_TEXT]
    html = tree.html or ""
    if len(ours) < 6000 or len(html) > _TRAFILATURA_LIMIT:
        return ours
    import trafilatura  # costs a second; most pages are short and never need it

    with suppress(Exception):  # a library that reads strangers' markup; our own text is there without it
        article = trafilatura.extract(html, include_comments=False, favor_precision=True) or ""
        lines = "\n".join(filter(None, (clean(line) for line in article.splitlines())))
        if 1500 < len(lines) < len(ours) / 2:
            return lines
    return ours


def _wants_browser(tree: LexborHTMLParser) -> bool:
    """Scripts that may bring the text; a page without any is simply empty."""
    asked = any(_WANTS_SCRIPT.search(node.text()[:2000]) for node in tree.css("noscript")[:10])
    return asked or tree.css_first("script[src], script[type='module']") is not None


def _json_ld(tree: LexborHTMLParser) -> Iterator[dict[str, Any]]:
    """Every object of the page's JSON-LD, also those in @graph and lists; broken ones are passed over."""
    for node in tree.css("script[type='application/ld+json']")[:20]:
        with suppress(ValueError, RecursionError):
            waiting = [json.loads(node.text()[:500_000])]
            for _ in range(500):
                if not waiting:
                    break
                thing = waiting.pop(0)
                if isinstance(thing, list):
                    waiting.extend(thing)
                elif isinstance(thing, dict):
                    yield thing
                    waiting.extend(
                        thing[k] for k in ("@graph", "mainEntity", "itemListElement", "item") if k in thing
                    )


def _read_structured(page: Extracted, data: list[dict[str, Any]]) -> None:
    for thing in data:
        kinds = thing.get("@type")
        types = {str(kind) for kind in (kinds if isinstance(kinds, list) else [kinds])}
        if types & _ORGANIZATIONS and not page.organization:
            page.organization = _organization(thing)
            for link in _strings(thing.get("sameAs")):
                if name := tell_tales.network_of(link):
                    page.social.setdefault(name, link[:500])
        elif "Person" in types and (person := people.from_json_ld(thing)):
            page.people.append(person)
        elif types & _NEWS_TYPES:
            page.is_article = True
            page.published = page.published or dates.find_date(_string(thing.get("datePublished")))
            author = thing.get("author")
            author = author[0] if isinstance(author, list) and author else author
            page.author = (
                page.author
                or clean(_string(author.get("name") if isinstance(author, dict) else author))[:100]
            )


def _organization(thing: dict[str, Any]) -> dict[str, Any]:
    address = thing.get("address")
    places = (
        [address.get(k) for k in ("addressLocality", "addressRegion")] if isinstance(address, dict) else []
    )
    country = address.get("addressCountry") if isinstance(address, dict) else ""
    country = country.get("name") if isinstance(country, dict) else country
    size = thing.get("numberOfEmployees")
    size = (size.get("value") or size.get("minValue")) if isinstance(size, dict) else size
    found = {
        "name": _string(thing.get("name")),
        "description": _string(thing.get("description")),
        "industry": _string(thing.get("industry")),
        "founded": _string(thing.get("foundingDate")),
        "employees": _string(size),
        "phone": _string(thing.get("telephone")),
        "location": ", ".join(filter(None, (_string(part) for part in [*places, country]))),
    }
    return {key: clean(value)[:500] for key, value in found.items() if value}


def _read_article(page: Extracted, tree: LexborHTMLParser) -> None:
    """Day and author of an article page, from its meta elements, its time element, or the lines under the heading."""
    published = _meta(tree, "article:published_time")
    page.is_article = page.is_article or bool(published) or _meta(tree, "og:type") == "article"
    page.published = page.published or dates.find_date(published)
    start = next((i for i, block in enumerate(page.blocks) if block.tag == "h1"), None)
    if start is None:
        return
    for block in page.blocks[start + 1 : start + 4]:
        if block.link or block.anchors or block.is_heading:  # a list of news, not one of them
            break
        if len(block.text) < 100 and (day := dates.find_date(block.text)):
            page.is_article = True
            page.published = page.published or day
            page.author = page.author or people.byline(block.text)
            break
    if not page.is_article:
        page.published = None


def _news_list(blocks: list[Block], url: str) -> list[News]:
    """Links with a day beside them: in the same line, or in one of the lines around it."""
    found: dict[str, News] = {}
    for index, block in enumerate(blocks):
        title, link = _headline_link(block)
        if not link or len(title.split()) < 3:
            continue
        near = [b for b in blocks[max(0, index - 1) : index + 3] if b is not block and len(b.text) < 60]
        day = next((d for b in [block, *near] if (d := dates.find_date(b.text))), None)
        address = _absolute(url, link)
        if day and address and address not in found:
            after = blocks[index + 1 : index + 3]
            summary = next(
                (b.text for b in after if len(b.text.split()) > 4 and not dates.find_date(b.text[:40])), ""
            )
            found[address] = News(title[:300], day, address, summary[:500])
    return sorted(found.values(), key=lambda item: item.day or date.min, reverse=True)[:30]


def _headline_link(block: Block) -> tuple[str, str]:
    """(title, address) of a line that is a link, or that holds one after a day ("6 November: Title")."""
    if block.link:
        return ("", "") if dates.find_date(block.text) and len(block.text) < 25 else (block.text, block.link)
    if len(block.anchors) == 1 and len(block.text) < 250 and dates.find_date(block.text):
        address, text = block.anchors[0]
        return text, address
    return "", ""


def _read_contacts(page: Extracted, tree: LexborHTMLParser, whole: str, url: str) -> None:
    mailto = [node.attributes.get("href") or "" for node in tree.css("a[href^='mailto:']")[:50]]
    found = [*(m.removeprefix("mailto:").partition("?")[0] for m in mailto), *_EMAIL.findall(whole)]
    page.emails = list(
        dict.fromkeys(e.lower().rstrip(".") for e in found if _EMAIL.fullmatch(e.rstrip(".")))
    )[:20]
    page.phones = _phones(whole)
    for node in tree.css("a[href]")[:3000]:
        link = _absolute(url, node.attributes.get("href"))
        network = tell_tales.network_of(link)
        if network and tell_tales.is_personal(link):
            page.profiles.append({"url": link[:500], "network": network, "near": _near(node)})
        if network and not (network == "linkedin" and "/in/" in link):
            page.social.setdefault(network, link[:500])
    page.profiles = page.profiles[:40]


def _near(node: LexborNode) -> str:
    """The text of the smallest element around a link that says more than the link itself."""
    own = len(node.text())
    here = node.parent
    for _ in range(3):
        if here is None or here.tag in ("body", "html", None):
            return ""
        text = clean(here.text(separator=" ")[:2000])
        if len(text) > own + 5:
            return text[:300] if len(text) <= 1000 else ""
        here = here.parent
    return ""


def _phones(text: str) -> list[str]:
    if "+" not in text:
        return []
    import phonenumbers  # loads tables of every country; only where a number may stand

    found = phonenumbers.PhoneNumberMatcher(text[:30_000], None, leniency=phonenumbers.Leniency.POSSIBLE)
    form = phonenumbers.PhoneNumberFormat.INTERNATIONAL
    return list(dict.fromkeys(phonenumbers.format_number(match.number, form) for match in found))[:10]


def _links(tree: LexborHTMLParser, url: str) -> list[tuple[str, str]]:
    """(address, text) of the links of a page, each address once."""
    found: dict[str, str] = {}
    for node in tree.css("a[href]")[:3000]:
        link = _absolute(url, node.attributes.get("href"))
        if link and len(found) < 500:
            text = clean(node.text(separator=" ")[:300]) or clean(node.attributes.get("title") or "")
            if len(text) > len(found.get(link, "")) or link not in found:
                found[link] = text[:200]
    return list(found.items())


def _absolute(url: str, href: str | None) -> str:
    """A link's address without fragment; nothing for what is not http or https."""
    try:
        link = urldefrag(urljoin(url, (href or "").strip()))[0]
        parts = urlsplit(link)
        fine = (
            parts.scheme in ("http", "https")
            and parts.hostname
            and len(link) < 2000
            and "@" not in parts.netloc
        )
    except ValueError:
        return ""
    return link if fine else ""


def _language(tree: LexborHTMLParser, text: str) -> str:
    root = tree.css_first("html")
    named = (root.attributes.get("lang") or "")[:2].lower() if root else ""
    words = re.findall(r"[a-zà-ÿ]+", text[:5000].lower())
    counts = {lang: sum(word in stops for word in words) for lang, stops in _STOP_WORDS.items()}
    best = max(counts, key=lambda lang: counts[lang])
    if counts[best] > 5 and (
        not named.isalpha() or (counts[best] > 3 * counts.get(named, 0) and named in counts)
    ):
        return best
    return named if named.isalpha() else ""


def _meta(tree: LexborHTMLParser, name: str) -> str:
    for attribute in ("name", "property"):
        node = tree.css_first(f"meta[{attribute}='{name}' i]")
        if node:
            return (node.attributes.get("content") or "")[:2000]
    return ""


def _first_text(tree: LexborHTMLParser, selector: str) -> str:
    node = tree.css_first(selector)
    return node.text()[:2000] if node else ""


def _string(value: Any) -> str:
    return str(value)[:2000] if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _strings(value: Any) -> list[str]:
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)][:20]
