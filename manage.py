#!/usr/bin/env python
"""Django's command line, with the private PostgreSQL running and migrations on the owner's connection."""

from __future__ import annotations

import sys

from django.core.management import execute_from_command_line

from leadpilot import environment
from leadpilot.postgres import PostgresError

NEED_NO_DATABASE = {"help", "--help", "-h", "version", "--version", "collectstatic"}


def main(argv: list[str]) -> None:
    """Run one command."""
    environment.load()
    command = argv[1] if len(argv) > 1 else "help"
    if command not in NEED_NO_DATABASE:
        try:
            environment.ensure_database()
        except PostgresError as error:
            sys.exit(f"No database: {error}")
    if command == "migrate" and not any(word.startswith("--database") for word in argv):
        argv = [*argv, "--database=owner"]
    execute_from_command_line(argv)


if __name__ == "__main__":
    main(sys.argv)
