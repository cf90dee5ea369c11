"""Waits: production's figures, unless fault tests are allowed and ask for others."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta

import pytest

from leadpilot.lib import pace


def test_without_a_word_everything_waits_as_long_as_it_says():
    assert pace.seconds("claim_lease", 240) == 240
    assert pace.time("claim_lease", timedelta(minutes=4)) == timedelta(minutes=4)


def test_figures_are_read_by_name():
    assert pace.parse(" claim_lease=3; sweep=0.5;") == {"claim_lease": 3.0, "sweep": 0.5}


@pytest.mark.parametrize("text", ["claim_lease", "=3", "claim_lease=soon", "claim_lease=0", "claim_lease=-1"])
def test_what_is_no_figure_is_refused(text):
    with pytest.raises(ValueError):
        pace.parse(text)


@pytest.mark.parametrize(("allowed", "waits"), [("1", "3.0"), ("", "240"), ("0", "240"), ("yes", "240")])
def test_the_environment_counts_only_where_fault_tests_are_allowed(allowed, waits):
    environment = {**os.environ, "LEADPILOT_PACE": "claim_lease=3", "LEADPILOT_FAULT_TESTS": allowed}
    program = "from leadpilot.lib import pace; print(pace.seconds('claim_lease', 240))"
    said = subprocess.run([sys.executable, "-c", program], env=environment, check=True, capture_output=True)
    assert said.stdout.decode().strip() == waits
