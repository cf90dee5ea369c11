"""The command as people start it: a process of its own, stopped and killed."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.conf import settings

from leadpilot.sandbox.maildir import mails
from leadpilot.sandbox.testing import wait_for

from .conftest import SENDER, make_mail, submit


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def command(tmp_path):
    """Start the command with the same ports and the same var directory each time."""
    ports = {"SANDBOX_WEB_PORT": str(free_port()), "SANDBOX_SMTP_PORT": str(free_port())}
    env = {**os.environ, **ports, "LEADPILOT_SANDBOX": "1", "PYTHONUNBUFFERED": "1"}
    script = (
        "import sys, django.conf\n"
        "from pathlib import Path\n"
        "import leadpilot.settings as s\n"
        f"s.SANDBOX['home'] = Path({str(tmp_path / 'sandbox')!r})\n"
        "from django.core.management import execute_from_command_line\n"
        "execute_from_command_line(['manage.py', 'run_sandbox', '--delay', '0', '0'])\n"
    )
    started = []

    def start():
        process = subprocess.Popen(
            [sys.executable, "-c", script],
            cwd=settings.BASE_DIR,
            env={**env, "DJANGO_SETTINGS_MODULE": "leadpilot.settings"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield SimpleNamespace(
        start=start,
        web=int(ports["SANDBOX_WEB_PORT"]),
        smtp=int(ports["SANDBOX_SMTP_PORT"]),
        home=tmp_path / "sandbox",
    )
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def send_to(command, person):
    servers = SimpleNamespace(
        smtp_port=command.smtp,
        user=settings.SANDBOX["smtp_user"],
        password=settings.SANDBOX["smtp_password"],
    )
    submit(servers, make_mail(person), person)


def answers(home: Path) -> int:
    return len(mails(home, SENDER))


def test_it_says_one_line_when_ready_serves_and_stops_cleanly_on_sigterm(command):
    process = command.start()
    line = process.stdout.readline()
    assert (
        line
        == f"Sandbox ready: sites on http://localhost:{command.web}/, mail on 127.0.0.1:{command.smtp}.\n"
    )
    with urllib.request.urlopen(f"http://127.0.0.1:{command.web}/", timeout=5) as answer:
        assert b"The sandbox town" in answer.read()
    send_to(command, "maren.dewit@brightwave.example")
    wait_for(lambda: answers(command.home) == 1)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=10)
    assert process.returncode == 0
    assert out == "Sandbox stopped.\n"
    assert "Traceback" not in err


def test_after_kill_9_nobody_answers_twice(command):
    process = command.start()
    process.stdout.readline()
    send_to(command, "maren.dewit@brightwave.example")
    wait_for(lambda: answers(command.home) == 1)
    process.kill()
    process.communicate()
    process = command.start()
    process.stdout.readline()
    send_to(command, "rita@smallfox.example")
    wait_for(lambda: answers(command.home) == 2)
    time.sleep(0.3)
    assert answers(command.home) == 2


def test_it_waits_for_a_taken_port_and_says_so(command):
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", command.smtp))
        squatter.listen()
        process = command.start()
        said = process.stderr.readline()
        assert f"Port {command.smtp} for the sandbox's mail server: " in said
        assert "set SANDBOX_WEB_PORT or SANDBOX_SMTP_PORT" in said
    assert process.stdout.readline().startswith("Sandbox ready")
    process.terminate()
    assert process.wait(timeout=10) == 0
