"""From an approved draft to the exact bytes that leave (RFC 5322, RFC 2369, RFC 8058, RFC 3834)."""

from __future__ import annotations

import binascii
import hashlib
import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from email.header import Header
from email.utils import format_datetime
from typing import Any
from uuid import UUID

from django.utils.html import escape

from leadpilot.lib.errors import DomainError

_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\x85]")
_NUL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_RE = re.compile(r"^\s*((re|aw|antw|sv|fwd?|wg)\s*(\[\d+\])?\s*:\s*)+", re.IGNORECASE)
_LINK = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)]")
_BARE_NEWLINE = re.compile(rb"(?<!\r)\n|\r(?!\n)")
_EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,240}>")
_FOLD = "\r\n "


class BadContent(DomainError):
    """A subject, name or address that cannot stand in a mail; `field` says which."""


@dataclass(frozen=True)
class Composed:
    """A mail as its reader sees it: what is shown for approval."""

    subject: str
    text: str
    html: str
    from_email: str
    to_email: str


@dataclass(frozen=True)
class Conversation:
    """What a mail continues: the subject its thread began with, the Message-ID it answers, and those before it."""

    subject: str = ""
    in_reply_to: str = ""
    references: tuple[str, ...] = ()


@dataclass(frozen=True)
class Envelope:
    """What the bytes need beside the text."""

    message_id: str
    date: datetime
    unsubscribe_url: str = ""
    reply_to: str = ""
    automatic: bool = False
    conversation: Conversation = field(default_factory=Conversation)


def content_hash(*, from_email: str, to_email: str, subject: str, body: str) -> str:
    """SHA-256 (hex) of what is approved: sender, recipient, subject and the draft's own text."""
    parts = [from_email.lower(), to_email.lower(), subject, body.replace("\r\n", "\n")]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()


def compose(*, org: Any, mailbox: Any, lead: Any, subject: str, body: str, unsubscribe_url: str) -> Composed:
    """The whole mail around a draft's text: signature, postal address and unsubscribe line.

    An answer to a person has no `unsubscribe_url`, and then no foot. Raises BadContent.
    """
    require_header_safe(subject, "subject")
    text = body.replace("\r\n", "\n").replace("\r", "\n").strip()
    if _NUL.search(text + mailbox.signature.replace("\r", "")):
        raise BadContent(
            "The text or the signature has control characters; retype the part around them.", field="body"
        )
    signature = mailbox.signature.replace("\r\n", "\n").strip()
    foot = _foot(org, unsubscribe_url) if unsubscribe_url else ""
    plain = "\n\n".join(part for part in (text, signature) if part)
    html = "".join(_paragraphs(part) for part in (text, signature) if part)
    if foot:
        plain += f"\n\n--\u0020\n{foot}"
        html += f"<hr><p><small>{_lines(foot)}</small></p>"
    return Composed(
        subject, f"{plain}\n", f"<!doctype html><html><body>{html}</body></html>", mailbox.email, lead.email
    )


def _foot(org: Any, unsubscribe_url: str) -> str:
    address = ", ".join(line.strip() for line in org.postal_address.splitlines() if line.strip())
    sender = f"{org.name}, {address}" if address else org.name
    return f"{sender}\nYou do not want to hear from us again? Unsubscribe: {unsubscribe_url}"


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{_lines(part)}</p>" for part in re.split(r"\n\s*\n", text) if part.strip())


def _lines(text: str) -> str:
    """Escaped text with its line breaks and its own addresses as links."""
    pieces, position = [], 0
    for match in _LINK.finditer(text):
        url = escape(match[0])
        pieces += [escape(text[position : match.start()]), f'<a href="{url}">{url}</a>']
        position = match.end()
    pieces.append(escape(text[position:]))
    return "".join(pieces).replace("\n", "<br>")


def new_message_id(message_pk: UUID, mailbox_email: str) -> str:
    """`<hex@domain>` in the mailbox's own domain: Gmail rewrites others."""
    return f"<{message_pk.hex}@{mailbox_email.rpartition('@')[2].lower()}>"


def base_subject(subject: str) -> str:
    """A subject without its "Re:" and "Fwd:"."""
    return _RE.sub("", subject).strip()


def thread_subject(subject: str, conversation: Conversation) -> str:
    """The subject that leaves: an empty one, or one that begins with "Re:", follows what its thread really began with."""
    if conversation.subject and (not subject.strip() or _RE.match(subject)):
        return f"Re: {base_subject(conversation.subject)}"
    return subject


def require_header_safe(value: str, name: str) -> str:
    """The value itself; raises BadContent when it would break out of its header line."""
    if _CONTROL.search(value):
        raise BadContent(
            f"The {name.replace('_', ' ')} has a line break or control character; remove it.", field=name
        )
    return value


def _address(name: str, email: str, what: str) -> str:
    """`name <email>` for a header: quoted when plain, encoded words (RFC 2047) when not."""
    require_header_safe(name, f"{what}_name")
    require_header_safe(email, f"{what}_email")
    if not _EMAIL.fullmatch(email):
        raise BadContent(f"{email[:80]} is not an address mail can be sent to.", field=f"{what}_email")
    if not name:
        return email
    if name.isascii():
        quoted = re.sub(r'(["\\])', r"\\\1", name)
        return f'"{quoted}"{_FOLD if len(name) + len(email) > 60 else " "}<{email}>'
    return f"{_encoded(name, what)}{_FOLD}<{email}>"


def _encoded(text: str, header: str) -> str:
    """A header's text: as it is when plain and short, else folded, in encoded words where it is not ASCII."""
    charset = "us-ascii" if text.isascii() else "utf-8"
    return Header(text, charset, maxlinelen=75, header_name=header).encode(linesep="\r\n")


def build_bytes(*, org: Any, mailbox: Any, lead: Any, message: Any, envelope: Envelope) -> bytes:
    """The mail as it goes over the wire: CRLF lines of at most 998 bytes, seven bits, a text and an HTML part.

    `message` gives pk, from_email, to_email, subject and body. Raises BadContent.
    """
    subject = thread_subject(message.subject, envelope.conversation)
    shown = compose(
        org=org,
        mailbox=mailbox,
        lead=lead,
        subject=subject,
        body=message.body,
        unsubscribe_url=envelope.unsubscribe_url,
    )
    boundary = f"=_{message.pk.hex}"
    headers = _headers(mailbox, lead, message, envelope, subject)
    headers += [
        "MIME-Version: 1.0",
        f'Content-Type: multipart/alternative;{_FOLD}boundary="{boundary}"',
    ]
    parts = "".join(
        f"--{boundary}\r\nContent-Type: text/{kind}; charset=utf-8\r\n"
        f"Content-Transfer-Encoding: quoted-printable\r\n\r\n{_quoted_printable(text)}\r\n"
        for kind, text in (("plain", shown.text), ("html", shown.html))
    )
    raw = "\r\n".join(headers) + f"\r\n\r\n{parts}--{boundary}--\r\n"
    return _checked(raw.encode("ascii"))


def _headers(mailbox: Any, lead: Any, message: Any, envelope: Envelope, subject: str) -> list[str]:
    headers = [
        f"From: {_address(mailbox.from_name, message.from_email, 'from')}",
        f"To: {_address(lead.name, message.to_email, 'to')}",
        f"Subject: {_encoded(subject, 'Subject')}",
        f"Date: {format_datetime(envelope.date)}",
        f"Message-ID: {_id(envelope.message_id)}",
    ]
    if envelope.reply_to:
        headers.append(f"Reply-To: {_address('', envelope.reply_to, 'reply_to')}")
    talk = envelope.conversation
    if talk.in_reply_to:
        references = dict.fromkeys([*talk.references[-12:], talk.in_reply_to])
        headers.append(f"In-Reply-To: {_id(talk.in_reply_to)}")
        headers.append(f"References: {_FOLD.join(_id(reference) for reference in references)}")
    if envelope.unsubscribe_url:
        headers.append(
            f"List-Unsubscribe: <{require_header_safe(envelope.unsubscribe_url, 'unsubscribe_url')}>"
        )
        headers.append("List-Unsubscribe-Post: List-Unsubscribe=One-Click")
    if envelope.automatic:
        headers.append("Auto-Submitted: auto-replied")
    return headers


def _id(message_id: str) -> str:
    """A Message-ID as it may stand in a header; others' may be anything."""
    if not _MESSAGE_ID.fullmatch(message_id):
        raise BadContent(
            "A Message-ID of this conversation cannot be repeated in a mail.", field="message_id"
        )
    return message_id


def is_message_id(text: str) -> bool:
    """Whether a stranger's Message-ID is one that may be repeated in our headers."""
    return bool(_MESSAGE_ID.fullmatch(text))


def _quoted_printable(text: str) -> str:
    return binascii.b2a_qp(text.encode(), istext=True).decode("ascii").replace("\n", "\r\n")


def _checked(raw: bytes) -> bytes:
    if b"\x00" in raw or _BARE_NEWLINE.search(raw) or max(map(len, raw.split(b"\r\n"))) > 998:
        raise BadContent("The mail cannot be put into lines a mail server takes; shorten its longest line.")
    return raw


def raw_hash(raw: bytes) -> str:
    """SHA-256 (hex) of the bytes."""
    return hashlib.sha256(raw).hexdigest()
