"""The oracle's memory: one JSON line a mail, on the disk before anybody is told."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


class Ledgerbook:
    """An append-only file; `add` returns when the line would survive a power cut."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._handle = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o644)
        directory = os.open(path.parent, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)

    def add(self, **entry: Any) -> None:
        """Append one line and have it on the disk."""
        os.write(self._handle, json.dumps(entry).encode() + b"\n")
        os.fsync(self._handle)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._handle)


def read(path: Path) -> list[dict[str, Any]]:
    """Every line, oldest first. Raises ValueError for a line that is none: this file decides, so it is not guessed at."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines() if line]
