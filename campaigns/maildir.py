"""Reading a sandbox mailbox: a Maildir on this machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

MOST_BYTES = 2_000_000
_ADDRESS = re.compile(r"[a-z0-9][a-z0-9._+=-]{0,63}@[a-z0-9-]+(\.[a-z0-9-]+)+")


class NoMaildir(Exception):
    """There is no sandbox here, or the address cannot be the name of a directory."""


def maildir_of(address: str) -> Path:
    """The Maildir of an address of the sandbox. Raises NoMaildir."""
    name = address.strip().lower()
    if not settings.SANDBOX["enabled"]:
        raise NoMaildir("The sandbox is not running here, so its Maildirs are not read.")
    if not _ADDRESS.fullmatch(name) or len(name) > 200:
        raise NoMaildir(f"{name[:80]} is not an address of the sandbox.")
    return Path(settings.SANDBOX["home"]) / "mail" / name


def unread(address: str) -> Iterator[tuple[str, Path, bytes]]:
    """(unique name, file, bytes) of what lies in `new`, oldest first. Raises NoMaildir."""
    for path in sorted((maildir_of(address) / "new").glob("*"), key=lambda p: p.name):
        try:
            with path.open("rb") as file:
                yield path.name.partition(":")[0], path, file.read(MOST_BYTES)
        except FileNotFoundError:  # another reader was faster
            continue


def mark_read(path: Path) -> None:
    """Move a mail from `new` to `cur`; nothing happens when it has been moved."""
    target = path.parent.parent / "cur"
    target.mkdir(exist_ok=True)
    try:
        path.rename(target / f"{path.name.partition(':')[0]}:2,S")
    except FileNotFoundError:
        return
