"""Failpoints: nothing in production, exactly the planned fault in tests."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from leadpilot.lib import failpoints


@pytest.fixture(autouse=True)
def _clean():
    yield
    failpoints.plan("")


def test_nothing_happens_without_a_plan():
    failpoints.hit("smtp.after_dot")


def test_a_planned_place_breaks_and_others_do_not():
    failpoints.plan("a=raise")
    failpoints.hit("b")
    with pytest.raises(failpoints.FailpointHit, match="a"):
        failpoints.hit("a")
    failpoints.hit("a")


def test_it_breaks_the_nth_time_or_every_time():
    failpoints.plan("a=raise@2;b=raise@*")
    failpoints.hit("a")
    with pytest.raises(failpoints.FailpointHit):
        failpoints.hit("a")
    for _ in range(3):
        with pytest.raises(failpoints.FailpointHit):
            failpoints.hit("b")


def test_it_sleeps():
    failpoints.plan("a=sleep:0.05")
    begun = time.monotonic()
    failpoints.hit("a")
    assert time.monotonic() - begun >= 0.05


@pytest.mark.parametrize("text", ["a=explode", "a", "a=raise@x"])
def test_a_plan_that_makes_no_sense_is_refused(text):
    with pytest.raises(ValueError):
        failpoints.parse(text)


@pytest.mark.parametrize(
    ("allowed", "action", "status"), [("1", "kill", -9), ("1", "exit", 1), ("", "kill", 0), ("0", "exit", 0)]
)
def test_the_environment_counts_only_where_fault_tests_are_allowed(allowed, action, status):
    environment = {**os.environ, "LEADPILOT_FAILPOINTS": f"x={action}", "LEADPILOT_FAULT_TESTS": allowed}
    program = "from leadpilot.lib import failpoints; failpoints.hit('x')"
    assert subprocess.run([sys.executable, "-c", program], env=environment, check=False).returncode == status


PASSES = """
import sys
from leadpilot.lib import failpoints
for name in sys.argv[1:]:
    failpoints.hit(name)
print("alive")
"""


def passing(folder, *names, allowed="1"):
    environment = {**os.environ, "LEADPILOT_FAILPOINTS_AT": str(folder), "LEADPILOT_FAULT_TESTS": allowed}
    return subprocess.run([sys.executable, "-c", PASSES, *names], env=environment, check=False).returncode


def test_the_first_process_that_passes_an_armed_place_takes_it_and_no_other(tmp_path):
    failpoints.arm(tmp_path, "smtp.data", "kill")
    assert failpoints.taken(tmp_path, "smtp.data") is None
    assert passing(tmp_path, "smtp.rcpt") == 0
    assert passing(tmp_path, "smtp.data") == -9
    assert passing(tmp_path, "smtp.data") == 0
    pid = failpoints.taken(tmp_path, "smtp.data")
    assert pid is not None
    assert pid != os.getpid()
    assert failpoints.taken(tmp_path, "smtp.data") is None


def test_an_armed_place_is_left_alone_where_fault_tests_are_not_allowed(tmp_path):
    failpoints.arm(tmp_path, "smtp.data", "kill")
    assert passing(tmp_path, "smtp.data", allowed="") == 0
    assert (tmp_path / "smtp.data").exists()


def test_an_unknown_action_cannot_be_armed(tmp_path):
    with pytest.raises(ValueError):
        failpoints.arm(tmp_path, "smtp.data", "explode")
    assert list(tmp_path.iterdir()) == []
