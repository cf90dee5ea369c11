"""What can go wrong with the private PostgreSQL."""


class PostgresError(RuntimeError):
    """The private PostgreSQL cannot be used; the message says why and what to do about it."""
