"""`python -m leadpilot.run [setup|worker]`: everything on this machine; or set-up alone; or a worker without
the web.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys

from leadpilot import environment, postgres
from leadpilot.run import state, supervisor
from leadpilot.run.output import say
from leadpilot.run.part import ROOT

DEFAULT_PORT = 8000


def main(arguments: list[str]) -> int:
    """Do what was asked; returns the exit code."""
    if arguments not in ([], ["setup"], ["worker"]):
        return supervisor.fail(__doc__ or "")
    environment.load()
    if arguments != ["worker"]:  # that is for servers, which have real mailboxes
        os.environ.setdefault("LEADPILOT_SANDBOX", "true")
    if arguments == ["setup"]:
        return set_up()
    try:
        port = asked_port()
    except ValueError as error:
        return supervisor.fail(str(error))
    os.environ["PORT"] = str(port)
    return run(port, only_worker=bool(arguments))


def set_up() -> int:
    """Migrations and the demo organization; leaves no process behind that was not there before."""
    home = postgres.default_home()
    ours = environment.is_private() and not postgres.is_running(home)
    try:
        return subprocess.run(
            [sys.executable, "-m", "leadpilot.run.prepare"], cwd=ROOT, check=False
        ).returncode
    finally:
        if ours:
            postgres.stop(home)


def run(port: int, *, only_worker: bool) -> int:
    """Start everything and stay until a signal."""
    var = postgres.default_home().parent
    before = state.read_state(var / "run")
    lock = state.take_lock(var / "run")
    if lock is None:
        return point_to(before)
    if before:
        state.kill_run(before.run_id)  # what a killed supervisor left behind
    taken = None if only_worker else first_taken([port, *sandbox_ports(port)])
    if taken:
        other = next((p for p in range(9000, 10000, 10) if not first_taken([p, p + 1, p + 2])), 9000)
        return supervisor.fail(
            f"Port {taken} is taken by another program. Choose another: PORT={other} make run"
        )
    boss = supervisor.Supervisor(var, port, only_worker=only_worker, before=before)
    supervisor.trap_signals(boss)
    try:
        boss.start()
        boss.watch()
    except postgres.PostgresError as error:
        return supervisor.fail(str(error))
    finally:
        boss.stop()
        lock.close()
    return 0


def point_to(running: state.State | None) -> int:
    """Another supervisor has this folder: say where it answers."""
    if running is None:
        return supervisor.fail("LeadPilot is just being started here by another command.")
    say("LeadPilot is already running here; stop it with Ctrl-C in its own terminal.")
    say(f"Open {running.address}")
    os.environ["PORT"] = running.address.rsplit(":", 1)[1].strip("/")
    say(supervisor.ask_for_link().communicate()[0].strip())
    return 0


def asked_port() -> int:
    """PORT from the environment, 8000 without one. Raises ValueError with a sentence."""
    said = os.environ.get("PORT") or str(DEFAULT_PORT)
    if not said.isdecimal() or not 1 <= int(said) <= 65533:
        raise ValueError(f"PORT={said} is not a port: a number from 1 to 65533, as in PORT=9000 make run")
    return int(said)


def sandbox_ports(port: int) -> list[int]:
    """The ports of the sandbox's web sites and mail server; settings.SANDBOX says the same."""
    return [
        int(os.environ.get(name) or port + n)
        for n, name in ((1, "SANDBOX_WEB_PORT"), (2, "SANDBOX_SMTP_PORT"))
    ]


def first_taken(ports: list[int]) -> int | None:
    """The first of these ports on the loopback that something else listens on."""
    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return port
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
