"""Errors whose message is written for the person at the screen."""


class DomainError(Exception):
    """A request that cannot be done; `str(error)` says why and what to do, `field` names the input at fault."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class Conflict(DomainError):
    """Someone or something else was faster; nothing was changed."""
