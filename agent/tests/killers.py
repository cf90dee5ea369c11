"""A worker process of its own for tests that kill it: `python -m agent.tests.killers DATABASE ORG SECONDS`."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any


def main(database: str, org_id: str, seconds: float) -> None:
    """Drain with a short lease until the time is up. The handlers write what they did into the task's own output."""
    from leadpilot import environment

    environment.load()
    environment.ensure_database()
    import django

    django.setup()

    from django.db import connections

    from agent import engine
    from agent.engine import claims
    from agent.engine.registry import Registered
    from agent.models import TaskType

    connections["default"].settings_dict["NAME"] = database
    claims.LEASE_SECONDS = 3.0

    def do(task: engine.ClaimedTask) -> dict[str, Any]:
        if task.input_data.get("deadly"):
            os.kill(os.getpid(), signal.SIGKILL)
        if task.input_data.get("hang"):
            sys.stdout.write("began\n")
            sys.stdout.flush()
            time.sleep(float(task.input_data["hang"]) if task.attempt == 1 else 0)
        return {"by": os.getpid(), "attempt": task.attempt}

    engine.HANDLERS[TaskType.REPORT] = Registered(do, None)
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        engine.drain(org_id, seconds=max(0.1, ends - time.monotonic()))
        time.sleep(0.1)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
