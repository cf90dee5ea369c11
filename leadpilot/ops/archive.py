"""Reading a backup: nothing of it is believed before every part has the hash that the manifest names."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from leadpilot.ops import manifest
from leadpilot.ops.backup import CHUNK
from leadpilot.ops.errors import OpsError
from leadpilot.ops.manifest import Manifest, Part


class Archive:
    """An open backup whose parts have been checked."""

    def __init__(self, file: zipfile.ZipFile, read: Manifest) -> None:
        self._file, self.manifest = file, read

    def open(self, name: str) -> IO[bytes]:
        """One part, from its beginning."""
        return self._file.open(name)

    def media(self) -> Iterator[tuple[PurePosixPath, Part]]:
        """The media files by their place under MEDIA_ROOT."""
        for name, part in self.manifest.parts.items():
            if name.startswith(manifest.MEDIA):
                yield PurePosixPath(name.removeprefix(manifest.MEDIA)), part


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """Open a backup and check all of it. Raises OpsError when it is none, was cut or was changed."""
    try:
        with zipfile.ZipFile(path) as file:
            archive = Archive(file, _manifest_of(file, path))
            _check(file, archive.manifest, path)
            yield archive
    except OSError as error:
        raise OpsError(f"{path} cannot be read: {error.strerror or error}.") from error
    except zipfile.BadZipFile as error:
        raise OpsError(f"{path} is no backup, or not all of it: {error}. Take another copy.") from error


def _manifest_of(file: zipfile.ZipFile, path: Path) -> Manifest:
    if manifest.NAME not in file.namelist():
        raise OpsError(f"{path} has no {manifest.NAME}, so it is no backup of LeadPilot.")
    return manifest.read(file.read(manifest.NAME))


def _check(file: zipfile.ZipFile, read: Manifest, path: Path) -> None:
    names = [name for name in file.namelist() if name != manifest.NAME]
    if sorted(names) != sorted(read.parts) or manifest.DUMP not in read.parts:
        raise OpsError(f"{path} does not hold what its {manifest.NAME} lists. Take another copy.")
    for name, part in read.parts.items():
        if name != manifest.DUMP and not _is_safe(name):
            raise OpsError(f"{path} holds a file that would lie outside of the media folder: {name!r}.")
        if digest(file.open(name)) != part.sha256:
            raise OpsError(
                f"{name} in {path} is not what was backed up: its hash differs. Take another copy."
            )


def digest(source: IO[bytes]) -> str:
    """The SHA-256 (hex) of a file, which is closed afterwards."""
    found = hashlib.sha256()
    with source:
        while chunk := source.read(CHUNK):
            found.update(chunk)
    return found.hexdigest()


def _is_safe(name: str) -> bool:
    path = PurePosixPath(name.removeprefix(manifest.MEDIA))
    inside = name.startswith(manifest.MEDIA) and not path.is_absolute() and path.parts
    return bool(inside) and ".." not in path.parts and "\\" not in name and "\0" not in name
