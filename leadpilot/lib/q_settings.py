"""How django-q2 is set up. Its defaults lose or repeat work; each line here answers one of them (STACK,
"What bit us").
"""

import os

from leadpilot.lib import pace

WORKERS = int(os.environ.get("LEADPILOT_WORKERS") or 2)
JOB_SECONDS = int(
    pace.seconds("job", 180)
)  # the longest a job may run; drains stop by themselves long before

Q_CLUSTER = {
    "name": "leadpilot",
    "broker_class": "leadpilot.lib.broker.PostgresBroker",
    "workers": WORKERS,
    "queue_limit": WORKERS,  # more would wait in memory while their claim runs out
    "bulk": 1,
    "timeout": JOB_SECONDS,
    "retry": 2 * JOB_SECONDS + 60,  # a job may wait in memory for one to end, and then run as long itself
    "ack_failures": True,  # rows remember and sweepers repeat; the queue never does
    "max_attempts": 3,
    "save_limit": -1,
    "scheduler": False,  # leadpilot.schedules has its own
    "catch_up": False,
    "recycle": 500,
    "poll": 1,
}
