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


def main(org_id: str, path: str) -> None:
    """Import, and say in one line of JSON what it took: seconds by the wall and by the processor, peak in MB."""
    django.setup()
    from leads.services import imports  # the models are there only now

    found: list[Any] = []
    took = timed(
        1,
        lambda: found.append(
            imports.import_file(org_id=UUID(org_id), path=Path(path), report=lambda problem: None)
        ),
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    said = {"wall": took.wall, "cpu": took.cpu, "peak": peak, "created": found[0].created}
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "leadpilot.settings")
    main(*sys.argv[1:3])
