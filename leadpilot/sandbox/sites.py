"""Answers of the sandbox's web sites: host and path in, status, headers and bytes out. No sockets here."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

from django.template.loader import render_to_string

from leadpilot.sandbox.pages import Page, navigation, site_pages, teasers
from leadpilot.sandbox.world import Company, World

ASSETS = Path(__file__).parent / "assets"
SLOW_SECONDS = 1.5
PARKED = "<html><head><title>{domain}</title></head><body>This domain is parked.</body></html>"
_HTML = "text/html; charset=utf-8"


@dataclass(frozen=True)
class Reply:
    """An HTTP answer; `delay` is how many seconds the server keeps the visitor waiting."""

    status: int
    body: bytes
    content_type: str = _HTML
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0


def respond(world: World, host: str, path: str, *, port: int) -> Reply:
    """Answer a GET for a Host header and a path without its query."""
    name = _site_name(host)
    if name in ("localhost", "127.0.0.1", "[::1]", "::1"):
        return _town(world, path, port)
    if name.startswith("www.") and world.company(name[4:]):
        return Reply(301, b"", headers={"Location": f"http://{_without_www(host)}{path}"})
    company = world.company(name)
    if company is None:
        return Reply(
            404, f"There is no site named {name} in the sandbox.\n".encode(), "text/plain; charset=utf-8"
        )
    delay = SLOW_SECONDS if company.quirk == "slow" else 0.0
    return _site(world, company, path, delay)


def _site(world: World, company: Company, path: str, delay: float) -> Reply:
    if path == "/robots.txt":
        return Reply(200, _robots(company).encode(), "text/plain; charset=utf-8")
    if company.quirk == "parked":
        return Reply(200, PARKED.format(domain=company.domain).encode())
    if path == "/site.css":
        return _css(company.accent)
    if company.quirk == "redirect_loop" and path.rstrip("/") == company.quirk_path:
        return Reply(302, b"", headers={"Location": path.rstrip("/") if path.endswith("/") else f"{path}/"})
    pages = site_pages(world, company)
    if company.quirk == "mostly_missing":
        pages = {"/": pages["/"]}
    if path == "/sitemap.xml":
        return Reply(200, _sitemap(company, pages).encode(), "application/xml")
    if company.quirk == "script":
        return _script_site(world, company, pages, path)
    page = pages.get(path) or pages.get(path.rstrip("/"))
    if page is None:
        return Reply(404, _not_found(company).encode(), delay=delay)
    return Reply(200, _render(f"{company.layout}.html", world, company, page).encode(), delay=delay)


def _render(template: str, world: World, company: Company, page: Page) -> str:
    latest = teasers(world, company)[:2]
    context = {
        "company": company,
        "page": page,
        "navigation": navigation(company),
        "latest": latest,
        "teasers": latest if page.kind == "home" else page.teasers,
    }
    return render_to_string(f"sandbox/{template}", context)


def _script_site(world: World, company: Company, pages: dict[str, Page], path: str) -> Reply:
    """Nothing but an empty page for those who run no script; the texts come as JSON."""
    if path == "/app.js":
        return Reply(200, (ASSETS / "app.js").read_bytes(), "text/javascript; charset=utf-8")
    if path == "/api/content.json":
        texts = {}
        for page in pages.values():
            inner = re.search(
                r"<main>(.*?)</main>", _render("semantic.html", world, company, page), re.DOTALL
            )
            assert inner  # the template has a main element
            texts[page.path] = {"title": page.title, "html": inner[1]}
        content = {"name": company.name, "navigation": navigation(company), "pages": texts}
        return Reply(200, json.dumps(content).encode(), "application/json")
    if path in pages:
        return Reply(200, render_to_string("sandbox/shell.html", {"company": company}).encode())
    return Reply(404, render_to_string("sandbox/shell.html", {"company": company}).encode())


def _robots(company: Company) -> str:
    closed = ["/internal/"]
    if company.domain == "kestrelpay.example":  # asks robots to leave its people alone
        closed.append(company.paths.team)
    rules = "".join(f"Disallow: {path}\n" for path in closed)
    return f"User-agent: *\n{rules}\nSitemap: http://{company.domain}/sitemap.xml\n"


def _sitemap(company: Company, pages: dict[str, Page]) -> str:
    urls = "".join(f"<url><loc>{escape(f'http://{company.domain}{path}')}</loc></url>" for path in pages)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{urls}</urlset>\n'
    )


def _not_found(company: Company) -> str:
    return (
        f'<!doctype html><html lang="{company.locale}"><head><title>404 | {company.name}</title>'
        '<link rel="stylesheet" href="/site.css"></head><body><h1>Page not found</h1>'
        '<p><a href="/">Start</a></p></body></html>'
    )


def _css(accent: str) -> Reply:
    css = (ASSETS / "site.css").read_text().replace(":root {", f":root {{ --accent: {accent};", 1)
    return Reply(200, css.encode(), "text/css; charset=utf-8")


def _town(world: World, path: str, port: int) -> Reply:
    """The page at the server's own address: who lives here."""
    if path == "/site.css":
        return _css("#31365f")
    if path != "/":
        return Reply(404, b"Not found\n", "text/plain; charset=utf-8")
    context = {"companies": world.companies, "people": world.people, "port": port}
    return Reply(200, render_to_string("sandbox/town.html", context).encode())


def _site_name(host: str) -> str:
    """`brightwave.example` from `Brightwave.example.localhost:8001`."""
    name = re.sub(r":\d+$", "", host.strip().lower()).rstrip(".")
    return name.removesuffix(".localhost")


def _without_www(host: str) -> str:
    return re.sub(r"^www\.", "", host.strip(), flags=re.IGNORECASE)
