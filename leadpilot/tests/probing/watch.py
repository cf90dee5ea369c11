"""Reads along with every line that is logged while the tests run, and knows the secrets they use."""

from __future__ import annotations

import base64
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings

from leadpilot.lib import secrets as secret_fields

SHORTEST = 8  # "secret", a password of some tests, is a word of many sentences
FIXED = {"correct horse battery", "hunter2-hunter2", "sandbox-only-password"}
# What is made anew each time: stored ciphertext, sign-in and opt-out links, session cookies, private keys.
LOOKS = re.compile(
    r"\bv1\.[A-Za-z0-9_-]{1,32}\.[A-Za-z0-9_-]{38,}|/enter/[A-Za-z0-9_-]{20,}|/u/[A-Za-z0-9_-]{40,}\.[A-Za-z0-9_-]{20,}"
    r"|\bsk-[A-Za-z0-9_-]{16,}|sessionid=[a-z0-9]{32}|-----BEGIN [A-Z ]*PRIVATE KEY"
)


class LogWatch:
    """`found` are the lines that told something since they were last taken."""

    def __init__(self) -> None:
        self.planted: set[str] = {*FIXED, *settings.KNOWN_SECRETS}
        self.planted |= {base64.b64encode(value.encode()).decode() for value in FIXED}
        self.found: list[str] = []
        self.lines = 0

    def plant(self, value: str) -> None:
        """From now on this must not be logged."""
        if len(value) >= SHORTEST:
            self.planted.add(value)

    def read(self, line: str) -> None:
        """One line as it was written."""
        self.lines += 1
        if LOOKS.search(line) or any(value in line for value in self.planted):
            self.found.append(line[:2000])

    def take(self) -> list[str]:
        """What was found since the last time."""
        found, self.found = self.found, []
        return found


@contextmanager
def watching() -> Iterator[LogWatch]:
    """Follow the root logger's own handlers, after formatting and redaction; every text that is encrypted is planted."""
    watch = LogWatch()
    handlers = [h for h in logging.getLogger().handlers if type(h) is logging.StreamHandler]
    formats = {handler: handler.format for handler in handlers}
    encrypt = secret_fields.encrypt

    def read_along(handler: logging.Handler) -> Any:
        def format_(record: logging.LogRecord) -> str:
            line = formats[handler](record)
            watch.read(line)
            return line

        return format_

    def planting(plaintext: str, **place: Any) -> str:
        watch.plant(plaintext)
        return encrypt(plaintext, **place)

    for handler in handlers:
        handler.format = read_along(handler)  # type: ignore[method-assign]
    secret_fields.encrypt = planting
    try:
        yield watch
    finally:
        secret_fields.encrypt = encrypt
        for handler, format_ in formats.items():
            handler.format = format_  # type: ignore[method-assign]
