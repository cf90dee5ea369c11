"""What goes wrong for whoever operates an installation."""


class OpsError(Exception):
    """A sentence that says what is wrong, and the way out."""
