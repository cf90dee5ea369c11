"""One account on a real IMAP server, for tests; mail comes in by LMTP as it would from a mail server."""

from __future__ import annotations

import smtplib
import time
from pathlib import Path

from leadpilot.trust import dovecot
from leadpilot.trust.dovecot import is_installed

__all__ = ["Dovecot", "is_installed"]


class Dovecot(dovecot.Dovecot):
    """`with Dovecot() as server`: one account, `user` and `password`."""

    def __init__(
        self, *, sent: str = "Sent", special: bool = True, certificate: tuple[Path, Path] | None = None
    ):
        self.user, self.password = "alex@northbeam.example", "secret"
        super().__init__({self.user: self.password}, sent=sent, special=special, certificate=certificate)

    @property
    def maildir(self) -> Path:
        """Where the account's INBOX lies."""
        return self.home / "mail" / self.user

    def deliver(self, mail: bytes) -> None:
        """Hand a mail in by LMTP."""
        with smtplib.LMTP(self.host, self.lmtp_port) as lmtp:
            lmtp.sendmail("sender@firm.example", [self.user], mail)

    def number_anew(self) -> None:
        """Change UIDVALIDITY and all UIDs, as a restored or moved mailbox does."""
        for name in ("dovecot-uidlist", "dovecot.index", "dovecot.index.log", "dovecot.index.cache"):
            (self.maildir / name).unlink(missing_ok=True)
        uidvalidity = self.maildir / "dovecot-uidvalidity"
        for path in [uidvalidity, *self.maildir.glob("dovecot-uidvalidity.*")]:
            path.unlink(missing_ok=True)
        time.sleep(1.1)  # UIDVALIDITY is a time in seconds
