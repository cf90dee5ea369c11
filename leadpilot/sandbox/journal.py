"""Append-only files of JSON lines that survive kill -9: a line is on the disk before `add` returns."""

import json
import os
import threading
from pathlib import Path
from typing import Any


class Journal:
    """One file, one JSON object a line. A last line that a crash cut short is ignored and closed off."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)

    def add(self, **entry: Any) -> None:
        """Write a line and fsync it."""
        line = json.dumps(entry, ensure_ascii=False, default=str).encode() + b"\n"
        with self._lock:
            is_new = not self.path.exists()
            with self.path.open("ab+") as file:
                file.write(_line_end_missing(file) + line)
                file.flush()
                os.fsync(file.fileno())
            if is_new:
                sync_directory(self.path.parent)

    def read(self) -> list[dict[str, Any]]:
        """All whole lines, oldest first; nothing when the file does not exist."""
        if not self.path.exists():
            return []
        entries = []
        for line in self.path.read_bytes().splitlines():
            try:
                entries.append(json.loads(line))
            except ValueError:  # cut short by a crash
                continue
        return entries


def sync_directory(path: Path) -> None:
    """Make a new name in a directory last."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _line_end_missing(file: Any) -> bytes:
    if file.seek(0, os.SEEK_END) == 0:
        return b""
    file.seek(-1, os.SEEK_END)
    return b"" if file.read(1) == b"\n" else b"\n"
