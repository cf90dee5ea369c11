"""Joins the operator's commands, tables and functions to Django."""

from __future__ import annotations

from django.apps import AppConfig


class OpsConfig(AppConfig):
    name = "leadpilot.ops"
    label = "ops"
