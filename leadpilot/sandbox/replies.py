"""The mails that people of the sandbox write back, in the styles that real mail programs produce."""

import hashlib
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from html import escape
from zoneinfo import ZoneInfo

from leadpilot.sandbox.world import Answer, Person, World, in_words

_OUTLOOK = {
    "en": ("From", "Sent", "To", "Subject"),
    "de": ("Von", "Gesendet", "An", "Betreff"),
}


@dataclass(frozen=True)
class Original:
    """The mail that is answered, as far as an answer needs it."""

    message: EmailMessage
    text: str

    @property
    def message_id(self) -> str:
        """With its angle brackets; empty when the mail has none."""
        return str(self.message.get("Message-ID", "")).strip()

    @property
    def sender(self) -> tuple[str, str]:
        """Name and address of the From header."""
        return parseaddr(str(self.message.get("From", "")))

    @property
    def answer_to(self) -> str:
        """Where an answer goes: Reply-To, else From."""
        return parseaddr(str(self.message.get("Reply-To") or self.message.get("From", "")))[1]

    @property
    def subject(self) -> str:
        """The subject, without line breaks."""
        return " ".join(str(self.message.get("Subject", "")).split())


def read_original(message: EmailMessage) -> Original:
    """Take the text of a mail; HTML is not converted, since nobody here writes HTML only."""
    part = message.get_body(("plain", "html"))
    try:
        text = part.get_content() if part else ""
    except (LookupError, UnicodeDecodeError):
        text = ""
    return Original(message, str(text).strip())


def write_reply(
    world: World, person: Person, answer: Answer, original: Original, now: datetime
) -> EmailMessage:
    """The answer as a whole mail. The same mail gets the same Message-ID, whenever it is written."""
    local = now.astimezone(ZoneInfo(person.timezone or "UTC"))
    fill = _texts(world, person, original, local.date())
    text = _filled(answer.text, fill).strip()
    mail = EmailMessage(policy=policy.SMTP)
    name = person.signature.strip() if answer.style == "ticket" else person.name
    mail["From"] = f'"{name}" <{person.email}>'
    mail["To"] = original.answer_to
    mail["Subject"] = (
        _filled(answer.subject, fill) if answer.subject else _reply_subject(person, original.subject)
    )
    mail["Date"] = format_datetime(local)
    mail["Message-ID"] = reply_id(person, original)
    if answer.style != "ticket" and original.message_id:
        mail["In-Reply-To"] = original.message_id
        mail["References"] = _references(original)
    _BODIES[answer.style](mail, person, text, original, local)
    return mail


def reply_id(person: Person, original: Original) -> str:
    """A Message-ID made from the person and the mail answered."""
    digest = hashlib.sha256(f"{person.email} {original.message_id} {original.text}".encode()).hexdigest()
    return f"<{digest[:24]}@{person.email.partition('@')[2]}>"


def return_day(person: Person, today: date) -> date:
    """The first working day at least `returns_in_days` from today."""
    day = today + timedelta(days=person.returns_in_days)
    return day + timedelta(days=(7 - day.weekday()) if day.weekday() >= 5 else 0)


def _texts(world: World, person: Person, original: Original, today: date) -> dict[str, str]:
    company = world.company(person.company)
    locale = company.locale if company else "en-GB"
    back = return_day(person, today)
    return {
        "sender": (original.sender[0].split() or ["there"])[0],
        "subject": original.subject,
        "return_date": in_words(back, locale),
        "last_day": in_words(back - timedelta(days=1), locale),
    }


def _filled(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace("{" + name + "}", value)
    return text


def _reply_subject(person: Person, subject: str) -> str:
    if subject.lower().startswith(("re:", "aw:")):
        return subject
    return f"{'AW' if person.language == 'de' else 'Re'}: {subject}"


def _references(original: Original) -> str:
    earlier = " ".join(str(original.message.get("References", "")).split())
    return f"{earlier} {original.message_id}".strip()


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


def _attribution(original: Original, local: datetime) -> str:
    name, address = original.sender
    sent = original.message.get("Date")
    when = sent.datetime if sent and sent.datetime else local
    return f"On {when:%a, %d %b %Y at %H:%M}, {name or address} <{address}> wrote:"


def _plain(mail: EmailMessage, person: Person, text: str, original: Original, local: datetime) -> None:
    """Top-posted, with the quoted original under it."""
    mail["User-Agent"] = "Mozilla Thunderbird"
    attribution = _attribution(original, local)
    signature = person.signature.strip()
    mail.set_content(f"{text}\n\n-- \n{signature}\n\n{attribution}\n{_quoted(original.text)}\n")


def _inline(mail: EmailMessage, person: Person, text: str, original: Original, local: datetime) -> None:
    """The answer in the middle of the quoted original, between its lines."""
    lines = original.text.splitlines() or [""]
    middle = max(1, len(lines) // 2)
    before, after = "\n".join(lines[:middle]), "\n".join(lines[middle:])
    mail.set_content(
        f"{_attribution(original, local)}\n{_quoted(before)}\n\n{text}\n\n{_quoted(after)}\n\n"
        f"-- \n{person.signature.strip()}\n"
    )


def _mobile(mail: EmailMessage, person: Person, text: str, original: Original, local: datetime) -> None:
    """Short, from a phone, nothing quoted."""
    phone = "Von meinem Telefon gesendet" if person.language == "de" else "Sent from my phone"
    mail.set_content(f"{text}\n\n{person.signature.strip()}\n\n{phone}\n")


def _outlook(mail: EmailMessage, person: Person, text: str, original: Original, local: datetime) -> None:
    """Text and HTML; the original under a block of header lines, without quote marks."""
    mail["Thread-Topic"] = original.subject
    mail["X-Mailer"] = "Microsoft Outlook 16.0"
    labels = _OUTLOOK[person.language]
    name, address = original.sender
    values = (f"{name} <{address}>", f"{local:%A, %B %d, %Y %I:%M %p}", person.email, original.subject)
    header = "\n".join(f"{label}: {value}" for label, value in zip(labels, values, strict=True))
    signature = person.signature.strip()
    mail.set_content(f"{text}\n\n{signature}\n\n{'_' * 32}\n{header}\n\n{original.text}\n")
    rows = "<br>".join(
        f"<b>{label}:</b> {escape(value)}" for label, value in zip(labels, values, strict=True)
    )
    mail.add_alternative(
        f'<html><body><div class="WordSection1">{_paragraphs(text)}{_paragraphs(signature)}'
        f'<div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0 0 0"><p>{rows}</p></div>'
        f"{_paragraphs(original.text)}</div></body></html>",
        subtype="html",
    )


def _html(mail: EmailMessage, person: Person, text: str, original: Original, local: datetime) -> None:
    """HTML only, with the original in a quote block."""
    mail["X-Mailer"] = "Pocket Mail 4"
    attribution = escape(_attribution(original, local))
    mail.set_content(
        f'<div dir="auto">{_paragraphs(text)}</div><div dir="auto">{_paragraphs(person.signature)}</div>'
        f'<br><div class="gmail_quote"><div class="gmail_attr">{attribution}<br></div>'
        f'<blockquote class="gmail_quote">{_paragraphs(original.text)}</blockquote></div>',
        subtype="html",
    )


def _auto(mail: EmailMessage, person: Person, text: str, original: Original, local: datetime) -> None:
    """A vacation notice as RFC 3834 wants it."""
    mail["Auto-Submitted"] = "auto-replied"
    mail.set_content(f"{text}\n\n{person.signature.strip()}\n")


def _exchange_auto(
    mail: EmailMessage, person: Person, text: str, original: Original, local: datetime
) -> None:
    """A vacation notice as Exchange makes it."""
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    mail["X-MS-Exchange-Inbox-Rules-Loop"] = person.email
    mail.set_content(
        f"<html><body>{_paragraphs(text)}{_paragraphs(person.signature.strip())}</body></html>",
        subtype="html",
    )


def _ticket(mail: EmailMessage, person: Person, text: str, original: Original, local: datetime) -> None:
    """A help desk's receipt, which names no thread."""
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Ticket"] = "48213"
    mail.set_content(f"{text}\n\n{person.signature.strip()}\n")


def _paragraphs(text: str) -> str:
    blocks = text.split("\n\n")
    return "".join(
        f"<p>{escape(block.strip()).replace(chr(10), '<br>')}</p>" for block in blocks if block.strip()
    )


_BODIES = {
    "plain": _plain,
    "inline": _inline,
    "mobile": _mobile,
    "outlook": _outlook,
    "html": _html,
    "auto": _auto,
    "exchange_auto": _exchange_auto,
    "ticket": _ticket,
}
