"""What has to be right before a campaign's first mail leaves (SPEC SQ-4), each with what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from django.conf import settings

from campaigns.models import Campaign, Mailbox, MailboxStatus
from leadpilot.lib.errors import DomainError

# Names that nobody's mail can reach (RFC 2606, RFC 6761), and what resolves on this machine or this network only.
_NOWHERE = (
    "example",
    "test",
    "invalid",
    "localhost",
    "local",
    "internal",
    "example.com",
    "example.net",
    "example.org",
)


@dataclass(frozen=True)
class PreflightCheck:
    """One line of the list before activation; `blocks` means that the campaign cannot start without it."""

    name: str
    ok: bool
    message: str
    blocks: bool = True


class NotReady(DomainError):
    """A campaign that cannot be started; `checks` is its whole pre-flight list."""

    def __init__(self, checks: list[PreflightCheck]) -> None:
        super().__init__(" ".join(check.message for check in checks if not check.ok and check.blocks))
        self.checks = checks


def preflight(*, campaign: Campaign) -> list[PreflightCheck]:
    """The whole list for a campaign, in the order people work through it. Run inside `org_context`."""
    pool = Mailbox.objects.for_org(campaign.org_id).filter(pk__in=campaign.pool.values("mailbox_id"))
    working = list(pool.filter(status=MailboxStatus.CONNECTED).order_by("email"))
    return [
        *_mailboxes(working),
        _check(
            "postal_address",
            bool(campaign.org.postal_address.strip()),
            "Your postal address stands under each mail.",
            "Enter your organization's postal address in the settings: the law asks for it under each mail.",
        ),
        _unsubscribe(working),
        _check("steps", campaign.steps.exists(), "It has steps.", "Give it at least one step."),
        _check(
            "offer",
            bool((campaign.offer or campaign.org.offer).strip()),
            "It says what you offer.",
            "Say what you offer, so that mails can.",
            blocks=False,
        ),
    ]


def _check(name: str, ok: bool, fine: str, otherwise: str, *, blocks: bool = True) -> PreflightCheck:
    return PreflightCheck(name, ok, fine if ok else otherwise, blocks)


def _mailboxes(working: list[Mailbox]) -> list[PreflightCheck]:
    read = any(mailbox.inbound_kind != "none" for mailbox in working)
    return [
        _check("mailbox", bool(working), "A connected mailbox.", "Add a connected mailbox to it."),
        _check(
            "answers",
            read,
            "Answers are read.",
            "No mailbox of it is read, so answers would not stop a sequence.",
            blocks=False,
        ),
    ]


def _unsubscribe(working: list[Mailbox]) -> PreflightCheck:
    """The link under each mail has to open where the reader is. Mail that stays on this machine is only warned about."""
    real = [mailbox for mailbox in working if not _leads_nowhere(mailbox.email.rpartition("@")[2])]
    problem = link_problem(settings.PUBLIC_URL)
    if not real or not problem:
        return PreflightCheck("unsubscribe", True, "Each mail has an unsubscribe link and header.")
    message = (
        f"{real[0].email} writes to real people, but their unsubscribe link would not work: PUBLIC_URL is "
        f"{settings.PUBLIC_URL}, {problem}. Set PUBLIC_URL to the https address people reach this installation at, "
        "and start it again."
    )
    return PreflightCheck(
        "unsubscribe", False, message, blocks=any(not _leads_nowhere(mailbox.smtp_host) for mailbox in real)
    )


def link_problem(url: str) -> str:
    """Why readers could not open links that begin with `url`, as the end of a sentence; "" when they can."""
    parts = urlsplit(url)
    if _leads_nowhere(parts.hostname or ""):
        return "which only this machine or network can open"
    return (
        ""
        if parts.scheme == "https"
        else "which is not https, and mail programs unsubscribe only there (RFC 8058)"
    )


def _leads_nowhere(host: str) -> bool:
    host = host.lower().rstrip(".")
    try:
        return not ip_address(host).is_global
    except ValueError:
        return "." not in host or any(host == name or host.endswith(f".{name}") for name in _NOWHERE)
