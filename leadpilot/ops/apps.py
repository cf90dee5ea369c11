"""Joins the operator's commands, tables and functions to Django."""

from __future__ import annotations

from django.apps import AppConfig


class OpsConfig(AppConfig):
    name = "leadpilot.ops"
    label = "ops"

    def ready(self) -> None:
        # Inside the function: these need the models, which are loaded only now.
        from campaigns import clearance
        from leadpilot.ops import locking

        clearance.register_check(locking.not_compared, load=locking.waiting)
