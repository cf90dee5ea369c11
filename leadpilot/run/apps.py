"""Joins the worker's signs of life and the check of the schedules to Django."""

from __future__ import annotations

import logging

from django.apps import AppConfig


class RunConfig(AppConfig):
    name = "leadpilot.run"
    label = "run"

    def ready(self) -> None:
        # Inside the function: these need the models, which are loaded only now.
        from django.core import checks
        from django_q import signals

        from leadpilot import schedules
        from leadpilot.lib import canary

        checks.register(schedules.check_schedules)
        signals.pre_execute.connect(canary.job_taken)
        signals.post_execute_in_worker.connect(canary.job_ended)
        signals.post_execute.connect(canary.result_seen)
        logging.getLogger("django-q").setLevel(logging.WARNING)  # at INFO each job takes three lines
