"""The entries of the navigation, and which one a page belongs to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse


@dataclass(frozen=True)
class Entry:
    """One entry: `go` is the letter after `g`, `in_dock` means it stays visible on a phone."""

    key: str
    label: str
    icon: str
    url_name: str
    go: str = ""
    counter: str = ""
    under: str = ""
    in_dock: bool = False


ENTRIES = (
    Entry("today", "Today", "sunrise", "agent:today", go="t", in_dock=True),
    Entry(
        "approvals",
        "Approvals",
        "list-checks",
        "agent:approval_list",
        go="a",
        counter="approvals",
        in_dock=True,
    ),
    Entry("inbox", "Inbox", "inbox", "campaigns:inbox", go="i", counter="inbox", in_dock=True),
    Entry("leads", "Leads", "users", "leads:lead_list", go="l", in_dock=True),
    Entry("import", "Import", "upload", "leads:import_create", under="leads"),
    Entry("campaigns", "Campaigns", "send", "campaigns:campaign_list", go="c"),
    Entry("agent", "Agent", "bot", "agent:control_center", go="g"),
    Entry("mailboxes", "Mailboxes", "mailbox", "campaigns:mailbox_list", go="m"),
    Entry("settings", "Settings", "settings", "orgs:settings", go="s"),
)


@dataclass(frozen=True)
class Link:
    """An entry as shown on one page."""

    entry: Entry
    url: str
    current: bool


def links(request: HttpRequest | None) -> list[Link]:
    """Every entry whose page exists. Current is the longest address that the request's path starts with."""
    found = [(entry, url) for entry in ENTRIES if (url := _url(entry.url_name))]
    path = request.path if request else ""
    matching = [url for _, url in found if path == url or (url != "/" and path.startswith(url))]
    current = max(matching, key=len, default=None)
    return [Link(entry, url, url == current) for entry, url in found]


def _url(name: str) -> str:
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""


AgentStatus = Callable[[HttpRequest], dict[str, Any]]
_status_provider: AgentStatus | None = None


def register_agent_status(provider: AgentStatus) -> None:
    """The app above tells here what the agent is doing, so that a page's first answer already shows it.

    `provider(request)` returns what `components/agent_status.html` needs.
    """
    global _status_provider
    _status_provider = provider


def agent_status(request: HttpRequest | None) -> dict[str, Any]:
    """What the registered app says for a member's request, else nothing."""
    if request is None or _status_provider is None or getattr(request, "org", None) is None:
        return {}
    return _status_provider(request)
