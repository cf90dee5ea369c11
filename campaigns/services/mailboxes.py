"""Connecting a mailbox of the user's own, tested step by step (SPEC DL-1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from campaigns import imap, maildir, smtp
from campaigns.models import InboundKind, Mailbox, MailboxStatus, Message, MessageStatus
from campaigns.rendering import BadContent, require_header_safe
from campaigns.services import delivery, polling
from leadpilot.lib import clock
from leadpilot.lib.encryption import DecryptionError
from leadpilot.lib.errors import Conflict, DomainError
from leadpilot.orgs import notes
from leadpilot.orgs.models import Organization, User
from leadpilot.orgs.services import record

_TEST_LIMITS = smtp.Limits(connect=20)
_FIELDS = {
    *("email", "from_name", "signature", "smtp_host", "smtp_port", "smtp_security", "smtp_username"),
    *("inbound_kind", "imap_host", "imap_port", "imap_security", "imap_username"),
    *("daily_cap", "min_spacing_seconds", "ramp_start", "ramp_step", "ramp_started_at"),
}
_FIELD_OF = {
    ("smtp", "password"): "smtp_password",
    ("smtp", "tls"): "smtp_security",
    ("smtp", "protocol"): "smtp_port",
    ("smtp", "timeout"): "smtp_port",
    ("smtp", "connection"): "smtp_port",
    ("imap", "password"): "imap_password",
    ("imap", "tls"): "imap_security",
    ("imap", "protocol"): "imap_port",
    ("imap", "timeout"): "imap_port",
    ("imap", "connection"): "imap_port",
}


@dataclass(frozen=True)
class TestResult:
    """One step of a connection test: `smtp` or `imap`, whether it went well, and a sentence. `field` is what to mend."""

    __test__ = False  # not a test class, whatever pytest thinks of its name

    step: str
    ok: bool
    message: str
    field: str = ""


class MailboxTestFailed(DomainError):
    """A mailbox that was not saved because it does not work; `results` has every step."""

    def __init__(self, results: list[TestResult]) -> None:
        failed = next(result for result in results if not result.ok)
        super().__init__(failed.message, field=failed.field)
        self.results = results


def save_mailbox(
    *,
    org: Organization,
    by: User | None = None,
    mailbox: Mailbox | None = None,
    smtp_password: str | None = None,
    imap_password: str | None = None,
    test: bool = True,
    **fields: Any,
) -> Mailbox:
    """Make or change a mailbox, after a connection test unless `test` is False. Passwords left None stay as they are.

    Raises MailboxTestFailed with every step, Conflict when the address is there already, DomainError naming a field.
    """
    if unknown := fields.keys() - _FIELDS:
        raise TypeError(f"A mailbox has no field {', '.join(sorted(unknown))}.")
    is_new = mailbox is None
    mailbox = mailbox or Mailbox(org=org)
    for name, value in fields.items():
        setattr(mailbox, name, value.strip() if isinstance(value, str) and name != "signature" else value)
    _check(mailbox)
    for name, secret in (("smtp_password", smtp_password), ("imap_password", imap_password)):
        if secret is not None:
            mailbox.write_secret(name, secret)
    if test:
        results = test_mailbox(mailbox=mailbox)
        if not all(result.ok for result in results):
            raise MailboxTestFailed(results)
        mailbox.last_checked_at = clock.now()
        mailbox.status, mailbox.status_reason, mailbox.send_failures = MailboxStatus.CONNECTED, "", 0
    mailbox.next_send_at = None  # caps and spacing may be others now
    try:
        with transaction.atomic():
            mailbox.save(force_insert=is_new)
            verb = "connected" if is_new else "changed"
            record(
                org=org,
                actor=by,
                action=f"mailbox.{verb}",
                message=f"{mailbox.email} was {verb}.",
                subject=mailbox,
            )
    except IntegrityError as error:
        raise Conflict(f"The mailbox {mailbox.email} is connected already.", field="email") from error
    return mailbox


def _check(mailbox: Mailbox) -> None:
    mailbox.email = mailbox.email.lower()
    try:
        validate_email(mailbox.email)
    except ValidationError as error:
        raise DomainError(f"“{mailbox.email}” is not a mail address.", field="email") from error
    try:
        require_header_safe(mailbox.from_name, "from_name")
    except BadContent as error:
        raise DomainError(str(error), field="from_name") from error
    if not mailbox.from_name:
        raise DomainError("Give the name your mails come from.", field="from_name")
    if not mailbox.smtp_host:
        raise DomainError("Give the server that sends your mail, like smtp.example.com.", field="smtp_host")
    if mailbox.inbound_kind == InboundKind.IMAP and not mailbox.imap_host:
        raise DomainError(
            "Give the server that your answers are read from, like imap.example.com.", field="imap_host"
        )
    taken = Mailbox.objects.for_org(mailbox.org_id).filter(email=mailbox.email).exclude(pk=mailbox.pk)
    if taken.exists():
        raise Conflict(f"The mailbox {mailbox.email} is connected already.", field="email")


def test_mailbox(*, mailbox: Mailbox) -> list[TestResult]:
    """Log in to send and to read, each with a sentence. Nothing is sent; a new IMAP mailbox is bookmarked at its end."""
    return [_test_smtp(mailbox), _test_inbound(mailbox)]


test_mailbox.__test__ = False  # type: ignore[attr-defined]


def _failed(step: str, error: smtp.ConnectFailed) -> TestResult:
    return TestResult(step, False, str(error), _FIELD_OF.get((step, error.kind), f"{step}_host"))


def _unopened(step: str) -> TestResult:
    return TestResult(step, False, "The stored password does not open; type it again.", f"{step}_password")


def _test_smtp(mailbox: Mailbox) -> TestResult:
    try:
        connection = smtp.Connection(delivery.server_of(mailbox), _TEST_LIMITS)
        connection.open()
    except DecryptionError:
        return _unopened("smtp")
    except smtp.ConnectFailed as error:
        return _failed("smtp", error)
    connection.quit()
    return TestResult("smtp", True, f"Signed in to {mailbox.smtp_host}; mail can be sent.")


def _test_inbound(mailbox: Mailbox) -> TestResult:
    if mailbox.inbound_kind == InboundKind.NONE:
        return TestResult("imap", True, "Answers are not read from this mailbox.")
    if mailbox.inbound_kind == InboundKind.MAILDIR:
        try:
            maildir.maildir_of(mailbox.email)
        except maildir.NoMaildir as error:
            return TestResult("imap", False, str(error), "inbound_kind")
        return TestResult("imap", True, "Answers are read from the sandbox's Maildir.")
    try:
        server = polling.server_of(mailbox)
    except DecryptionError:
        return _unopened("imap")
    inbox = imap.Inbox(server, seconds=20, timeout=10)
    try:
        with inbox:
            validity, next_uid = inbox.inbox_state()
    except imap.FAILURES as error:
        return _failed("imap", imap.failure(error, server, late=inbox.late))
    if mailbox.imap_uidvalidity is None:
        mailbox.imap_uidvalidity, mailbox.imap_last_uid = validity, next_uid - 1
    return TestResult("imap", True, f"Signed in to {mailbox.imap_host}; answers can be read.")


@transaction.atomic
def pause_mailbox(*, mailbox: Mailbox, by: User | None = None, reason: str = "") -> None:
    """Stop sending from it; its mails wait. Answers are still read."""
    said = reason or f"Paused by {by}."
    Mailbox.objects.for_org(mailbox.org_id).filter(pk=mailbox.pk).update(
        status=MailboxStatus.PAUSED, status_reason=said
    )
    record(
        org=mailbox.org,
        actor=by,
        action="mailbox.paused",
        message=f"{mailbox.email}: {said}",
        subject=mailbox,
    )
    mailbox.refresh_from_db()


@transaction.atomic
def resume_mailbox(*, mailbox: Mailbox, by: User | None = None) -> None:
    """Send from it again; what waited goes out under its own rules."""
    Mailbox.objects.for_org(mailbox.org_id).filter(pk=mailbox.pk).update(
        status=MailboxStatus.CONNECTED, status_reason="", send_failures=0, next_send_at=None
    )
    notes.settle(org=mailbox.org_id, type="mailbox_paused", about=mailbox.email)
    record(
        org=mailbox.org,
        actor=by,
        action="mailbox.resumed",
        message=f"{mailbox.email} sends again.",
        subject=mailbox,
    )
    mailbox.refresh_from_db()


@transaction.atomic
def delete_mailbox(*, mailbox: Mailbox, by: User | None = None) -> None:
    """Remove a mailbox that nothing left from and nothing waits in. Raises DomainError otherwise: pause it instead."""
    rows = Message.objects.for_org(mailbox.org_id).filter(mailbox=mailbox)
    if rows.exists():
        waiting = rows.exclude(
            status__in=[MessageStatus.SENT, MessageStatus.CANCELLED, MessageStatus.REFUSED]
        ).exists()
        what = (
            "Mails wait in it" if waiting else "Mails were sent from it, and their history would go with it"
        )
        raise DomainError(f"{what}; pause it instead.")
    record(org=mailbox.org, actor=by, action="mailbox.deleted", message=f"{mailbox.email} was removed.")
    mailbox.delete()
