"""One file, opened: what it is, its titles, and its rows."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from leads.importing import csvfile, xlsxfile
from leads.importing.columns import guess_mapping, holds_address, is_header, unique_titles
from leads.importing.encodings import CHOICES, detect
from leads.importing.problems import Unreadable, shown
from leads.importing.records import MAX_COLUMNS, MAX_ROWS, Record

HEADER_WITHIN = 20  # rows: some exports begin with a title and a date
SAMPLE_ROWS = 100
COUNTED_ROWS = 5000  # of a workbook

_MAGIC = (
    (b"%PDF", "This is a PDF document, not a table: export the list as CSV or XLSX."),
    (b"\x89PNG", "This is a picture, not a table: export the list as CSV or XLSX."),
    (b"\xff\xd8\xff", "This is a picture, not a table: export the list as CSV or XLSX."),
    (b"GIF8", "This is a picture, not a table: export the list as CSV or XLSX."),
    (b"\xd0\xcf\x11\xe0", "This is an old Excel file (.xls) or a protected one: save it as .xlsx or CSV."),
    (b"\x1f\x8b", "This file is compressed (gzip): unpack it first."),
    (b"Rar!", "This is an archive: unpack it first."),
    (b"7z\xbc\xaf", "This is an archive: unpack it first."),
    (b"{\\rtf", "This is a text document (RTF), not a table: export the list as CSV or XLSX."),
)
_MARKUP = ("<!doctype", "<html", "<?xml", "<table", "{", "[{")


@dataclass(frozen=True)
class Source:
    """`titles` stand in row `header_row`, `width` cells wide; `sample` are the cells of the first rows under it."""

    path: Path
    encoding: str
    delimiter: str
    sheet: str
    header_row: int
    width: int
    titles: list[str]
    sample: list[list[str]]
    mapping: dict[str, str] = field(default_factory=dict)

    def rows(self) -> Iterator[Record]:
        """The rows under the titles, empty ones left out; numbered as a spreadsheet shows them."""
        for record in self._raw():
            if record.number <= self.header_row or record.is_empty:
                continue
            yield record

    def count(self) -> int:
        """How many rows there are; of a large workbook what it says itself, which may count empty rows.

        Raises Unreadable when they are more than a spreadsheet can hold.
        """
        most = COUNTED_ROWS if self.sheet else MAX_ROWS + 1
        total = sum(1 for _ in islice(self.rows(), most))
        if self.sheet and total == COUNTED_ROWS:  # reading all of it takes as long as importing it
            total = max(total, xlsxfile.declared_rows(self.path, self.sheet) - self.header_row)
        if total > MAX_ROWS:
            raise Unreadable(f"This file has more than {MAX_ROWS:,} rows: split it and import the parts.")
        return total

    def _raw(self) -> Iterator[Record]:
        if self.sheet:
            return xlsxfile.records(self.path, self.sheet)
        return csvfile.records(self.path, self.encoding, self.delimiter, width=self.width)


def open_source(path: Path, *, encoding: str = "", delimiter: str = "", sheet: str = "") -> Source:
    """Find out what this file is and read its titles and first rows.

    `encoding`, `delimiter` and `sheet` are a person's corrections of what was detected. Raises Unreadable with a sentence
    for a file that is missing, empty, no table, or has no titles.
    """
    head = _head(path)
    if head.startswith(b"PK\x03\x04") or head.startswith(b"PK\x05\x06"):
        xlsxfile.check_archive(path)
        return _workbook(path, sheet)
    _refuse_other_kinds(head)
    encoding = encoding if encoding in (*CHOICES, "utf-8-sig") else detect(path)
    if encoding == "utf-8" and head.startswith(codecs.BOM_UTF8):
        encoding = "utf-8-sig"
    _refuse_binary(path, encoding)
    delimiter = (
        delimiter if delimiter in csvfile.DELIMITERS else csvfile.detect_delimiter(path, encoding, is_header)
    )
    first = list(islice(csvfile.records(path, encoding, delimiter), HEADER_WITHIN + SAMPLE_ROWS))
    return _described(path, first, encoding=encoding, delimiter=delimiter, sheet="")


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except FileNotFoundError as error:
        raise Unreadable(f"There is no file {path}: check the path.") from error
    except IsADirectoryError as error:
        raise Unreadable(f"{path} is a folder: name the CSV or XLSX file in it.") from error
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}.") from error
    if not head:
        raise Unreadable("This file is empty: export your list again, with a first row of column titles.")
    return head


def _refuse_other_kinds(head: bytes) -> None:
    for magic, message in _MAGIC:
        if head.startswith(magic):
            raise Unreadable(message)
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(tuple(mark.encode() for mark in _MARKUP)):
        raise Unreadable("This is a web page, XML or JSON, not a table: export the list as CSV or XLSX.")


def _refuse_binary(path: Path, encoding: str) -> None:
    with path.open(encoding=encoding, errors="replace", newline="") as file:
        text = file.read(4096)
    strange = sum((char < " " and char not in "\t\r\n\0\f\v\x1b") or char == "\ufffd" for char in text)
    if text.count("\0") > len(text) // 4 or strange > len(text) // 20:
        raise Unreadable("This is not a text file with rows and columns: export the list as CSV or XLSX.")


def _workbook(path: Path, sheet: str) -> Source:
    names = xlsxfile.sheet_names(path)
    last_error = Unreadable("This workbook has no sheet with cells.")
    for name in [sheet] if sheet in names else names:
        first = list(islice(xlsxfile.records(path, name), HEADER_WITHIN + SAMPLE_ROWS))
        try:
            return _described(path, first, encoding="", delimiter="", sheet=name)
        except Unreadable as error:
            last_error = error
    raise last_error


def _described(path: Path, first: list[Record], *, encoding: str, delimiter: str, sheet: str) -> Source:
    position = _header_position(first)
    header = first[position]
    titles = unique_titles(_without_empty_end(header.cells))
    sample = [r.cells for r in first[position + 1 :] if not r.is_empty and r.problem is None][:SAMPLE_ROWS]
    return Source(
        path=path,
        encoding=encoding,
        delimiter=delimiter,
        sheet=sheet,
        header_row=header.number,
        width=len(header.cells),
        titles=titles,
        sample=sample,
        mapping=guess_mapping(titles, sample),
    )


def _header_position(first: Sequence[Record]) -> int:
    filled = [(i, record) for i, record in enumerate(first[:HEADER_WITHIN]) if not record.is_empty]
    if not filled:
        raise Unreadable("This file has no rows: export your list again, with a first row of column titles.")
    for i, record in filled:
        if record.problem is None and is_header(record.cells):
            return i
    position, record = next(((i, r) for i, r in filled if r.problem is None and len(r.cells) > 1), filled[0])
    if record.problem is not None:
        if "values" in record.problem.message:
            raise Unreadable(
                f"The first row has more than {MAX_COLUMNS} columns: keep those that describe leads."
            )
        raise Unreadable(f"The first row cannot be read. {record.problem.message}")
    if holds_address(record.cells):
        raise Unreadable(
            f"The first row holds data (“{shown(', '.join(record.cells))}”), not column titles: "
            "put a first row above it, such as name,email,company."
        )
    return position


def _without_empty_end(cells: list[str]) -> list[str]:
    end = len(cells)
    while end and not cells[end - 1].strip():
        end -= 1
    return cells[:end]
