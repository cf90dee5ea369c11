"""A row as it came out of a file, before anybody looked at what it says."""

from __future__ import annotations

from dataclasses import dataclass, field

from leads.importing.problems import Problem

MAX_COLUMNS = 500
MAX_ROWS = 1_048_576  # a spreadsheet's own limit
MAX_LINE = 1_000_000  # characters


@dataclass(slots=True)
class Record:
    """`number` counts as a spreadsheet does, empty rows included; with a `problem` the cells mean nothing."""

    number: int
    cells: list[str] = field(default_factory=list)
    problem: Problem | None = None

    @property
    def is_empty(self) -> bool:
        """True for a row without any content: it is passed over in silence."""
        return self.problem is None and not any(cell.strip() for cell in self.cells)
