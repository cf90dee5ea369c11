"""Maildirs of the sandbox: var/sandbox/mail/<address>/{tmp,new,cur}, on the disk before they are visible."""

import os
import re
from pathlib import Path

from leadpilot.sandbox.journal import sync_directory

_SAFE_ADDRESS = re.compile(r"[a-z0-9][a-z0-9._+=-]{0,63}@[a-z0-9-]+(\.[a-z0-9-]+)+")


class BadAddress(ValueError):
    """An address that cannot be the name of a directory."""


def maildir_of(home: Path, address: str) -> Path:
    """The Maildir of an address, which need not exist yet. Raises BadAddress."""
    name = address.strip().lower()
    if not _SAFE_ADDRESS.fullmatch(name) or len(name) > 200:
        raise BadAddress(f"{address[:80]!r} is not an address of the sandbox.")
    return home / "mail" / name


def deliver(home: Path, address: str, name: str, mail: bytes) -> Path:
    """Put a mail into an address's `new`, under a name without directory.

    Delivering the same name again changes nothing, also when the reader has already moved it to `cur`.
    """
    maildir = maildir_of(home, address)
    for part in ("tmp", "new", "cur"):
        (maildir / part).mkdir(parents=True, exist_ok=True)
    target = maildir / "new" / name
    already = [target, *(maildir / "cur").glob(f"{name}*")]
    for path in already:
        if path.exists():
            return path
    temporary = maildir / "tmp" / f"{name}.{os.getpid()}"
    with temporary.open("wb") as file:
        file.write(mail)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(target)
    sync_directory(target.parent)
    return target


def mails(home: Path, address: str) -> list[Path]:
    """The files of an address's mails, oldest first by name, read (`cur`) and unread (`new`)."""
    maildir = maildir_of(home, address)
    return sorted([*(maildir / "new").glob("*"), *(maildir / "cur").glob("*")], key=lambda path: path.name)
