"""Copies of accepted mail in the sender's Sent folder, as providers keep them: Maildir files that Dovecot serves."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class MailStore:
    """Maildirs under `root/ADDRESS`; files are given to `uid` and `gid` when we may."""

    root: Path
    uid: int = -1
    gid: int = -1

    def file(self, address: str, folder: str, name: str, mail: bytes) -> Path:
        """Put a mail into `Sent` or `INBOX`, whole or not at all, and return where it lies."""
        home = self._folder(address, folder)
        beside = home / "tmp" / name
        with beside.open("wb") as file:
            file.write(mail)
            file.flush()
            os.fsync(file.fileno())
        self._give(beside)
        target = home / "new" / name
        beside.rename(target)
        return target

    def _folder(self, address: str, folder: str) -> Path:
        account = self.root / address
        home = account if folder == "INBOX" else account / f".{folder}"
        if not (home / "new").exists():
            for path in (account, home, *(home / part for part in ("tmp", "cur", "new"))):
                path.mkdir(exist_ok=True)
                self._give(path)
        return home

    def _give(self, path: Path) -> None:
        if self.uid >= 0 and os.geteuid() == 0:
            os.chown(path, self.uid, self.gid)
