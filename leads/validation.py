"""What a lead's fields must look like: one set of rules for forms, services, imports and the command (seed 000, 8.2).

Values are tidied first (spaces, `mailto:`, a missing `https://`, placeholders such as `n/a`). What is wrong after that
is reported with the field, the value and the way out; nothing is cut off or dropped silently. Unlike the seed's rule, a
name may be one character long: there are people who are called O.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from leads.models.lead import EMAIL_PATTERN

NAME_MAX = 100
MAX_TAGS = 50
MAX_CUSTOM_VALUE = 5000
LENGTHS = {
    "company": 200,
    "title": 200,
    "phone": 40,
    "whatsapp": 40,
    "location": 200,
    "source": 120,
    "lawful_basis": 60,
    "consent_source": 200,
}
URL_FIELDS = ("linkedin_url", "website_url", "ig_url", "twitter_url")
URL_MAX = 500
FIELDS = ("name", "email", *LENGTHS, *URL_FIELDS, "time_zone", "tags", "custom_fields")

_EMAIL = re.compile(EMAIL_PATTERN)
_NAMED_ADDRESS = re.compile(r"^[^<>]*<([^<>\s]+@[^<>\s]+)>$")
_UNSUPPORTED = re.compile(r"[^\x00-\x7f]|[!#$&'*/=?^`{|}~]")  # before the @: RFC 6531 and RFC 5322 allow them
_HOST = re.compile(r"^(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*\.[a-z][a-z0-9-]{1,62}$")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\ufeff]")
_BREAKS = re.compile(r"[\t\n\r\v\f\x85\u2028\u2029]")
_NOTHING = frozenset(
    {"n/a", "na", "n.a.", "-", "--", "—", "none", "null", "nil", "undefined", "unknown", "#n/a", "?"}
)
_HANDLE = re.compile(r"^@?[\w.]{1,50}$")
_EXCEL_TEXT = re.compile(r'^="(.*)"$')


@dataclass(frozen=True, slots=True)
class Fault:
    """One value that cannot be taken."""

    field: str
    value: str
    message: str


def clean(values: Mapping[str, Any], *, partial: bool = False) -> tuple[dict[str, Any], list[Fault]]:
    """Tidied values of the known `FIELDS` and what is wrong with them.

    `partial`: only the given fields are looked at; otherwise name and email must be there.
    """
    cleaned: dict[str, Any] = {}
    faults: list[Fault] = []
    for field, given in (values if partial else {"name": "", "email": "", **values}).items():
        if (cleaner := _CLEANERS.get(field)) is None:
            continue
        cleaned[field], message = cleaner(field, given)
        if message:
            faults.append(Fault(field, given if isinstance(given, str) else str(given), message))
    return cleaned, faults


def tidy(value: Any) -> str:
    """One line of text without control characters, Excel's `="…"` and stray spaces."""
    text = value if isinstance(value, str) else "" if value is None else str(value)
    if text.isprintable() and "  " not in text and not text.startswith(("=", " ")) and not text.endswith(" "):
        return text
    if match := _EXCEL_TEXT.match(text.strip()):
        text = match[1]
    return " ".join(_CONTROL.sub("", _BREAKS.sub(" ", text)).split())


def _optional(value: Any) -> str:
    text = tidy(value)
    return "" if text.lower() in _NOTHING else text


def _name(field: str, value: Any) -> tuple[str, str]:
    name = tidy(value)
    if not name:
        return name, "The name is missing: give the person's name."
    if len(name) > NAME_MAX:
        return name, f"The name has {len(name)} characters: shorten it to {NAME_MAX}."
    return name, ""


def _email(field: str, value: Any) -> tuple[str, str]:
    email = normal_email(value)
    return email, email_fault(email)


def normal_email(value: Any) -> str:
    """The bare address in lower case: without `mailto:`, a display name and spaces; its domain in ASCII."""
    email = tidy(value)
    if "<" in email and (match := _NAMED_ADDRESS.match(email)):
        email = match[1]
    email = email.removeprefix("mailto:").strip("<>'\"").lower()
    if not email.isascii() and "@" in email:
        local, _, domain = email.rpartition("@")
        with suppress(UnicodeError):
            email = f"{local}@{domain.encode('idna').decode()}"
    return email


def email_fault(email: str) -> str:
    """Why this (normal) address cannot be written to, or nothing."""
    if not email:
        return "The email address is missing: a lead needs one."
    local, at, domain = email.rpartition("@")
    if email.count("@") > 1 and re.search(r"[,;/\s]", email):
        return f"“{email}” holds several addresses: keep one."
    if not at:
        return f"“{email}” is not an email address: it has no @."
    if not re.search(r"[\s@,;<>\"]", local) and (odd := _UNSUPPORTED.search(local)):
        return (
            f"“{email}” has “{odd[0]}” before the @, which is not supported: only a–z, digits and . _ % + - are. "
            "Use another address of this person."
        )
    if not _EMAIL.match(email) or ".." in email or local.startswith(".") or local.endswith("."):
        return f"“{email}” is not a valid email address: correct it, for example ada@example.com."
    if len(local) > 64 or len(email) > 254:
        return f"“{local[:30]}…” is too long for an email address."
    if not _is_host(domain):
        return f"“{domain}” is not a valid mail domain: correct the part after the @."
    return ""


@lru_cache(maxsize=8192)  # colleagues stand together in a list
def _is_host(domain: str) -> bool:
    return _HOST.match(domain) is not None


@lru_cache(maxsize=8192)  # an imported file says the same company, city and web site again and again
def _short_text(field: str, value: Any) -> tuple[str, str]:
    text, most = _optional(value), LENGTHS[field]
    if len(text) > most:
        return text, f"This value has {len(text)} characters: shorten it to {most}."
    return text, ""


@lru_cache(maxsize=8192)
def _url(field: str, value: Any) -> tuple[str, str]:
    given = _optional(value)
    if not given:
        return "", ""
    url = _whole_url(field, given)
    try:
        parts = urlsplit(url)
        host, _ = (parts.hostname or "").encode("idna").decode(), parts.port
    except (ValueError, UnicodeError):
        host, parts = "", urlsplit("")
    if parts.scheme not in ("http", "https") or not _HOST.match(host) or "@" in parts.netloc or " " in url:
        return (
            url,
            f"“{url[:80]}” is not a web address: write it like https://example.com, or leave it empty.",
        )
    if len(url) > URL_MAX:
        return url, f"This address has {len(url)} characters: shorten it to {URL_MAX}."
    return url, ""


def _whole_url(field: str, url: str) -> str:
    if field == "ig_url" and _HANDLE.match(url) and ("." not in url or url.startswith("@")):
        return f"https://www.instagram.com/{url.lstrip('@')}"
    if field == "twitter_url" and _HANDLE.match(url) and ("." not in url or url.startswith("@")):
        return f"https://twitter.com/{url.lstrip('@')}"
    if field == "linkedin_url" and url.lstrip("/").startswith(("in/", "company/")):
        return f"https://www.linkedin.com/{url.lstrip('/')}"
    if re.match(r"^[a-zA-Z][a-zA-Z0-9+.-]*://", url) or url.lower().startswith(
        ("javascript:", "data:", "mailto:")
    ):
        return url
    return f"https://{url.lstrip('/')}"


@lru_cache(maxsize=512)
def _time_zone(field: str, value: Any) -> tuple[str, str]:
    zone = _optional(value)
    if zone and zone not in _zones():
        return zone, f"“{zone[:60]}” is not a time zone: write it like Europe/Berlin, or leave it empty."
    return zone, ""


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def split_tags(value: Any) -> list[str]:
    """Tags from a list, or from a text with commas, semicolons or bars between them; each once, in order."""
    if isinstance(value, str):
        return list(_tags_in(value))
    return list(dict.fromkeys(tag for part in value or () if (tag := _optional(part))))


@lru_cache(maxsize=2048)
def _tags_in(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tag for part in re.split(r"[,;|]", text) if (tag := _optional(part))))


def _tags(field: str, value: Any) -> tuple[list[str], str]:
    tags = split_tags(value)
    if long := next((tag for tag in tags if len(tag) > 60), None):
        return tags, f"The tag “{long[:40]}…” is too long: shorten it to 60 characters."
    return tags, f"These are {len(tags)} tags: keep at most {MAX_TAGS}." if len(tags) > MAX_TAGS else ""


def _custom(field: str, value: Any) -> tuple[dict[str, Any], str]:
    if not isinstance(value, Mapping):
        return {}, "Custom fields must be names with values."
    for key, text in value.items():
        if len(str(text)) > MAX_CUSTOM_VALUE:
            return (
                {},
                f"The value in “{str(key)[:40]}” has {len(str(text)):,} characters; at most {MAX_CUSTOM_VALUE:,}.",
            )
    return dict(value), ""


_CLEANERS: dict[str, Callable[[str, Any], tuple[Any, str]]] = {
    "name": _name,
    "email": _email,
    **dict.fromkeys(LENGTHS, _short_text),
    **dict.fromkeys(URL_FIELDS, _url),
    "time_zone": _time_zone,
    "tags": _tags,
    "custom_fields": _custom,
}
