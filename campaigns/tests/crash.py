"""A worker that can be killed: `python -m campaigns.tests.crash DATABASE`. Each line "ORG MAILBOX PLAN" on its standard
input is drained by a forked child with that plan of failpoints; the child's exit status is printed."""

from __future__ import annotations

import os
import sys
from uuid import UUID

import django
from django.db import connections


def main() -> None:
    """Answer line after line; the parent stays free of connections, so that forking is safe."""
    from leadpilot import environment

    environment.load()
    django.setup()
    # Models can only be imported after Django is set up.
    from campaigns.services import delivery
    from campaigns.smtp import Limits
    from leadpilot.lib import failpoints

    connections["default"].settings_dict["NAME"] = sys.argv[1]
    print("ready", flush=True)
    for line in sys.stdin:
        org, mailbox, plan = line.split()
        child = os.fork()
        if child == 0:
            failpoints.plan(plan)
            limits = Limits(connect=5, before_dot=5, after_dot=5)
            delivery.drain(org_id=UUID(org), mailbox_id=UUID(mailbox), limits=limits)
            os._exit(0)
        print(os.waitpid(child, 0)[1], flush=True)


if __name__ == "__main__":
    main()
