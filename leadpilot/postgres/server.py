"""Making, starting and stopping the server process. A pid from a file is only believed when the process is
ours.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

from leadpilot.postgres import binaries
from leadpilot.postgres.binaries import Binaries
from leadpilot.postgres.errors import PostgresError
from leadpilot.postgres.layout import PORT, Account, Layout
from leadpilot.postgres.secret import Secret

SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "120",
    "shared_buffers": "128MB",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
    "log_min_duration_statement": "1000",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}
RECOVERY = 150.0  # seconds: after a crash the server replays its log before it answers
LOG_LIMIT = 5_000_000  # bytes

_started: dict[Path, subprocess.Popen[bytes]] = {}  # kept so that a child of ours that ends leaves no zombie


def answers(url: str) -> bool:
    """True when the server lets us in."""
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def start(layout: Layout, secret: Secret) -> None:
    """Start the server of `layout`, making its data first when there is none, and wait until it answers."""
    major = _major(layout)
    programs = binaries.find(layout.account, major)
    if major is None:
        _make_data(layout, programs, secret)
    _clear_leftovers(layout)
    process = _spawn(layout, programs)
    admin = secret.url(layout, "admin", database="postgres")
    deadline = time.monotonic() + RECOVERY
    while not answers(admin):
        if process.poll() is not None:
            raise PostgresError(f"PostgreSQL ended at once. The end of {layout.log}:\n{_tail(layout.log)}")
        if time.monotonic() > deadline:
            raise PostgresError(f"PostgreSQL did not answer in {RECOVERY:.0f} s. See {layout.log}.")
        time.sleep(0.05)


def stop(layout: Layout) -> bool:
    """Ask the server to end (open transactions are rolled back), insist after 30 s; False when none was
    running.
    """
    pid = running_pid(layout)
    if pid is None:
        return False
    for how, patience in (
        (signal.SIGINT, 30),
        (signal.SIGQUIT, 15),
        (signal.SIGKILL, 5),
    ):
        if running_pid(layout) != pid:
            break
        os.kill(pid, how)
        if _wait(lambda: running_pid(layout) != pid, patience):
            break
    child = _started.pop(layout.home, None)
    if child:
        child.wait(timeout=5)
    return True


def running_pid(layout: Layout) -> int | None:
    """The pid of the server that works on our data, or None: the file's word alone is not taken."""
    try:
        pid = int((layout.data / "postmaster.pid").read_text().split()[0])
    except (FileNotFoundError, PermissionError, IndexError, ValueError):
        return None
    return pid if pid > 0 and _works_on(pid, layout.data) else None


def _make_data(layout: Layout, programs: Binaries, secret: Secret) -> None:
    """initdb beside, then rename: one that was killed half-way leaves nothing that looks like data."""
    beside = layout.cluster / "data.new"
    shutil.rmtree(beside, ignore_errors=True)
    password = layout.cluster / "password.new"
    password.unlink(missing_ok=True)
    with open(os.open(password, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(secret.passwords["admin"])
    layout.account.own(password)
    common = [
        "-D",
        str(beside),
        "-U",
        "leadpilot_admin",
        f"--pwfile={password}",
        "--auth=scram-sha-256",
        "-E",
        "UTF8",
    ]
    try:
        _initdb(programs, common, layout.account)
    finally:
        password.unlink()
    beside.rename(layout.data)


def _initdb(programs: Binaries, common: list[str], who: Account) -> None:
    if programs.major >= 17:
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        programs.run("initdb", *common, *locale, who=who)
        return
    try:
        programs.run("initdb", *common, "--locale=C.UTF-8", who=who)
    except PostgresError:  # systems without that locale: upper and lower case then work for ASCII alone
        programs.run("initdb", *common, "--locale=C", who=who)


def _spawn(layout: Layout, programs: Binaries) -> subprocess.Popen[bytes]:
    folder = str(layout.sockets).replace("\\", "\\\\").replace('"', '\\"')
    settings = {**SETTINGS, "unix_socket_directories": f'"{folder}"'}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    if layout.log.exists() and layout.log.stat().st_size > LOG_LIMIT:
        layout.log.rename(layout.log.with_suffix(".log.1"))
    log = os.open(layout.log, os.O_CREAT | os.O_APPEND | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
    try:
        process = subprocess.Popen(
            [str(programs.folder / "postgres"), "-D", str(layout.data), *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=binaries.environment(),
            start_new_session=True,  # a Ctrl-C in the terminal is for us, not for the database
            **layout.account.popen(),
        )
    finally:
        os.close(log)
    _started[layout.home] = process
    return process


def _clear_leftovers(layout: Layout) -> None:
    """Remove the lock files of a killed server, once nothing works on the data any more."""
    if not _wait(lambda: not _workers_on(layout.data), 30):
        raise PostgresError(
            f"PostgreSQL processes {_workers_on(layout.data)} still use {layout.data} but do not answer. "
            "End them, then try again."
        )
    for left in (
        layout.data / "postmaster.pid",
        layout.socket,
        layout.socket.with_name(f"{layout.socket.name}.lock"),
    ):
        left.unlink(missing_ok=True)


def _workers_on(data: Path) -> list[int]:
    """Pids of all PostgreSQL processes on our data: after a kill the children live a moment longer than the
    parent.
    """
    if sys.platform == "linux":
        return [
            int(entry) for entry in os.listdir("/proc") if entry.isdigit() and _works_on(int(entry), data)
        ]
    said = subprocess.run(["ps", "-axo", "pid=,command="], capture_output=True, text=True, check=False).stdout
    lines = [line.split(None, 1) for line in said.splitlines() if "postgres" in line and str(data) in line]
    return [int(pid) for pid, _ in lines]


def _works_on(pid: int, data: Path) -> bool:
    """A PostgreSQL process works in its data folder; no other program of that name would sit there."""
    if sys.platform != "linux":
        return pid in _workers_on(data)
    try:
        return os.readlink(f"/proc/{pid}/cwd") == str(data.resolve()) and _is_postgres(pid)
    except OSError:
        return False


def _is_postgres(pid: int) -> bool:
    return Path(f"/proc/{pid}/comm").read_text().strip() == "postgres"


def _major(layout: Layout) -> int | None:
    try:
        return int((layout.data / "PG_VERSION").read_text())
    except FileNotFoundError:
        return None


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-1500:] if log.exists() else ""


def _wait(done: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
