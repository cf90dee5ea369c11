"""The least that wakes a worker: LISTEN, then claim one row. `python -m leadpilot.bench.listening`, until it is killed."""

from __future__ import annotations

import os
import sys
import time

import psycopg

_CLAIM = """
update bare_wake set taken = true
 where id = (select id from bare_wake where not taken order by id limit 1 for update skip locked) returning id
"""


def main(url: str) -> None:
    """Say the time (monotonic seconds) at which each row was claimed, one a line."""
    with psycopg.connect(url, autocommit=True) as line:
        line.execute("listen bare_wake")
        sys.stdout.write("listening\n")
        sys.stdout.flush()
        while True:
            for _ in line.notifies(timeout=5, stop_after=1):
                pass
            if line.execute(_CLAIM).fetchone():
                sys.stdout.write(f"{time.monotonic()}\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main(os.environ["BENCH_DATABASE_URL"])
