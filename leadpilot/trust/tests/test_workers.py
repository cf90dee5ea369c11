"""Processes of a cluster are told apart by whose children they are and what they note; a signal meets the right one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from leadpilot.lib import canary
from leadpilot.lib.processes import Process
from leadpilot.trust import databases
from leadpilot.trust.cluster import eventually
from leadpilot.trust.workers import ROLES, Workers, children

# A parent, its sentinel, and three members, each in one process group, as django-q2 makes them.
FAMILY = """
import os, sys, time
if os.fork() == 0:
    for _ in range(3):
        if os.fork() == 0:
            time.sleep(60)
    time.sleep(60)
time.sleep(60)
"""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Workers]:
    made = Workers(tmp_path, databases.configured())
    parent = subprocess.Popen([sys.executable, "-c", FAMILY], start_new_session=True)
    assert eventually(lambda: children(parent.pid) and len(children(children(parent.pid)[0])) == 3, 20)
    process = Process.find(parent.pid)
    assert process is not None
    (tmp_path / "run").mkdir()
    noted = {"pid": parent.pid, "started": process.started, "since": time.monotonic()}
    (tmp_path / "run" / "worker.json").write_text(json.dumps(noted))
    yield made
    os.killpg(parent.pid, signal.SIGKILL)
    parent.wait()


def members(cluster: Workers) -> list[int]:
    return children(cluster.pids("sentinel")[0])


def note(cluster: Workers, pid: int, state: canary.State = "idle") -> None:
    canary.note(cluster.folder / "run" / "canary" / str(cluster.main_pid()), str(pid), state)


def test_who_has_worked_is_a_worker_and_the_other_members_are_helpers(cluster: Workers) -> None:
    first, second, third = members(cluster)
    assert cluster.pids("helper") == [first, second, third]
    note(cluster, first)
    note(cluster, third)
    assert cluster.pids("worker") == [first, third]
    assert cluster.pids("helper") == [second]
    assert cluster.pids("parent") == cluster.pids("group") == [cluster.main_pid()]
    assert set(ROLES) == {"worker", "helper", "sentinel", "parent", "group"}


@pytest.mark.parametrize(("pick", "which"), [(0.0, 0), (0.5, 1), (0.99, 2)])
def test_a_signal_meets_the_one_that_was_picked(cluster: Workers, pick: float, which: int) -> None:
    all_of_them = members(cluster)
    for pid in all_of_them:
        note(cluster, pid)
    assert cluster.hurt("worker", "KILL", pick) == all_of_them[which]
    assert eventually(lambda: Process.find(all_of_them[which]) is None, 10)
    assert len([pid for pid in all_of_them if Process.find(pid)]) == 2


def test_the_whole_group_can_be_killed_at_once(cluster: Workers) -> None:
    everybody = [*members(cluster), *cluster.pids("sentinel")]
    cluster.hurt("group", "KILL", 0.5)
    assert eventually(lambda: not [pid for pid in everybody if Process.find(pid)], 10)


def test_nobody_is_hurt_where_nobody_is(cluster: Workers) -> None:
    assert cluster.hurt("worker", "KILL", 0.5) == 0  # none has noted anything yet
    (cluster.folder / "run" / "worker.json").unlink()
    assert [cluster.hurt(role, "KILL", 0.5) for role in ROLES] == [0] * len(ROLES)
    assert all(cluster.pids(role) == [] for role in ROLES)


def test_a_cluster_works_since_a_moment_when_a_living_worker_ended_a_job_after_it(cluster: Workers) -> None:
    begun = time.monotonic()
    worker = members(cluster)[0]
    note(cluster, worker, "busy")
    assert not cluster.works_since(begun)
    note(cluster, worker)
    assert cluster.works_since(begun)
    assert not cluster.works_since(time.monotonic())
    os.kill(worker, signal.SIGKILL)
    assert eventually(lambda: Process.find(worker) is None, 10)
    note(cluster, 4_194_305)  # nobody
    assert not cluster.works_since(time.monotonic() - 0.001)
