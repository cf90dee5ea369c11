"""What has to be done once before LeadPilot can run: migrations and the demo organization. `python -m
leadpilot.run.prepare`.
"""

from __future__ import annotations

import fcntl
import sys

import django
from django.core.management import CommandError, call_command, get_commands

from leadpilot import environment, postgres


def main() -> int:
    """Bring the database up to date; doing it again changes nothing. Returns the exit code."""
    environment.load()
    folder = postgres.default_home().parent
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "prepare.lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two starts at once would migrate against each other
        try:
            environment.ensure_database()
            django.setup()
            call_command("migrate", database="owner", interactive=False, verbosity=0)
            if "seed_demo" in get_commands():
                call_command("seed_demo")
        except (postgres.PostgresError, CommandError) as error:
            print(f"Setting up failed: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
