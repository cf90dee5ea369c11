"""`python -m leadpilot.postgres start|stop|status`: the private server of this checkout, by hand."""

from __future__ import annotations

import sys

from leadpilot import postgres


def main(command: str = "status") -> int:
    """Do one command and say what is; returns the exit code."""
    home = postgres.default_home()
    try:
        if command == "start":
            postgres.ensure(home)
        elif command == "stop":
            postgres.stop(home)
        elif command != "status":
            print(__doc__, file=sys.stderr)
            return 2
    except postgres.PostgresError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"The private PostgreSQL in {home} is {'running' if postgres.is_running(home) else 'stopped'}.")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
