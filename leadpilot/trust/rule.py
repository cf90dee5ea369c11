"""A rule of the fault proxy: where in a stream it acts."""

from __future__ import annotations

from dataclasses import dataclass

DIRECTIONS = ("up", "down")  # up is from the client to the server
ACTIONS = ("cut", "delay", "half_close", "drop", "drop_reply")


@dataclass
class Rule:
    """What to do, where and when.

    `pattern` (latin-1) at its `nth` occurrence, or after `after` bytes, in one direction of line `line`; with neither,
    at the next bytes. What stands before the place is passed on first, and with `forward` the whole piece it stands in: the
    other side gets a complete message, and its answer is lost.
    `cut`: RST to both sides. `half_close`: FIN to the receiver, nothing more in this direction. `delay`: seconds.
    `drop`: the rest of this piece is swallowed. `drop_reply`: the next piece in the other direction is.
    """

    id: int
    line: str
    action: str
    direction: str = "up"
    pattern: str = ""
    nth: int = 1
    after: int = 0
    forward: bool = False
    seconds: float = 0.0
    seen: int = 0

    def __post_init__(self) -> None:
        if self.action not in ACTIONS or self.direction not in DIRECTIONS:
            raise ValueError(f"a rule is one of {', '.join(ACTIONS)}, {' or '.join(DIRECTIONS)}")
        self.wanted = self.pattern.encode("latin-1")

    def place(self, tail: bytes, data: bytes) -> int | None:
        """How many bytes of `data` pass before the rule acts; None when it does not act in them. Counts what it saw."""
        if not self.wanted:
            before, self.seen = self.seen, self.seen + len(data)
            return max(0, self.after - before) if self.seen > self.after or not self.after else None
        keep = tail[max(0, len(tail) - len(self.wanted) + 1) :]
        text, start = keep + data, 0
        while (found := text.find(self.wanted, start)) >= 0:
            self.seen += 1
            if self.seen >= self.nth:
                return len(data) if self.forward else max(0, found - len(keep))
            start = found + 1
        return None
