"""The uploaded file: on disk while it is read, in the database until it has been imported."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from django.db import connection

from leadpilot.orgs.tenancy import org_context
from leads.importing.source import Source, open_source
from leads.models import LeadImport

MAX_UPLOAD = 60 << 20  # bytes
PIECE = 4 << 20


def copy_in(file: IO[bytes], path: Path) -> int:
    """Write an upload to disk; returns its size, of which no more than `MAX_UPLOAD` and a piece is looked at."""
    size = 0
    with path.open("wb") as target:
        while (piece := file.read(PIECE)) and size <= MAX_UPLOAD:
            size += len(piece)
            target.write(piece)
    return size


def store_content(lead_import: LeadImport, path: Path) -> None:
    """Keep the file with its import, in pieces: a whole one would stand in memory several times over."""
    with path.open("rb") as file, connection.cursor() as cursor:
        while piece := file.read(PIECE):
            cursor.execute(
                "UPDATE leads_leadimport SET content = content || %s WHERE org_id = %s AND id = %s",
                [piece, lead_import.org_id, lead_import.pk],
            )


@contextmanager
def temporary(file_name: str) -> Iterator[Path]:
    """A path for one file that goes away with the block."""
    with tempfile.TemporaryDirectory(prefix="leadpilot-import-") as folder:
        yield Path(folder) / f"leads{Path(file_name).suffix.lower()[:8]}"


@contextmanager
def stored_source(lead_import: LeadImport, *, encoding: str = "", delimiter: str = "") -> Iterator[Source]:
    """The uploaded file, opened as it was detected or, where given, corrected. Raises Unreadable.

    The file is copied out of the database first; the block itself runs in no transaction of ours.
    """
    with temporary(lead_import.file_name) as path:
        with org_context(lead_import.org_id):
            _fetch_content(lead_import, path)
        yield open_source(
            path, encoding=encoding or lead_import.encoding, delimiter=delimiter or lead_import.delimiter
        )


def _fetch_content(lead_import: LeadImport, path: Path) -> None:
    with path.open("wb") as target, connection.cursor() as cursor:
        position = 1
        while True:
            cursor.execute(
                "SELECT substring(content FROM %s FOR %s) FROM leads_leadimport WHERE org_id = %s AND id = %s",
                [position, PIECE, lead_import.org_id, lead_import.pk],
            )
            row = cursor.fetchone()
            if not row or not row[0]:
                return
            target.write(row[0])
            position += PIECE
