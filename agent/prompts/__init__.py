"""Prompts as versioned files: `sequence_1.md` is version 1 of the prompt `sequence`. A landed file is never edited."""

from __future__ import annotations

from functools import cache
from pathlib import Path

CURRENT = {"sequence": 1, "answer": 1, "reading": 1}


@cache
def prompt(name: str) -> tuple[str, str]:
    """The text of a prompt's current version, and the version's name as kept with messages (`sequence-1`)."""
    version = CURRENT[name]
    text = (Path(__file__).parent / f"{name}_{version}.md").read_text(encoding="utf-8")
    return text, f"{name}-{version}"
