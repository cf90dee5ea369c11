"""Rows of an Excel workbook, read as a stream; never more of it unpacked than a sane workbook holds."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from openpyxl import load_workbook  # type: ignore[import-untyped]

from leads.importing.problems import Problem, Unreadable
from leads.importing.records import MAX_COLUMNS, Record

MAX_UNPACKED = 600 << 20  # bytes, by the archive's own table, which zipfile enforces when it reads
MAX_IN_MEMORY = 64 << 20  # any part but a sheet: the table of texts is kept in memory
MAX_RATIO = 200  # a sheet of a million equal rows packs 100 : 1
MAX_PARTS = 2000
EMPTY_ROWS_END = 5000  # rows that were only formatted
_OVERRIDE = re.compile(r"<Override\b[^>]*>")
_PART_NAME = re.compile(r"""PartName\s*=\s*["']([^"']+)["']""")
DAMAGED = (
    "This workbook is damaged and cannot be opened: save it again from your spreadsheet program, or as CSV."
)


def check_archive(path: Path) -> None:
    """Refuse what is not a workbook, and archives made to burst (zip bombs, nested entities). Raises Unreadable."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            names = {part.filename for part in parts}
            if "xl/workbook.xml" not in names:
                raise Unreadable(_other_archive(archive, names))
            if len(parts) > MAX_PARTS or sum(part.file_size for part in parts) > MAX_UNPACKED:
                raise Unreadable(
                    "This workbook unpacks to far more than a list of leads; save the sheet as CSV."
                )
            streamed = _sheet_parts(archive)
            for part in parts:
                _check_part(archive, part, streamed=part.filename in streamed)
    except (
        zipfile.BadZipFile,
        KeyError,
        NotImplementedError,
        RuntimeError,
        EOFError,
        OSError,
        zlib.error,
    ) as error:
        raise Unreadable(DAMAGED) from error


def _other_archive(archive: zipfile.ZipFile, names: set[str]) -> str:
    if "mimetype" in names and b"opendocument" in archive.read("mimetype")[:200]:
        return "This is an OpenDocument file: save it as .xlsx or CSV and import that."
    if "xl/workbook.bin" in names:
        return "This is a binary workbook (.xlsb): save it as .xlsx or CSV and import that."
    return "This is a zip archive, not a table: unpack it and import the CSV or XLSX file in it."


def _sheet_parts(archive: zipfile.ZipFile) -> set[str]:
    """The parts that are declared as sheets and as nothing else: they are read as a stream."""
    with archive.open("[Content_Types].xml") as file:
        declared = _OVERRIDE.findall(file.read(1 << 20).decode("utf-8", "replace"))
    kinds: dict[str, set[bool]] = {}
    for override in declared:
        if name := _PART_NAME.search(override):
            kinds.setdefault(name[1].lstrip("/"), set()).add("worksheet+xml" in override)
    return {name for name, are_sheets in kinds.items() if are_sheets == {True}}


def _check_part(archive: zipfile.ZipFile, part: zipfile.ZipInfo, *, streamed: bool) -> None:
    if not streamed and part.filename.endswith(".xml") and part.file_size > MAX_IN_MEMORY:
        raise Unreadable("This workbook holds too much text to be opened safely; save the sheet as CSV.")
    if part.file_size > 1 << 20 and part.file_size > MAX_RATIO * max(1, part.compress_size):
        raise Unreadable(
            "This workbook is packed far tighter than real data is (a zip bomb); save the sheet as CSV."
        )
    if part.filename.endswith((".xml", ".rels")):
        with archive.open(part) as file:
            head = file.read(8192).replace(b"\0", b"")
        if b"<!DOCTYPE" in head or b"<!ENTITY" in head:
            raise Unreadable(
                "This workbook declares entities, which no spreadsheet program writes; save it as CSV."
            )


def sheet_names(path: Path) -> list[str]:
    """Titles of the sheets that hold cells, in order."""
    with _workbook(path) as book:
        return [sheet.title for sheet in book.worksheets if sheet.sheet_state == "visible"] or book.sheetnames


def declared_rows(path: Path, sheet: str) -> int:
    """The number of rows that the sheet says it has; 0 when it does not say."""
    with _workbook(path) as book:
        return book[sheet].max_row or 0


def records(path: Path, sheet: str) -> Iterator[Record]:
    """Every row of one sheet as texts; formulas give their last computed value."""
    with _workbook(path) as book:
        table = book[sheet]
        table.reset_dimensions()  # what the file says about its size may be wrong
        empty = 0
        for number, row in enumerate(table.iter_rows(values_only=True), start=1):
            record = Record(number, [_text(value) for value in row[: MAX_COLUMNS + 1]])
            empty = empty + 1 if record.is_empty else 0
            if empty >= EMPTY_ROWS_END:
                return
            while record.cells and not record.cells[-1]:
                record.cells.pop()
            if len(record.cells) > MAX_COLUMNS:
                message = f"This row has more than {MAX_COLUMNS} values."
                record = Record(number, problem=Problem(number, "row", "", message))
            yield record


@contextmanager
def _workbook(path: Path) -> Iterator[Any]:
    try:
        book = load_workbook(path, read_only=True, data_only=True, keep_links=False)
    except Exception as error:  # openpyxl raises KeyError, ValueError, ParseError and more for damaged files
        raise Unreadable(DAMAGED) from error
    try:
        yield book
    except Exception as error:  # the same, of a sheet that breaks off in its middle
        raise Unreadable(DAMAGED) from error
    finally:
        book.close()


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return "" if value.startswith("#") and value in _ERRORS else value.replace("\0", "")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, datetime):
        return (
            value.date().isoformat()
            if value.time() == time()
            else value.isoformat(sep=" ", timespec="minutes")
        )
    return value.isoformat() if isinstance(value, date | time) else str(value)


_ERRORS = {"#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!"}
