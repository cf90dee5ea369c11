"""Fifty planted values, none of which may turn up where it does not belong, and the places that are searched for them."""

from __future__ import annotations

import base64
import io
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import structlog
from django.conf import settings
from django.db import connection

from leadpilot.lib import logs

QUEUE_TABLES = ("django_q_ormq", "django_q_task", "django_q_schedule")
# What a program keeps to itself: nowhere but where it is used.
SECRETS = {
    "smtp password": "Kestrel-77-smtp-wander",
    "smtp password with spaces": "old oak 91 lantern hill",
    "smtp password with signs": 'q"uo<te>&\\91/üben',
    "smtp password, wrong": "Wrong-Heron-5510-smtp",
    "imap password": "Bramble-42-imap-orchard",
    "imap password, wrong": "Wrong-Osprey-7731-imap",
    "imap password with spaces": "seven grey herons 38",
    "model key": "sk-proj-Zq8vW2planted0Tt5mN1rY7uK3pQ9",
    "model key of another make": "9f3b7planted2c6e8a1d4f5b0c7e9a2d1",
    "encryption key": base64.b64encode(b"planted-key-of-thirty-two-bytes!").decode(),
    "proxy password": "Egret-proxy-2290-password",
    "mail service password": "Plover-mail-4481-password",
    "user password": "violet harbor 3391 ladder",
    "user password, wrong": "crimson anchor 7718 wheel",
    "user password, new": "amber meadow 5529 bridge",
    "one-time code": "XK4PLANTED7QWERTZ2MNBVC",
    "bearer token": "tok-Bearer-planted-66182-abcdef",
    "cookie": "session-planted-91827364-value",
    "api key header": "planted-api-key-5523-qqwwee",
    "webhook secret": "whsec_planted0099aabbccddeeff",
    "cloud key": "AKIAPLANTED00EXAMPLE1",
    "database password": "Falcon-db-9921-password",
    "system database password": "Merlin-db-1129-password",
    "owner database password": "Harrier-db-7712-password",
    "basic login": "dXNlcjpwbGFudGVkLXBhc3M5OTE=",
}
# What is known of people: shown to their organization's members, and nobody else; not in logs, tracebacks or queues.
PEOPLE = {
    "lead's address": "ada.planted@engines-of-planted.example",
    "lead's name": "Ada Plantedlace",
    "lead's phone": "+49 40 99177123",
    "lead's whatsapp": "+49 151 99177124",
    "lead's place": "Plantedhausen am See",
    "lead's own field": "shoe size planted 43",
    "lead's basis": "consent planted at fair",
    "lead's source": "planted business card",
    "note": "She told me of her planted surgery.",
    "mail received": "Call my planted wife instead, thanks.",
    "mail received as html": "<b>planted html body 8812</b>",
    "subject received": "Planted subject of an answer",
    "mail written": "Dear Ada, about your planted engine…",
    "subject written": "A planted question",
    "page": "Our planted office dog is called Rex.",
    "fact": "They keep a planted office dog.",
    "imported name": "Ida Plantedsen",
    "imported address": "ida.planted@rows-of-planted.example",
    "imported phone": "+45 99 17 71 25",
    "imported broken address": "planted-at-nowhere.example",
    "imported note": "planted note in a cell",
    "suppressed address": "gone.planted@engines-of-planted.example",
    "search words": "planted search words",
    "instructions": "Mention the planted fair in Hanover.",
    "postal address": "7 Planted Quay, Hamburg",
}
ALL = {**SECRETS, **PEOPLE}


@dataclass(frozen=True)
class Found:
    """A planted value in a place where it does not belong."""

    what: str
    where: str


def forms_of(value: str) -> set[str]:
    """As it is, in an address, in HTML, in JSON, in base64 (three ways it can be cut)."""
    data = value.encode()
    found = {value, quote(value, safe=""), quote(value)}
    found |= {value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")}
    found |= {value.replace("\\", "\\\\").replace('"', '\\"')}
    for shift in range(3):
        start, end = (0, 2, 1)[shift], (len(data) + shift) // 3 * 4
        found.add(
            base64.b64encode(b"\0" * shift + data).decode()[start * 2 if shift else 0 : end].rstrip("=")
        )
    return {form for form in found if len(form) >= 8}


def search(where: str, text: str, planted: dict[str, str] | None = None) -> list[Found]:
    """Which of the values, in any form, stand in a text."""
    values = ALL if planted is None else planted
    return [Found(what, where) for what, value in values.items() if any(f in text for f in forms_of(value))]


def rows_of(tables: Iterable[str], using: Any = connection) -> str:
    """All rows of some tables as text."""
    with using.cursor() as cursor:
        texts = []
        for table in tables:
            cursor.execute(f"SELECT coalesce(string_agg(t::text, chr(10)), '') FROM \"{table}\" t")
            texts.append(cursor.fetchone()[0])
    return "\n".join(texts)


@contextmanager
def captured_logs(known: Iterable[str] = ()) -> Iterator[io.StringIO]:
    """Everything that is logged inside, from DEBUG on, as production writes it: JSON, redacted, with tracebacks."""
    stream, root = io.StringIO(), logging.getLogger()
    before = structlog.get_config()
    config = logs.configure(json=True, level="DEBUG", known=[*known, *settings.KNOWN_SECRETS])
    structlog.configure(**before)
    arguments = dict(config["formatters"]["leadpilot"])
    handler = logging.StreamHandler(stream)
    handler.setFormatter(arguments.pop("()")(**arguments))
    levels = {name: item["level"] for name, item in config["loggers"].items()} | {"": "DEBUG"}
    were = {name: logging.getLogger(name).level for name in levels}
    root.addHandler(handler)
    try:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        yield stream
    finally:
        root.removeHandler(handler)
        for name, level in were.items():
            logging.getLogger(name).setLevel(level)
