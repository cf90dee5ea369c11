"""The work engine: tasks are rows, wake-ups only say "look" (DESIGN 2).

A worker claims tasks with a lease, runs their handlers outside any transaction and finishes each one only while the
lease is still its own. A worker that dies loses its lease; the task is taken up again, three times at most.
"""

from agent.engine.claims import hold
from agent.engine.errors import LeaseLost, TaskFailed, TaskLater, TaskNeedsApproval, TaskRetry
from agent.engine.queue import submit, submit_many
from agent.engine.registry import HANDLERS, ClaimedTask, handles
from agent.engine.worker import drain

__all__ = [
    "HANDLERS",
    "ClaimedTask",
    "LeaseLost",
    "TaskFailed",
    "TaskLater",
    "TaskNeedsApproval",
    "TaskRetry",
    "drain",
    "handles",
    "hold",
    "submit",
    "submit_many",
]
