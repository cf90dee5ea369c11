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
