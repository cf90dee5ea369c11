"""`manage.py restore`: a backup becomes the database, whole or not at all.

It is restored into a new database beside the old one, brought up to date and locked against sending there, and takes the
old one's name at the very end, in one transaction. Whatever fails before leaves everything as it was.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg
from django.conf import settings
from django.core.management import call_command
from django.db import connections

from leadpilot.ops import archive, backup, database, fitness, locking, manifest, programs
from leadpilot.ops.archive import Archive
from leadpilot.ops.errors import OpsError
from leadpilot.ops.manifest import Manifest

Say = Callable[[str], None]


@dataclass(frozen=True)
class Restored:
    """What came of it; `aside` is the name of the database that was there before, "" when it was not kept."""

    manifest: Manifest
    target: str
    aside: str
    warnings: list[str]
    locked: locking.Locked


def restore(
    path: Path, *, target: str = "", replace: bool = False, drop_old: bool = False, say: Say = lambda _: None
) -> Restored:
    """Make a backup the database `target` (default: the one that is set up), with sending locked.

    Raises OpsError, and changes nothing, when the backup does not fit here, when there are rows in the database and
    `replace` is not given, or when anything fails on the way.
    """
    target = target or str(connections["default"].settings_dict["NAME"])
    with archive.opened(path) as found, database.maintenance() as line:
        now, server = database.moment(line)
        warnings = fitness.check(found.manifest, server=server)
        was_empty = require_room(line, target, replace=replace)
        new = database.name_beside(target, "new")
        try:
            locked = _fill(line, new, found, server, say)
            _put_media(found)
            aside = database.name_beside(target, f"before_{now:%Y%m%d}")
            connections.close_all()
            database.swap(line, new=new, target=target, aside=aside)
        except BaseException as error:
            connections.close_all()
            try:
                database.drop(line, new)
            except OpsError as left:
                error.add_note(str(left))
            raise
        if was_empty or drop_old:
            try:
                database.drop(line, aside)
                aside = ""
            except OpsError as left:  # the restore itself is done
                warnings.append(str(left))
    return Restored(found.manifest, target, aside, warnings, locked)


def require_room(line: psycopg.Connection[object], target: str, *, replace: bool) -> bool:
    """True when the target is empty or missing. Raises OpsError when it must not be replaced, or is in use."""
    connections.close_all()
    if not database.exists(line, target):
        return True
    empty = database.is_empty(target)
    if not empty and not replace:
        raise OpsError(
            f"The database {target} has rows in it. --replace puts the backup in its place and keeps it under "
            "another name."
        )
    count = database.connected(line, target)
    if count:
        raise OpsError(
            f"{count} connections to the database {target} are open: stop LeadPilot everywhere, and try again."
        )
    return empty


def _fill(
    line: psycopg.Connection[object], new: str, found: Archive, server: int, say: Say
) -> locking.Locked:
    database.create(line, new)
    say(f"Restoring {sum(found.manifest.rows.values()):,} rows into {new} …")
    with found.open(manifest.DUMP) as dump:
        database.load(new, dump, at_least=max(server, found.manifest.postgresql))
    with database.pointed_at(new):
        database.give_rights()
        _compare_counts(found.manifest, new)
        say("Bringing it up to date …")
        call_command("migrate", database="owner", interactive=False, verbosity=0)
        say("Locking what may have left since …")
        return locking.lock_all(backup_at=found.manifest.made_at)


def _compare_counts(made: Manifest, new: str) -> None:
    with psycopg.connect(**programs.connection_of("system", new)) as line:
        here = {table: backup.count(line, table) for table in backup.tables(line)}
    differing = [table for table in {*here, *made.rows} if here.get(table) != made.rows.get(table)]
    if differing:
        raise OpsError(f"Not every row came back; the counts differ in {', '.join(sorted(differing))}.")


def _put_media(found: Archive) -> None:
    """Put files where they were; one that is there with the same bytes is left alone, others nobody refers to stay."""
    root = Path(settings.MEDIA_ROOT)
    for place, part in found.media():
        path = root.joinpath(*place.parts)
        if path.is_file() and not path.is_symlink() and archive.digest(path.open("rb")) == part.sha256:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.parent.resolve().is_relative_to(root.resolve()):
            raise OpsError(f"{path.parent} leads out of the media folder {root}; remove the link.")
        beside = path.with_name(f".{secrets.token_hex(6)}")
        with found.open(f"{manifest.MEDIA}{place.as_posix()}") as source, open(beside, "xb") as file:
            while chunk := source.read(backup.CHUNK):
                file.write(chunk)
            os.fsync(file.fileno())
        beside.replace(path)
