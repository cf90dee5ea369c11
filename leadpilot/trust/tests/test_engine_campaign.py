"""The short form of `manage.py trust engine`: real supervisors and workers, some of them killed (TRUST F2, F3, F13)."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections

from leadpilot.postgres import Urls
from leadpilot.trust import databases
from leadpilot.trust.engine import faults, kills, tasks
from leadpilot.trust.engine.figures import Figures
from leadpilot.trust.engine.stage import QUICK, Stage

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes in /proc")


@pytest.fixture(scope="module")
def template(django_db_setup: None, django_db_blocker: Any) -> Iterator[Urls]:
    """A copy of the migrated test database, to which nobody is connected."""
    with django_db_blocker.unblock():
        tested = databases.named(databases.configured(), connection.settings_dict["NAME"])
        connections.close_all()
        made = databases.copy(tested, f"trust_template_{os.getpid()}_{uuid.uuid4().hex[:6]}")
    yield made
    databases.drop(made)


@pytest.fixture
def stage(template: Urls, django_db_blocker: Any) -> Iterator[Stage]:
    """A stage with short waits in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="lp-", dir="/tmp"))
    with django_db_blocker.unblock():
        yield Stage(folder, template, Figures(io.StringIO()), {**QUICK, "canary_silence": 8})
    shutil.rmtree(folder, ignore_errors=True)


def kept(stage: Stage, play: Callable[[], None]) -> dict[str, float]:
    """Play a scene; every promise holds, and these are the figures."""
    play()
    assert stage.figures.broken == []
    return stage.figures.values


def test_two_clusters_do_each_of_five_hundred_tasks_once(stage: Stage) -> None:
    found = kept(stage, lambda: tasks.play(stage, number=500, workers=3))
    assert (found["tasks_done_once"], found["tasks_done_twice"], found["tasks_undone"]) == (500, 0, 0)
    assert found["tasks_orphans"] == 0


def test_jobs_that_come_five_times_work_once_and_lost_ones_are_made_up_for(stage: Stage) -> None:
    found = kept(stage, lambda: faults.play(stage, number=25, killer=False))
    assert found["repeated_deliveries"] >= faults.DELIVERIES
    assert (found["repeated_done_once"], found["repeated_mails_accepted"]) == (25, 25)
    assert found["robbed_jobs_deleted"] >= 2
    assert found["robbed_lost"] == found["robbed_duplicates"] == 0


def test_a_wedged_and_a_killed_cluster_work_again_and_leave_no_process(stage: Stage) -> None:
    def play() -> None:
        found = kills.play_one(stage, name="kills", victims=["monitor", "group"], seed=1)
        kills.tell(stage.figures, found)

    found = kept(stage, play)
    assert found["kills_monitor"] == found["kills_group"] == 1
    assert found["recovery_max_monitor"] > 5, "only the watchdog can have helped"
    assert (found["recovery_tasks_lost"], found["recovery_orphans"]) == (0, 0)
