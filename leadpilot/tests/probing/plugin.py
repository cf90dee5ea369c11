"""What `pytest_plugins` names: pytest imports it itself, before any test does."""

from leadpilot.tests.probing.fixtures import stage

__all__ = ["stage"]
