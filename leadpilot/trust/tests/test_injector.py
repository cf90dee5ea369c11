"""The injector, with real helpers and real processes: a fault counts when it struck, and what never struck is said."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from leadpilot.lib import failpoints
from leadpilot.lib.processes import Process
from leadpilot.trust import ledgerbook
from leadpilot.trust.cluster import eventually
from leadpilot.trust.control import Helper
from leadpilot.trust.injector import Injector
from leadpilot.trust.ledgerbook import Ledgerbook
from leadpilot.trust.plan import Fault
from leadpilot.trust.tests.conftest import USERS, Client
from leadpilot.trust.workers import children


class Victim:
    """Stands for an installation: one process that can be hurt, and a word on whether it works again."""

    def __init__(self) -> None:
        self.process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        self.works = False
        self.there = True

    def hurt(self, role: str, how: str, pick: float) -> int:
        if not self.there:
            return 0
        with suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.Signals[f"SIG{how}"])
        return self.process.pid

    def works_since(self, moment: float) -> bool:
        return self.works


@pytest.fixture
def victim() -> Iterator[Victim]:
    made = Victim()
    yield made
    made.process.kill()
    made.process.wait()


@pytest.fixture(scope="module")
def oracle(helpers: Callable[..., Helper]) -> Helper:
    return helpers("oracle", users=USERS)


@pytest.fixture(scope="module")
def proxy(helpers: Callable[..., Helper], oracle: Helper) -> Helper:
    target = f"127.0.0.1:{oracle.ports['smtp']}"
    return helpers("faultproxy", lines={"smtp": target, "imap": target, "postgres": target})


@pytest.fixture
def injector(victim: Victim, oracle: Helper, proxy: Helper, tmp_path: Path) -> Injector:
    restarts: list[float] = []
    (tmp_path / "places").mkdir()
    made = Injector(
        [victim],  # type: ignore[list-item]
        oracle,
        proxy,
        tmp_path / "places",
        lambda: restarts.append(time.time()),
        Ledgerbook(tmp_path / "faults.jsonl"),
    )
    made.restarts = restarts  # type: ignore[attr-defined]
    return made


def written(injector: Injector) -> list[dict[str, Any]]:
    return ledgerbook.read(injector.log.path)


def test_a_failpoint_counts_when_a_process_has_taken_it(injector: Injector) -> None:
    for number in (1, 2):
        injector.inject(Fault(number, "failpoint", {"place": "smtp.dot", "action": "kill"}))
    injector.look()
    assert (injector.struck, injector.waiting()) == (0, 2)
    (injector.places / "smtp.dot").rename(injector.places / "smtp.dot.taken-4711")
    injector.look()
    assert (injector.struck, injector.waiting()) == (1, 1)
    assert written(injector)[-1]["pid"] == 4711
    assert (injector.places / "smtp.dot").read_text() == "kill"  # the second is armed now
    assert failpoints.taken(injector.places, "smtp.dot") is None


def test_a_rule_counts_when_the_proxy_has_followed_it(injector: Injector, proxy: Helper) -> None:
    injector.inject(Fault(11, "smtp", {"action": "cut", "pattern": "EHLO"}))
    injector.look()
    assert (injector.struck, injector.waiting()) == (0, 1)
    with socket.create_connection(("127.0.0.1", proxy.ports["smtp"]), timeout=10) as sock:
        sock.sendall(b"EHLO me\r\n")
        assert eventually(lambda: injector.look() or injector.struck, 10)
    assert injector.waiting() == 0


def test_an_answer_counts_when_the_oracle_has_given_it(
    injector: Injector, oracle: Helper, clients: Callable[[int], Client]
) -> None:
    injector.inject(Fault(21, "oracle", {"verb": "NOOP", "say": "451 later"}))
    client = clients(oracle.ports["smtp"])
    client.hear()
    injector.look()
    assert injector.struck == 0
    assert client.say(b"NOOP\r\n").startswith(b"451")
    injector.look()
    assert (injector.struck, injector.waiting()) == (1, 0)


def test_all_connections_to_the_database_are_cut_at_once(injector: Injector, proxy: Helper) -> None:
    with socket.create_connection(("127.0.0.1", proxy.ports["postgres"]), timeout=10) as sock:
        assert sock.recv(3) == b"220"
        injector.inject(Fault(31, "postgres", {"action": "cut_all"}))
        with pytest.raises(ConnectionResetError):
            while sock.recv(1000):
                pass
    assert written(injector)[-1]["cut"] == 1


def beat(number: int, how: str, role: str = "worker") -> Fault:
    return Fault(number, "worker", {"role": role, "signal": how, "cluster": 1, "pick": 0.5})


def test_a_beaten_cluster_is_given_time_to_get_up(injector: Injector, victim: Victim) -> None:
    injector.inject(beat(41, "KILL"))
    assert injector.struck == 1
    assert victim.process.wait(10) == -signal.SIGKILL
    injector.inject(beat(42, "KILL"))
    injector.look()
    assert (injector.struck, injector.waiting(), injector.still_ill()) == (1, 1, 1)
    assert injector.in_ambush() == 0
    victim.works, victim.there = True, False
    injector.look()
    assert (injector.still_ill(), len(injector.recoveries)) == (0, 1)
    assert injector.waiting() == 1  # there is nobody to be hurt yet
    victim.there = True
    injector.look()
    assert (injector.struck, injector.waiting()) == (2, 0)


def test_a_stopped_process_goes_on_by_itself(
    injector: Injector, victim: Victim, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leadpilot.trust.injector.FROZEN", 0.2)

    def state() -> str:
        return Path(f"/proc/{victim.process.pid}/stat").read_text().rpartition(")")[2].split()[0]

    injector.inject(beat(51, "STOP"))
    assert eventually(lambda: state() == "T", 10)
    assert eventually(lambda: injector.look() or state() != "T", 10)
    assert injector.still_ill() == 0


def test_a_restart_of_the_database_makes_every_cluster_prove_itself(
    injector: Injector, victim: Victim
) -> None:
    injector.inject(Fault(61, "restart"))
    assert len(injector.restarts) == 1  # type: ignore[attr-defined]
    assert injector.still_ill() == 1
    victim.works = True
    injector.look()
    assert injector.still_ill() == 0


def test_a_rare_place_is_baited_while_a_fault_lies_in_wait_there(injector: Injector) -> None:
    laid: list[str] = []
    injector.baits = {"smtp.rset": lambda: laid.append("rset"), "smtp.dot": lambda: laid.append("dot")}
    injector.look()
    assert laid == []
    injector.inject(Fault(65, "failpoint", {"place": "smtp.rset", "action": "kill"}))
    injector.look()
    injector.look()
    assert laid == ["rset"]  # and not again before its time


def test_what_never_struck_is_taken_back_and_said(injector: Injector, oracle: Helper, proxy: Helper) -> None:
    injector.inject(Fault(71, "failpoint", {"place": "smtp.dot", "action": "kill"}))
    injector.inject(Fault(72, "smtp", {"action": "cut", "pattern": "never"}))
    injector.inject(Fault(73, "oracle", {"verb": "NOOP", "say": "451 later"}))
    injector.inject(beat(74, "STOP"))
    assert injector.give_up() == 3
    assert [entry["missed"] for entry in written(injector) if "missed" in entry] == [72, 73, 71]
    assert list(injector.places.iterdir()) == []
    assert proxy.ask(do="state")["waiting"] == []
    assert oracle.ask(do="state")["waiting"] == 0
    assert injector.waiting() == 0


def test_children_of_a_process_are_found_and_no_others(victim: Victim) -> None:
    assert victim.process.pid in children(os.getpid())
    assert children(victim.process.pid) == []
    assert Process.find(victim.process.pid) is not None
