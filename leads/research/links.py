"""Which pages of a site are worth reading: found by what links to them are called, else by common paths."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from leads.research import tell_tales

# In the order of what they tell about a person and a company.
_KINDS = {
    "team": r"teams?|people|leadership|management|staff|founders|our-(?:team|people|doctors|staff)|meet-the-team|"
    r"ansprechpartner|geschaeftsfuehrung|geschäftsführung|equipe|équipe|equipo",
    "news": r"news|blog|press|presse|press-releases|newsroom|journal|updates|stories|aktuelles|insights|notes|media|"
    r"articles|actualites|actualités|noticias|nieuws",
    "about": r"about|about-us|company|our-story|story|unternehmen|studio|who-we-are|ueber-uns|über uns|mission|history|"
    r"a-propos|à propos|sobre-nosotros|over-ons",
    "careers": r"careers?|jobs?|join-us|work-with-us|work-here|karriere|vacancies|stellen|stellenangebote|hiring|"
    r"open-positions",
    "products": r"products?|services|solutions|platform|customers|case-studies|clients|produkte|leistungen|what-we-do",
    "contact": r"contact|contact-us|kontakt|impressum|find-us|support|help",
}
_EXACT = {kind: re.compile(rf"(?:{words})", re.IGNORECASE) for kind, words in _KINDS.items()}
_COMMON = {"about": "/about", "team": "/team", "news": "/news"}
_FILE = re.compile(
    r"\.(?:pdf|zip|jpe?g|png|gif|svg|webp|mp[34]|docx?|xlsx?|pptx?|ics|xml|rss|css|js)$", re.IGNORECASE
)


def host_of(url: str) -> str:
    """The host of an address, lower case, without `www.`; an empty text for what is no address."""
    try:
        return (urlsplit(url).hostname or "").lower().removeprefix("www.")
    except ValueError:
        return ""


def same_site(one: str, other: str) -> bool:
    """Whether two hosts are one site: equal, or one below the other."""
    one, other = one.removeprefix("www."), other.removeprefix("www.")
    return bool(one and other) and (one == other or one.endswith(f".{other}") or other.endswith(f".{one}"))


def kind_of(url: str, text: str = "") -> str:
    """What a link leads to by its last path part and its text; an empty text when neither says so."""
    try:
        segments = [part for part in urlsplit(url).path.split("/") if part]
    except ValueError:
        return ""
    if not segments or len(segments) > 3 or _FILE.search(segments[-1]):
        return ""
    last = re.sub(r"\.(?:html?|php|aspx?)$", "", segments[-1].lower())
    label = re.sub(r"\s+", "-", text.strip().lower())
    for kind, pattern in _EXACT.items():
        if pattern.fullmatch(last) or (len(text) < 40 and pattern.fullmatch(label)):
            return kind
    return ""


def worth_reading(links: list[tuple[str, str]], site: str) -> dict[str, str]:
    """Kind → address, the most telling kind first, one address a kind (the shortest path)."""
    best: dict[str, str] = {}
    for url, text in links:
        kind = kind_of(url, text) if same_site(host_of(url), site) else ""
        if kind and (kind not in best or len(urlsplit(url).path) < len(urlsplit(best[kind]).path)):
            best[kind] = url
    return {kind: best[kind] for kind in _KINDS if kind in best}


def guesses(home: str, found: dict[str, str]) -> dict[str, str]:
    """Common paths for what no link leads to."""
    parts = urlsplit(home)
    return {
        kind: f"{parts.scheme}://{parts.netloc}{path}" for kind, path in _COMMON.items() if kind not in found
    }


def is_closed_network(url: str) -> bool:
    """Networks whose terms forbid reading by machines."""
    return tell_tales.network_of(url) in (
        "linkedin",
        "facebook",
        "instagram",
        "twitter",
        "tiktok",
        "xing",
    ) or bool(re.search(r"(?:^|\.)(?:linkedin|facebook|instagram|twitter|x|tiktok|xing)\.com$", host_of(url)))
