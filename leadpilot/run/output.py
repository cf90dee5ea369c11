"""What the processes say: on the screen with their name before it, and in var/log."""

from __future__ import annotations

import contextlib
import logging
import re
import sys
import threading
from collections.abc import Iterable
from logging.handlers import RotatingFileHandler
from pathlib import Path

LOG_BYTES = 5_000_000
# Answers such as 404 and 422 belong to ordinary use (leadpilot.lib.logs.ClientErrors); they would fill the screen.
FILE_ONLY = re.compile(r"^\S+ \[info *\] .*\[django\.request\]")
_screen = threading.Lock()


def say(text: str, name: str = "") -> None:
    """Print a line; a screen that went away is no reason to stop."""
    line = f"{name:<9}| {text}" if name else text
    with _screen, contextlib.suppress(OSError, ValueError):
        print(line, flush=True)


def complain(text: str) -> None:
    """Print a line on standard error."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)


class Log:
    """One process's file under var/log, kept to 10 MB."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.handler = RotatingFileHandler(
            folder / f"{name}.log", maxBytes=LOG_BYTES, backupCount=1, encoding="utf-8", delay=True
        )
        self.handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))

    def write(self, text: str) -> None:
        """Add a line, with the time."""
        self.handler.emit(logging.LogRecord(self.name, logging.INFO, "", 0, text, None, None))

    def follow(self, lines: Iterable[bytes]) -> None:
        """Pass on all lines until the writer is gone: to the file, and to the screen what belongs there."""
        for raw in lines:
            text = raw.decode("utf-8", errors="replace").rstrip()
            if text:
                self.write(text)
                if not FILE_ONLY.match(text):
                    say(text, self.name)
        self.handler.close()
