"""Helpers: processes that answer, refuse what makes no sense, and end when whoever started them does."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from leadpilot.lib.processes import Process
from leadpilot.trust.cluster import eventually
from leadpilot.trust.control import ROOT, Helper, HelperError
from leadpilot.trust.tests.conftest import USERS
from leadpilot.trust.world import World

STARTER = """
import json, sys, time
from pathlib import Path
from leadpilot.trust.control import Helper
folder = Path(sys.argv[1])
with Helper("leadpilot.trust.oracle", {"log": str(folder / "log"), "users": {}}, folder / "errors") as oracle:
    print(oracle.process.pid, flush=True)
    time.sleep(60)
"""


def test_a_helper_says_where_it_listens_and_ends_with_the_block(tmp_path: Path) -> None:
    config = {"log": str(tmp_path / "log"), "users": USERS}
    with Helper("leadpilot.trust.oracle", config, tmp_path / "errors") as oracle:
        assert set(oracle.ports) == {"smtp", "control"}
        assert oracle.ask(do="state")["accepted"] == 0
        process = oracle.process
    assert process.returncode == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", oracle.ports["smtp"]), timeout=5)


def test_a_helper_does_not_outlive_a_starter_that_is_killed(tmp_path: Path) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert starter.stdout is not None
    pid = int(starter.stdout.readline())
    assert Process.find(pid) is not None
    os.kill(starter.pid, signal.SIGKILL)
    starter.wait()
    starter.stdout.close()
    assert eventually(lambda: Process.find(pid) is None, 10)


def test_several_requests_on_one_connection_are_answered_in_turn(helpers: Callable[..., Helper]) -> None:
    oracle = helpers("oracle", users=USERS)
    with socket.create_connection(("127.0.0.1", oracle.ports["control"]), timeout=10) as sock:
        file = sock.makefile("rw")
        for request, ok in (({"do": "state"}, True), ({"do": "nonsense"}, False), ({"do": "state"}, True)):
            file.write(json.dumps(request) + "\n")
            file.flush()
            assert json.loads(file.readline())["ok"] is ok
        file.write("no json\n")
        file.flush()
        assert json.loads(file.readline())["ok"] is False


def test_a_refusal_says_what_was_asked_and_why(helpers: Callable[..., Helper]) -> None:
    oracle = helpers("oracle", users=USERS)
    with pytest.raises(HelperError, match="no such order: dance"):
        oracle.ask(do="dance")


def test_parts_of_a_campaign_come_due_in_their_own_time(tmp_path: Path) -> None:
    there = World(tmp_path, None, None, None, None, [], settles=False)  # type: ignore[arg-type]
    assert there.due("feed", 60)
    assert not there.due("feed", 60)
    assert there.due("mend", 60)
    assert there.due("feed", 0)
