"""What is to be looked up for a lead: the steps, and how many pages each may read."""

from __future__ import annotations

from dataclasses import dataclass

PAGES_AT_DEPTH = {"quick": 1, "standard": 5, "deep": 10}


@dataclass(frozen=True)
class ResearchStep:
    """One thing to look up.

    `tool` and `priority` are seed 000's (5.1). `pages` is the most this step may read. A step with `skip` is not
    carried out; the text says why, and is kept with the research.
    """

    tool: str
    priority: int
    target: str = ""
    query: str = ""
    pages: int = 0
    skip: str = ""
