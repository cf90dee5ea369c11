"""Rows of a delimited text file, however it was put together.

Python's reader does the quoting. Around it: lines of any length are read in pieces, and a quotation mark that is never
closed costs its own row, not the rest of the file.
"""

from __future__ import annotations

import csv
from collections import Counter, deque
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TextIO

from leads.importing.encodings import MIXED
from leads.importing.problems import Problem
from leads.importing.records import MAX_COLUMNS, MAX_LINE, Record

DELIMITERS = (",", ";", "\t", "|")
MAX_RECORD_LINES = 200  # more lines than this inside quotation marks: one was never closed
SAMPLE_RECORDS = 60

UNCLOSED = (
    'A quotation mark (") opens in this row and is not closed where it should be: close it or remove it.'
)

csv.field_size_limit(MAX_LINE * 2)


class _Unclosed(Exception):
    """The record being read does not end."""


class _Lines:
    """Physical lines, bounded in length, that can be put back."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._back: deque[str] = deque()
        self.begin()

    def begin(self) -> None:
        """A new record starts here."""
        self.taken: list[str] = []
        self._size = 0
        self.too_long = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._back.popleft() if self._back else self._read()
        if not line and not self.taken:
            raise StopIteration
        self._size += len(line)
        if not line or len(self.taken) >= MAX_RECORD_LINES or (self.taken and self._size > MAX_LINE):
            self._back.extend([line] if line else [])
            raise _Unclosed
        self.taken.append(line)
        return line

    def _read(self) -> str:
        line = self._file.readline(MAX_LINE)
        if len(line) < MAX_LINE or line.endswith(("\n", "\r")):
            return line.replace("\0", "") or ("\n" if line else "")
        self.too_long = True
        while rest := self._file.readline(MAX_LINE):
            if rest.endswith(("\n", "\r")):
                break
        return "\n"

    def put_back(self) -> None:
        """All but the first line of this record will be read again."""
        self._back.extendleft(reversed(self.taken[1:]))


def records(path: Path, encoding: str, delimiter: str, width: int | None = None) -> Iterator[Record]:
    """Every row of the file from the first one on, as `Record`s numbered from 1.

    `width`: the number of columns. It tells a cell of several lines from rows that an open quotation mark swallowed.
    """
    with path.open(encoding=encoding, errors=MIXED, newline="") as file:
        lines, number = _Lines(file), 0
        if separator_hint(path, encoding):
            file.readline()
        while True:
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            try:
                while True:
                    lines.begin()
                    number += 1
                    cells = next(reader)
                    if _swallowed(lines.taken, cells, delimiter, width):
                        raise _Unclosed
                    yield _record(number, cells, lines.too_long)
            except StopIteration:
                return
            except (_Unclosed, csv.Error) as error:
                if len(lines.taken) == 1 and isinstance(error, csv.Error):  # a stray mark inside one line
                    yield _record(number, next(csv.reader(lines.taken, delimiter=delimiter)), lines.too_long)
                    continue
                yield _bad(number, lines.taken[0].rstrip("\r\n"), UNCLOSED)
                lines.put_back()


def _swallowed(taken: list[str], cells: list[str], delimiter: str, width: int | None) -> bool:
    if len(taken) < 2 or width is None or len(cells) == width:
        return False
    return any(line.count(delimiter) >= width - 1 for line in taken[1:])


def _record(number: int, cells: list[str], too_long: bool) -> Record:
    if too_long:
        return _bad(number, "", f"This line is longer than {MAX_LINE:,} characters; split or shorten it.")
    if len(cells) > MAX_COLUMNS:
        return _bad(number, "", f"This row has {len(cells):,} values; at most {MAX_COLUMNS} are read.")
    return Record(number, cells)


def _bad(number: int, value: str, message: str) -> Record:
    return Record(number, problem=Problem(number, "row", value, message))


def separator_hint(path: Path, encoding: str) -> str:
    """The delimiter that Excel's own first line `sep=;` names, or nothing."""
    with path.open(encoding=encoding, errors=MIXED, newline="") as file:
        first = file.readline(10).rstrip("\r\n")
    return first[4:] if first.lower().startswith("sep=") and len(first) == 5 else ""


def detect_delimiter(path: Path, encoding: str, is_header: Callable[[list[str]], bool]) -> str:
    """Comma, semicolon, tab or pipe: the one that makes a header out of a row, then the one that cuts most evenly."""
    if (hint := separator_hint(path, encoding)) in DELIMITERS:
        return hint
    return max(DELIMITERS, key=lambda delimiter: _evenness(path, encoding, delimiter, is_header))


def _evenness(
    path: Path, encoding: str, delimiter: str, is_header: Callable[[list[str]], bool]
) -> tuple[bool, float, int]:
    sample = [r for r in islice(records(path, encoding, delimiter), SAMPLE_RECORDS) if not r.is_empty]
    widths = Counter(len(record.cells) for record in sample if record.problem is None)
    if not widths:
        return False, 0.5, 0  # rows too wide or broken: more of a table than text that is not cut at all
    width, often = widths.most_common(1)[0]
    headed = any(is_header(record.cells) for record in sample[:20])
    return headed, often / len(sample) if width > 1 else 0.0, width
