"""Mails that people and machines send back, as bytes."""

from __future__ import annotations

from email.message import EmailMessage
from typing import Any


def reply(message: Any, text: str = "Sounds good, call me.", *, quoted: bool = True, **headers: str) -> bytes:
    """A person's answer to one of our messages; `headers` replace or add (underscores become hyphens)."""
    mail = EmailMessage()
    values = {
        "From": f"Ann Li <{message.to_email}>",
        "To": message.from_email,
        "Subject": f"Re: {message.subject}",
        "Message-ID": "<answer@firm.example>",
        "In-Reply-To": message.message_id,
        "References": message.message_id,
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    for name, value in values.items():
        if value:
            mail[name] = value
    old = "\n".join(f"> {line}" for line in message.body.splitlines())
    mail.set_content(
        f"{text}\n\nOn Sat, Nov 21, 2026 at 9:00 AM Alex Moreau wrote:\n{old}\n" if quoted else text
    )
    return mail.as_bytes()


def bounce(
    message: Any,
    *,
    status: str = "5.1.1",
    said: str = "550 5.1.1 user unknown",
    action: str = "failed",
    original: bool = True,
    recipient: str = "",
) -> bytes:
    """A delivery report as RFC 3464 has it."""
    returned = (
        f"Message-ID: {message.message_id}\r\nSubject: {message.subject}\r\n"
        if original
        else "Subject: x\r\n"
    )
    recipient = recipient or message.to_email
    return (
        "Return-Path: <>\r\n"
        "From: MAILER-DAEMON@mx.firm.example\r\n"
        f"To: {message.from_email}\r\n"
        "Subject: Undelivered Mail Returned to Sender\r\n"
        "Auto-Submitted: auto-replied\r\n"
        "MIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n'
        "\r\n--b\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        "Reporting-MTA: dns; mx.firm.example\r\n\r\n"
        f"Final-Recipient: rfc822; {recipient}\r\nAction: {action}\r\nStatus: {status}\r\n"
        f"Diagnostic-Code: smtp; {said}\r\n"
        f"\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n{returned}\r\nHello.\r\n--b--\r\n"
    ).encode()


def complaint(message: Any) -> bytes:
    """A feedback report of RFC 5965."""
    return (
        "From: abuse@provider.example\r\nSubject: complaint\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=feedback-report; boundary="b"\r\n'
        "\r\n--b\r\nContent-Type: text/plain\r\n\r\nComplaint.\r\n"
        "--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\n"
        f"\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: {message.message_id}\r\n\r\nx\r\n--b--\r\n"
    ).encode()
