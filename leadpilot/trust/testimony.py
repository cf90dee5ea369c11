"""What the checker is told: the oracle's lines, the database's rows, and what people did; and what it finds."""

from __future__ import annotations

from dataclasses import dataclass, field

GRACE = 5.0  # seconds after a stop in which what is under way may still be accepted
OPEN = ("held", "queued", "deferred")
WORKING = ("claimed", "sending")
LEFT = ("sent", "unknown")


@dataclass(frozen=True)
class Accepted:
    """One line of the oracle's log. `at` is in seconds since the epoch."""

    at: float
    message_id: str
    sender: str
    to: str
    sha256: str
    subject: str = ""


@dataclass(frozen=True)
class Row:
    """One message as the database has it when all has come to rest; times in seconds since the epoch.

    `approved` is the subject that the campaign itself approved, not the database's word for it. `explained` says why
    an open message waits ("" when it could go now).
    """

    message_id: str
    status: str
    to: str
    mailbox: str
    campaign: str
    lead: str
    step: int
    sha256: str
    approved: str
    explained: str = ""
    soon: bool = False
    reason: str = ""
    lease_until: float | None = None
    was_unknown: bool = False
    open_intents: int = 0


@dataclass(frozen=True)
class Stop:
    """A person's act after which nothing may leave: for which field of a message, from its commit until it was lifted."""

    kind: str
    field: str  # of Row: mailbox, campaign, lead, to, message_id; "" for everything
    value: str
    committed_at: float
    lifted_at: float | None = None

    def covers(self, row: Row, at: float) -> bool:
        """Whether a mail of this row, accepted at this moment, is too late."""
        ours = not self.field or getattr(row, self.field) == self.value
        return ours and self.committed_at + GRACE < at and (self.lifted_at is None or at < self.lifted_at)


@dataclass(frozen=True)
class Cap:
    """From `at` on, at most `limit` mails a local day for `value` in `field` (mailbox or campaign) of a message."""

    field: str
    value: str
    at: float
    limit: int


@dataclass(frozen=True)
class Evidence:
    """All that is known when the dust has settled; `now` in seconds since the epoch."""

    accepted: list[Accepted]
    rows: list[Row]
    stops: list[Stop] = field(default_factory=list)
    caps: list[Cap] = field(default_factory=list)
    zone: str = "UTC"
    now: float = 0.0


@dataclass(frozen=True)
class Broken:
    """One broken promise, about one message."""

    promise: str
    message_id: str
    said: str
