"""Module-wide worlds: seeded once, inside a transaction that is rolled back when the module's tests are over."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction

from leadpilot.tests.probing.answers import Answer
from leadpilot.tests.probing.callers import Caller, people
from leadpilot.tests.probing.world import Furnished, furnish


@dataclass
class Stage:
    """The organization that is not to be touched, the one whose people try, and those people."""

    victim: Furnished
    home: Furnished
    callers: list[Caller]
    baselines: dict[Any, Answer] = field(default_factory=dict)

    @property
    def ids(self) -> set[str]:
        """Every id of either, as text."""
        return {str(value) for world in (self.victim, self.home) for value in world.ids.values()}

    def caller(self, name: str) -> Caller:
        """The person of this name."""
        return next(caller for caller in self.callers if caller.name == name)


def make_stage() -> Stage:
    """Furnish both organizations and sign everyone in."""
    victim, home = furnish("quagga"), furnish("okapi")
    return Stage(victim, home, people(home))


@pytest.fixture(scope="module")
def stage(django_db_setup: Any, django_db_blocker: Any) -> Iterator[Stage]:
    """Two furnished organizations; each test's own transaction is a savepoint in this one."""
    requests = logging.getLogger("django.request")
    level = requests.level
    requests.setLevel(logging.ERROR)  # thousands of 404s are what is asked for
    with django_db_blocker.unblock(), transaction.atomic():
        yield make_stage()
        transaction.set_rollback(True)
    requests.setLevel(level)
    with django_db_blocker.unblock():
        connection.close()


def missing(kind: str) -> str:
    """A value of this kind that names nothing."""
    if kind == "draft_version":
        return f"{uuid4()}:1"
    if kind in ("word", "domain"):
        return "aardvark" + ".example" * (kind == "domain")
    if kind == "forged_link":
        return "eHh4" * 16 + "." + "s" * 43
    return "x" * 43 if kind == "spent_link" else str(uuid4())
