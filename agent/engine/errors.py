"""How a handler says that its task is not done. Anything else it raises counts as a reported failure."""

from __future__ import annotations

from datetime import datetime


class TaskRetry(Exception):
    """Try again. Without `after_seconds`, a minute longer each time (seed 002, section 12.6), or, with
    `exponential`, twice as long each time (rate limits: seed 000, section 8.1)."""

    def __init__(
        self, message: str, after_seconds: float | None = None, *, exponential: bool = False
    ) -> None:
        super().__init__(message)
        self.after_seconds = after_seconds
        self.exponential = exponential

    def wait(self, failures: int) -> float:
        """Seconds until the next try after so many reported failures (1 or more)."""
        if self.after_seconds is not None:
            return self.after_seconds
        return 60.0 * (2 ** (failures - 1) if self.exponential else failures)


class TaskFailed(Exception):
    """It cannot be done; trying again would not help."""


class TaskLater(Exception):
    """Not now, and nobody's failure: hand it back until then. Neither an attempt nor a retry is counted."""

    def __init__(self, until: datetime, message: str) -> None:
        super().__init__(message)
        self.until = until


class TaskNeedsApproval(Exception):
    """A person has to agree before it goes on."""


class LeaseLost(Exception):
    """The lease ran out and someone else may have the task: what this worker found is dropped."""
