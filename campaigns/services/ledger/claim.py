"""What a worker holds while it works on a message."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from campaigns.services.advancing import Following


@dataclass(frozen=True)
class Claim:
    """A message that one worker holds, with all it needs to send it outside of a transaction.

    `until` ends the local day in whose caps it has a place, or the sending window: it is not begun later than that.
    `following` is what comes after it in its sequence, as the steps were at the claim.
    """

    org_id: UUID
    mailbox_id: UUID
    message_id: UUID
    attempt: int
    owner: str
    mail_from: str
    rcpt_to: str
    raw: bytes
    until: datetime
    following: Following | None

    def fence(self) -> dict[str, object]:
        """The filter that finds the message only while it is still ours."""
        return {"pk": self.message_id, "lease_owner": self.owner, "attempts": self.attempt}


def new_owner() -> str:
    """Who holds a lease: machine, process, and a number used once."""
    return f"{socket.gethostname()[:40]}:{os.getpid()}:{secrets.token_hex(6)}"
