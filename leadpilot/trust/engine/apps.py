"""Makes a worker cluster observable from outside: who is who, what was delivered, what was done."""

from __future__ import annotations

import os

from django.apps import AppConfig


class ObservedConfig(AppConfig):
    name = "leadpilot.trust.engine"
    label = "trust_engine"

    def ready(self) -> None:
        """Put the counted handler in the place of the task type that production leaves free."""
        # Inside the function: these need the models, which are loaded only now.
        from django_q import signals

        from agent import engine
        from agent import tasks as _production  # its handlers first, ours on top
        from agent.engine.registry import Registered
        from agent.models import TaskType
        from leadpilot.trust.engine import observed

        assert _production
        if not os.environ.get(observed.FOLDER):
            return
        engine.HANDLERS[TaskType.REPORT] = Registered(observed.do, None)
        signals.post_spawn.connect(observed.worker_spawned)
        signals.pre_execute.connect(observed.job_delivered)
        signals.post_execute.connect(observed.result_collected)
