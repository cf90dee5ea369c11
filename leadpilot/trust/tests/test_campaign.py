"""The whole fault campaign in a short form, as a command; and what its report looks like when a promise is broken."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from leadpilot import postgres
from leadpilot.run import state
from leadpilot.trust import dovecot, ledgerbook
from leadpilot.trust.cluster import eventually
from leadpilot.trust.control import ROOT
from leadpilot.trust.report import Outcome, report, shortcomings
from leadpilot.trust.testimony import Broken

FAULTS = int(os.environ.get("TRUST_FAULTS") or 30)
ZEROS = ("duplicates", "lost", "late", "cap_overshoot", "unaccounted", "hash_mismatch", "stuck", "offences")


def command(folder: Path, faults: int, seed: int = 5) -> list[str]:
    asked = [f"--faults={faults}", f"--seed={seed}", f"--folder={folder}"]
    return [sys.executable, str(ROOT / "manage.py"), "trust", "ledger", *asked]


def left_behind(folder: Path) -> list[int]:
    """Processes of the campaign's clusters that still live."""
    runs = [state.read_state(path) for path in folder.glob("cluster*/run")]
    return [pid for run in runs if run for pid in state.carriers(run.run_id)]


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, float], Path, str]:
    """The printed figures, the folder with the evidence, and all that was printed."""
    folder = tmp_path_factory.mktemp("trust")
    done = subprocess.run(command(folder, FAULTS), cwd=ROOT, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-6000:]
    lines = [line.split() for line in done.stdout.splitlines()]
    return {line[0]: float(line[1]) for line in lines if len(line) in (2, 3)}, folder, said


def test_no_promise_is_broken(short: tuple[dict[str, float], Path, str]) -> None:
    figures, _, said = short
    assert {name: figures[name] for name in ZEROS} == dict.fromkeys(ZEROS, 0.0), said


def test_faults_really_struck_while_mail_really_left(short: tuple[dict[str, float], Path, str]) -> None:
    figures, folder, _ = short
    assert figures["faults"] == FAULTS  # what found nobody to strike was made up for
    assert figures["missed"] <= FAULTS * 0.1
    assert figures["acts"] > 0
    assert figures["messages"] >= figures["accepted"] > FAULTS
    struck = [line for line in ledgerbook.read(folder / "faults.jsonl") if "fault" in line]
    assert len(struck) == figures["faults"]
    assert len(ledgerbook.read(folder / "oracle.jsonl")) == figures["accepted"]


@pytest.mark.skipif(not dovecot.is_installed(), reason="without an IMAP server nothing can be settled")
def test_what_was_unknown_was_settled_by_the_search_of_sent(
    short: tuple[dict[str, float], Path, str],
) -> None:
    figures, _, said = short
    assert figures["unknown"] > 0, said
    assert figures["unknown_settled"] >= 99.5, said


def test_every_cluster_that_was_hurt_works_again(short: tuple[dict[str, float], Path, str]) -> None:
    figures, _, said = short
    assert figures["still_ill"] == 0, said
    assert 0 < figures["recovery_p50"] <= figures["recovery_p99"] <= figures["recovery_max"]


def test_nothing_is_left_running_and_the_evidence_is_kept(short: tuple[dict[str, float], Path, str]) -> None:
    figures, folder, said = short
    assert str(folder) in said
    assert left_behind(folder) == []
    assert not (folder / "var" / "postgres").exists()
    assert json.loads((folder / "figures.json").read_text())["faults"] == figures["faults"]
    assert (folder / "report.txt").read_text().startswith("faults ")


def test_a_campaign_that_is_stopped_takes_its_database_along(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command(tmp_path, 30), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    home = tmp_path / "var" / "postgres"
    try:
        assert eventually(lambda: postgres.is_running(home), 120, 0.2)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=90)
    finally:
        process.kill()
        process.wait()
    assert process.returncode != 0
    assert not postgres.is_running(home)
    assert left_behind(tmp_path) == []
    assert not home.exists()


# The report


def outcome(*broken: Broken) -> Outcome:
    figures: list[tuple[str, Any, str]] = [("faults", 3, "faults"), ("seed", 1, "")]
    return Outcome(
        figures, list(broken), {one.message_id: ["12:00 ACCEPTED", "12:01 ACCEPTED"] for one in broken}
    )


def test_a_report_is_lines_of_name_value_and_unit(tmp_path: Path) -> None:
    assert report(outcome(), tmp_path) == ["faults 3 faults", "seed 1"]
    assert json.loads((tmp_path / "figures.json").read_text()) == {"faults": 3, "seed": 1}


def test_a_broken_promise_is_told_with_the_message_and_its_history(tmp_path: Path) -> None:
    lines = report(outcome(Broken("duplicates", "<1@us>", "accepted twice")), tmp_path)
    assert lines[2:] == [
        "BROKEN duplicates: <1@us> accepted twice",
        "    12:00 ACCEPTED",
        "    12:01 ACCEPTED",
    ]
    assert (tmp_path / "report.txt").read_text().splitlines() == lines


GOOD: dict[str, Any] = {"faults": 300, "missed": 0, "unknown_settled": 100.0, "still_ill": 0, "offences": 0}


def short_of(asked: int = 300, settles: bool = True, **other: Any) -> list[str]:
    figures = [(name, value, "") for name, value in {**GOOD, **other}.items()]
    return shortcomings(figures, asked=asked, settles=settles)


def test_a_campaign_that_did_what_it_should_has_no_shortcomings() -> None:
    assert short_of() == []
    assert short_of(missed=30) == []
    assert short_of(unknown_settled=0.0, settles=False) == []


@pytest.mark.parametrize(
    ("figure", "said"),
    [
        ({"missed": 31}, "Only 269 of 300 faults struck as they were planned."),
        ({"faults": 299}, "Only 299 of 300 faults struck."),
        ({"unknown_settled": 99.4}, "Only 99.4 % of what was unknown was settled."),
        ({"still_ill": 1}, "1 clusters that were hurt have not worked since."),
        ({"offences": 2}, "The oracle was spoken to wrongly 2 times: see offences.jsonl."),
    ],
)
def test_a_campaign_that_proves_too_little_says_so(figure: dict[str, Any], said: str, tmp_path: Path) -> None:
    found = short_of(**figure)
    assert found == [said]
    assert report(Outcome([], [], short=found), tmp_path) == [f"SHORT {said}"]
