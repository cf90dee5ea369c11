"""What can be wrong with a file, and with one row of it."""

from __future__ import annotations

from dataclasses import dataclass

from leadpilot.lib.errors import DomainError

SHOWN_CHARACTERS = 200


class Unreadable(DomainError):
    """The file as a whole cannot be taken; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a row was not taken. `row` is its number in a spreadsheet, `field` ours (or "row"), `value` what stood there."""

    row: int
    field: str
    value: str
    message: str

    def as_json(self) -> dict[str, int | str]:
        """The form of the command's output and of the downloaded list."""
        return {"row": self.row, "field": self.field, "value": shown(self.value), "message": self.message}


def shown(value: str) -> str:
    """A value as it is quoted back to a person: not longer than needed to recognise it."""
    return value if len(value) <= SHOWN_CHARACTERS else value[: SHOWN_CHARACTERS - 1] + "…"
