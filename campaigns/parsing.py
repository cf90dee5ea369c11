"""A mail from outside as plain values: who, about what, which words are new, and whether a machine wrote it.

Never raises and never trusts: headers may be missing, forged, repeated or in any encoding.
"""

from __future__ import annotations

import email
import email.header
import email.message
import email.utils
import hashlib
import logging
import re
from dataclasses import dataclass, field
from email.parser import BytesHeaderParser

from mailparser_reply import EmailReplyParser

from leadpilot.lib.html import html_to_text, sanitise_email_html

log = logging.getLogger(__name__)

_ID = re.compile(r"<[^<>\s]{1,240}>")
_NUL = re.compile(r"[\x00\ud800-\udfff]")
_ROBOTS = re.compile(
    r"^(mailer-daemon|postmaster|no-?reply|do-?not-?reply|bounces?|auto-?reply|autoresponder)\b", re.I
)
_ROBOT_SUBJECT = re.compile(
    r"^\s*((re|aw|sv):\s*)*\[?(auto(matic|mated)?[ -]?(reply|response|answer|antwort)|automatische antwort"
    r"|out of (the )?office|abwesen(d|heit)|abwesenheitsnotiz|réponse automatique|absence du bureau"
    r"|respuesta automática|fuera de la oficina|risposta automatica|fuori sede|resposta automática"
    r"|automatisch antwoord|automatiskt svar|autosvar|odpowiedź automatyczna|automatická odpověď)",
    re.I,
)
_ATTRIBUTION = re.compile(
    r"^(?:On|Am|Le|El|Il|Op) .{8,200}(?:wrote|schrieb|écrit|escribió|scritto|schreef).{0,120}:[ ]*$", re.M
)
_LANGUAGES = ["en", "de", "fr", "es", "it", "nl", "pl", "pt", "sv", "da", "cs"]
_MOST_TEXT, _MOST_HTML, _MOST_QUOTED = 100_000, 300_000, 30_000
_KEPT = (
    *(
        "in-reply-to",
        "references",
        "date",
        "auto-submitted",
        "precedence",
        "list-id",
        "return-path",
        "reply-to",
    ),
    *("x-autoreply", "x-autorespond", "x-auto-response-suppress", "to", "cc", "content-type"),
)


@dataclass(frozen=True)
class ParsedMail:
    """What we keep of a mail. `references` are the Message-IDs it answers, nearest first."""

    digest: str
    message_id: str = ""
    from_email: str = ""
    from_name: str = ""
    subject: str = ""
    text: str = ""
    html: str = ""
    new_text: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    references: tuple[str, ...] = ()
    automatic: str = ""

    @property
    def is_automatic(self) -> bool:
        """Whether a machine wrote it; `automatic` says how we know."""
        return bool(self.automatic)


def parse(raw: bytes) -> ParsedMail:
    """Read a mail of any shape."""
    digest = hashlib.sha256(raw).hexdigest()
    message = to_message(raw)
    headers = {name: header(message, name)[:2000] for name in _KEPT if message.get(name) is not None}
    name, address = _sender(message)
    text, html = _bodies(message)
    subject = one_line(header(message, "subject"))[:998]
    ids = [
        *_ID.findall(headers.get("in-reply-to", "")),
        *reversed(_ID.findall(header(message, "references"))),
    ]
    return ParsedMail(
        digest=digest,
        message_id=_message_id(message),
        from_email=address,
        from_name=name,
        subject=subject,
        text=text,
        html=html,
        new_text=new_words(text),
        headers=headers,
        references=tuple(dict.fromkeys(ids))[:50],
        automatic=why_automatic(message, headers, address, subject),
    )


def to_message(raw: bytes) -> email.message.Message:
    """Parse the bytes; of a mail built to break parsers only the headers."""
    try:
        message = email.message_from_bytes(raw)
        list(message.walk())
        return message
    except (RecursionError, ValueError, LookupError, TypeError, AttributeError, AssertionError):
        log.warning("A mail of %d bytes is malformed; only its headers are read", len(raw))
        return BytesHeaderParser().parsebytes(raw[:200_000])


def header(message: email.message.Message, name: str) -> str:
    """One header's text, decoded as far as it can be."""
    value = next((text for key, text in message.raw_items() if key.lower() == name), None)
    if value is None:
        return ""
    value = str(value)
    if not value.isascii():  # bytes that were never encoded, as many programs send them
        value = _text_of(value.encode("utf-8", "surrogateescape"))
    try:
        return clean(str(email.header.make_header(email.header.decode_header(value))))
    except (LookupError, ValueError, UnicodeError, email.errors.HeaderParseError):
        return clean(str(value))


def clean(text: str) -> str:
    """Without what PostgreSQL cannot store: NUL and lone surrogates."""
    return _NUL.sub("\ufffd", text)


def one_line(text: str) -> str:
    """White space of any kind as single blanks."""
    return " ".join(text.split())


def _sender(message: email.message.Message) -> tuple[str, str]:
    name, address = email.utils.parseaddr(one_line(header(message, "from")))
    address = address.strip().lower()
    if "@" not in address or len(address) > 320:
        address = ""
    return one_line(name)[:200], address


def _message_id(message: email.message.Message) -> str:
    value = one_line(header(message, "message-id"))
    match = _ID.search(value)
    return match[0] if match else value[:240]


def _bodies(message: email.message.Message) -> tuple[str, str]:
    """The plain text and the harmless HTML. Attachments are not read."""
    plain, html = "", ""
    for part in message.walk():
        kind = part.get_content_type()
        if part.is_multipart() or (part.get("content-disposition") or "").lower().startswith("attachment"):
            continue
        if kind == "text/plain" and not plain:
            plain = _decoded(part)[:_MOST_TEXT]
        elif kind == "text/html" and not html:
            html = _decoded(part)[:_MOST_HTML]
    if html and not plain.strip():
        plain = html_to_text(html)[:_MOST_TEXT]
    return plain.replace("\r\n", "\n"), sanitise_email_html(html) if html else ""


def _decoded(part: email.message.Message) -> str:
    try:
        data = part.get_payload(decode=True)
    except (ValueError, LookupError, AssertionError):
        return ""
    if not isinstance(data, bytes):
        return ""
    charset = part.get_content_charset() or "utf-8"
    try:
        return clean(data.decode(charset))
    except (LookupError, UnicodeError, ValueError):
        return clean(_text_of(data))


def _text_of(data: bytes) -> str:
    """Bytes of an encoding nobody named: UTF-8, or what Windows wrote."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def new_words(text: str) -> str:
    """What the author wrote, without the quoted mail and the signature; all of it rather than nothing."""
    try:
        found = EmailReplyParser(languages=_LANGUAGES).parse_reply(text[:_MOST_QUOTED]) or ""
    except (re.error, ValueError, IndexError, RecursionError, AttributeError):
        found = ""
    return _without_quotes(found) or _without_quotes(text) or text.strip()


def _without_quotes(text: str) -> str:
    """Drop quoted lines between which somebody answered: our own words are not theirs."""
    kept = [line for line in text.splitlines() if not line.lstrip().startswith(">")]
    return _ATTRIBUTION.sub("", "\n".join(kept)).strip()


def why_automatic(message: email.message.Message, headers: dict[str, str], address: str, subject: str) -> str:
    """How we know that a machine wrote it (RFC 3834 and custom), or ""."""
    submitted = headers.get("auto-submitted", "").strip().lower()
    if submitted and not submitted.startswith("no"):
        return f"Auto-Submitted: {submitted[:60]}"
    precedence = headers.get("precedence", "").strip().lower()
    if precedence in ("bulk", "junk", "list", "auto_reply", "auto-reply"):
        return f"Precedence: {precedence}"
    if "x-autoreply" in headers or "x-autorespond" in headers:
        return "It says it is an automatic answer."
    if message.get_content_type() == "multipart/report":
        return "It is a report."
    if headers.get("return-path", "x").strip() == "<>":
        return "It came from the empty sender."
    if "list-id" in headers:
        return "It came over a mailing list."
    if _ROBOTS.match(address):
        return f"Its sender is {address[:80]}."
    if _ROBOT_SUBJECT.match(subject):
        return f"Its subject: {subject[:80]}"
    return ""
