"""One import in a process of its own, whose memory is the import's: `python -m leadpilot.bench.import_apart ORG FILE`."""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import django

from leadpilot.bench.figures import timed


def server_seconds(connection: Any) -> float:
    """Processor time that the server has spent on this connection; 0 where its process cannot be seen."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_backend_pid()")
        path = Path(f"/proc/{cursor.fetchone()[0]}/stat")
    try:
        spent = path.read_text().rpartition(")")[2].split()[11:13]
    except OSError:
        return 0.0
    return sum(map(int, spent)) / os.sysconf("SC_CLK_TCK")


def peak_memory() -> float:
    """The most memory that this program has held, in MB. Where the kernel tells it by program: `ru_maxrss` outlives an
    exec, so it would begin with what the starting process held."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS, which alone comes here
        return largest / 1024**2
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def main(org_id: str, path: str) -> None:
    """Import, and say in one line of JSON what it took: seconds by the wall and by the processors, peak in MB."""
    django.setup()
    # The models and connections are there only now.
    from django.db import connection

    from leads.services import imports

    found: list[Any] = []
    took = timed(
        1,
        lambda: found.append(
            imports.import_file(org_id=UUID(org_id), path=Path(path), report=lambda problem: None)
        ),
    )
    said = {"wall": took.wall, "cpu": took.cpu, "peak": peak_memory(), "created": found[0].created}
    said["server"] = server_seconds(connection)
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "leadpilot.settings")
    main(*sys.argv[1:3])
