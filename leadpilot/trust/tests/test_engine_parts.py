"""The parts a scene is made of: databases, installations, work, mailboxes, and the look at what came of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, CommandParser
from django.db import connection, connections

from agent import engine
from agent.engine.registry import Registered
from agent.models import AgentTask, TaskStatus, TaskType
from campaigns.models import Message, MessageStatus, Quota
from campaigns.windows import local_day, zone_of
from leadpilot.lib import canary, clock, doorbell
from leadpilot.orgs.tenancy import org_context
from leadpilot.postgres import Urls
from leadpilot.run import state, watchdog
from leadpilot.trust import databases
from leadpilot.trust.cluster import ClusterError, eventually
from leadpilot.trust.engine import bay, command, crowd, mail, observed, work
from leadpilot.trust.engine.installation import Installation

ROOT = Path(__file__).resolve().parents[3]
SOMEWHERE = Urls(
    "postgresql://app:a@/one?host=%2Ftmp%2Frun&port=5432",
    "postgresql://owner:o@/one?host=%2Ftmp%2Frun&port=5432",
    "postgresql://system:s@db.example:5433/one?sslmode=require",
)


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="lp-", dir="/tmp"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


# Databases


def test_another_database_has_the_same_server_and_roles() -> None:
    other = databases.named(SOMEWHERE, "two")
    assert other.app == "postgresql://app:a@/two?host=%2Ftmp%2Frun&port=5432"
    assert other.owner == "postgresql://owner:o@/two?host=%2Ftmp%2Frun&port=5432"
    assert other.system == "postgresql://system:s@db.example:5433/two?sslmode=require"
    assert (databases.database_of(SOMEWHERE), databases.database_of(other)) == ("one", "two")


def test_a_process_is_led_to_a_database_by_three_variables() -> None:
    assert databases.environment(SOMEWHERE) == {
        "DATABASE_URL": SOMEWHERE.app,
        "DATABASE_OWNER_URL": SOMEWHERE.owner,
        "DATABASE_SYSTEM_URL": SOMEWHERE.system,
    }


@pytest.fixture
def unblocked(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Django may connect, to any database."""
    with django_db_blocker.unblock():
        yield


def test_a_copy_has_the_same_tables_and_goes_away_again(unblocked: None) -> None:
    before = connection.settings_dict["NAME"]
    server = databases.named(databases.configured(), "postgres")
    name = f"trust_copy_{os.getpid()}_{uuid.uuid4().hex[:6]}"
    with psycopg.connect(server.owner, autocommit=True) as line:
        line.execute(f"create database {name}_first")
    first = databases.named(server, f"{name}_first")
    with psycopg.connect(first.owner) as line:
        line.execute("create table kept (n int)")
        line.execute("insert into kept values (7)")
    made = databases.copy(first, name)
    try:
        with databases.connected(made):
            with connections["owner"].cursor() as cursor:
                cursor.execute("select n, current_database() from kept")
                assert cursor.fetchone() == (7, name)
            assert connections["default"].settings_dict["NAME"] == name
        assert connection.settings_dict["NAME"] == before
    finally:
        for urls in (made, first):
            databases.drop(urls)
    with psycopg.connect(server.owner, autocommit=True) as line:
        left = line.execute("select count(*) from pg_database where datname like %s", [f"{name}%"])
        assert left.fetchone() == (0,)


def test_a_block_that_fails_gives_the_connection_back(unblocked: None) -> None:
    before = dict(connection.settings_dict)
    with pytest.raises(KeyError), databases.connected(databases.named(databases.configured(), "postgres")):
        assert connection.settings_dict["NAME"] == "postgres"
        raise KeyError("gone")
    assert connection.settings_dict == before


# An installation


class FakeHouse:
    """Processes that stand as a supervisor's do: a parent, a sentinel, children of the sentinel, and a stray."""

    CODE = """
import os, sys, time
os.setpgrp()
def child(then):
    pid = os.fork()
    if pid == 0:
        then()
        time.sleep(120)
        os._exit(0)
    return pid
def sentinel():
    for name in ("worker", "worker", "monitor", ""):
        pid = child(lambda: None)
        if name:
            open(os.path.join(sys.argv[1], "roles", str(pid)), "w").write(name)
child(sentinel)
print("up", flush=True)
time.sleep(120)
"""

    def __init__(self, folder: Path) -> None:
        self.run_id = uuid.uuid4().hex
        (folder / "roles").mkdir()
        (folder / "one" / "run").mkdir(parents=True)
        self.environment = {**os.environ, doorbell.RUN_ID: self.run_id}
        self.main = subprocess.Popen(
            [sys.executable, "-c", self.CODE, str(folder)], env=self.environment, stdout=subprocess.PIPE
        )
        assert self.main.stdout is not None
        assert self.main.stdout.readline() == b"up\n"
        state.State(os.getpid(), self.run_id, "").write(folder / "one" / "run")
        watchdog.note_cluster(folder / "one" / "run" / "worker.json", self.main.pid)

    def end(self) -> None:
        state.kill_run(self.run_id)
        self.main.wait()


@pytest.fixture
def house(folder: Path) -> Iterator[FakeHouse]:
    made = FakeHouse(folder)
    yield made
    made.end()


@pytest.fixture
def one(folder: Path) -> Installation:
    environment = {observed.FOLDER: str(folder)}
    return Installation(folder / "one", SOMEWHERE, workers=2, environment=environment)


def test_every_process_of_an_installation_is_told_by_its_role(house: FakeHouse, one: Installation) -> None:
    assert eventually(lambda: len(one.family()["worker"]) == 2 and one.family()["monitor"], 20)
    assert eventually(lambda: len(one.family()["pusher"]) == 1, 20), one.family()
    found = one.family()
    assert found["main"] == [house.main.pid]
    assert (len(found["sentinel"]), len(found["monitor"]), found["stray"]) == (1, 1, [])
    assert sum(map(len, found.values())) == 6


def test_what_belongs_to_nobody_is_a_stray(house: FakeHouse, one: Installation) -> None:
    lost = subprocess.Popen(["sleep", "60"], env=house.environment)
    assert eventually(lambda: lost.pid in one.family()["stray"], 20)
    lost.kill()
    lost.wait()
    assert one.family()["stray"] == []


def test_an_installation_is_whole_when_all_are_there_and_a_result_was_collected(
    house: FakeHouse, one: Installation
) -> None:
    assert eventually(lambda: len(one.family()["pusher"]) == 1, 20)
    assert not one.is_whole()
    canary.note(one.folder / "run" / "canary" / str(house.main.pid), canary.MONITOR, "seen")
    assert one.is_whole()
    assert one.collected_since(0)
    assert not one.collected_since(time.monotonic())
    os.kill(one.family()["worker"][0], signal.SIGKILL)
    assert eventually(lambda: not one.is_whole(), 10)


def test_waiting_for_what_does_not_come_ends_with_what_was_said(one: Installation) -> None:
    one.folder.mkdir(parents=True)
    one.screen.write_text("worker | no database")
    with pytest.raises(ClusterError, match="no database"):
        one.wait_until_whole(0.1)


def test_an_installation_that_was_not_started_has_no_processes(one: Installation) -> None:
    assert one.carriers() == []
    assert one.main_pid() is None
    assert (one.said(), one.marks(), one.stop()) == ("", [], [])
    assert not one.is_whole()
    one.kill()


def test_an_installation_is_led_to_its_own_folder_and_database(one: Installation) -> None:
    assert one.environment["LEADPILOT_VAR"] == str(one.folder)
    assert one.environment["DATABASE_URL"] == SOMEWHERE.app
    assert one.environment["LEADPILOT_WORKERS"] == "2"
    assert "TEST_DATABASE_NAME" not in one.environment


# Work


@pytest.fixture
def counting(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(observed.FOLDER, str(folder))
    monkeypatch.setattr(observed, "_handles", {})
    monkeypatch.setitem(engine.HANDLERS, TaskType.REPORT, Registered(observed.do, None))
    return folder


@pytest.mark.django_db
def test_submitted_work_is_counted_when_it_is_done(org: Any, counting: Path) -> None:
    submitted = work.submit(org, 20)
    assert work.is_open(org)
    assert work.count(counting, submitted).never == 20
    engine.drain(org.pk)
    assert not work.is_open(org)
    assert work.wait(org, 10) < 10
    assert work.count(counting, submitted).once == 20
    assert work.rows(org) == {(TaskStatus.COMPLETED, 1): 20}


@pytest.mark.django_db
def test_work_comes_in_pieces_that_are_all_there(org: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "CHUNK", 7)
    submitted = work.submit(org, 20, sleep=0.0)
    assert len(set(submitted)) == 20
    with org_context(org.pk):
        kept = set(AgentTask.objects.for_org(org).values_list("pk", flat=True))
        assert kept == set(submitted)
        assert AgentTask.objects.for_org(org).filter(input_data={"sleep": 0.0}).count() == 20


@pytest.mark.django_db
def test_waiting_for_work_that_nobody_does_ends(org: Any) -> None:
    work.submit(org, 1)
    assert 0.3 <= work.wait(org, 0.3) < 20


# Mail


@pytest.fixture
def approved(org: Any, settings: Any) -> Callable[..., tuple[Any, list[Any], list[str]]]:
    settings.UNDO_SECONDS = 0

    def make(caps: list[int], number: int) -> tuple[Any, list[Any], list[str]]:
        pool = crowd.mailboxes(org, smtp_port=2525, caps=caps)
        campaign = crowd.campaign(org, pool, daily_cap=1000)
        return campaign, pool, crowd.approve(campaign, pool, number)

    return make


@pytest.mark.django_db
def test_approved_messages_wait_in_every_mailbox_alike(org: Any, approved: Any) -> None:
    campaign, pool, ids = approved([100, 100, 50], 9)
    with org_context(org.pk):
        rows = list(Message.objects.for_org(org).values_list("message_id", "status", "mailbox_id"))
    assert sorted(ids) == sorted(row[0] for row in rows)
    assert {row[1] for row in rows} == {MessageStatus.QUEUED}
    assert [sum(row[2] == mailbox.pk for row in rows) for mailbox in pool] == [3, 3, 3]
    assert mail.moving(org) == 9
    assert len({*ids, *crowd.approve(campaign, pool, 4, first=9)}) == 13


def log(*ids: str) -> list[dict[str, Any]]:
    return [{"message_id": one} for one in ids]


@pytest.mark.django_db
def test_the_log_decides_what_was_accepted_twice_or_never(org: Any, approved: Any) -> None:
    _, _, ids = approved([100], 4)
    assert mail.Outcome.of(org, ids, log(*ids)) == mail.Outcome(4, 0, 0, 0)
    assert mail.Outcome.of(org, ids, log(*ids, ids[0], ids[0])) == mail.Outcome(4, 2, 0, 0)
    assert mail.Outcome.of(org, ids, log(*ids[:3])) == mail.Outcome(3, 0, 1, 0)


@pytest.mark.django_db
def test_what_is_unknown_is_not_lost(org: Any, approved: Any) -> None:
    _, _, ids = approved([100], 2)
    with org_context(org.pk):
        Message.objects.for_org(org).filter(message_id=ids[0]).update(status=MessageStatus.UNKNOWN)
    assert mail.Outcome.of(org, ids, log(ids[1])) == mail.Outcome(1, 0, 0, 1)


@pytest.mark.django_db
def test_a_lowered_cap_binds_to_itself_or_to_what_was_taken_before(org: Any, approved: Any) -> None:
    _, (mailbox,), _ = approved([100], 1)
    assert mail._lower(org, mailbox, 5) == 5
    with org_context(org.pk):
        day = local_day(clock.now(), zone_of(org.time_zone))
        Quota.objects.create(org=org, scope=f"mailbox:{mailbox.pk}", period=day, used=8)
    assert mail._lower(org, mailbox, 5) == 8
    with org_context(org.pk):
        mailbox.refresh_from_db()
    assert mailbox.daily_cap == 5


@pytest.mark.django_db
def test_what_nobody_works_on_and_what_was_put_off_is_at_rest(org: Any, approved: Any) -> None:
    approved([100], 1)
    rows = Message.objects.for_org(org)
    assert not mail._at_rest(org)
    with org_context(org.pk):
        rows.update(scheduled_for=clock.now() + timedelta(minutes=5))
    assert mail._at_rest(org)
    with org_context(org.pk):
        rows.update(status=MessageStatus.CLAIMED, lease_owner="someone", lease_until=clock.now())
    assert not mail._at_rest(org)


def test_the_oracle_knows_every_mailbox(folder: Path) -> None:
    with mail.oracle(folder / "sink", 2) as sink:
        assert sink.ports["smtp"] > 0
        assert mail.accepted(folder / "sink") == []
    assert crowd.accounts(2) == {crowd.address(0): crowd.PASSWORD, crowd.address(1): crowd.PASSWORD}


# The command


def options(*words: str) -> dict[str, Any]:
    parser = CommandParser()
    command.add_arguments(parser)
    return vars(parser.parse_args(list(words)))


def test_without_a_word_every_scene_is_played_in_its_small_form() -> None:
    asked = options()
    assert asked["only"] == ["tasks", "messages", "caps", "faults", "restart", "kills"]
    assert (asked["tasks"], asked["quick"]) == (5000, False)


def test_scenes_and_sizes_can_be_chosen() -> None:
    asked = options("--only", "kills", "tasks", "--kills", "100", "--seed", "3", "--quick")
    assert (asked["only"], asked["kills"], asked["seed"], asked["quick"]) == (
        ["kills", "tasks"],
        100,
        3,
        True,
    )


def test_an_unknown_scene_is_refused() -> None:
    with pytest.raises(CommandError, match="invalid choice"):
        options("--only", "dance")


def test_every_scene_of_the_command_can_be_called() -> None:
    assert set(command.SCENES) == set(options()["only"])
    assert all(callable(scene) for scene in command.SCENES.values())


def test_what_one_bay_says_is_one_line_among_others() -> None:
    code = f"print('noise'); print({bay.ANSWER!r} + {json.dumps(json.dumps({'tasks': 3}))})"
    processes = [
        subprocess.Popen([sys.executable, "-c", words], stdout=subprocess.PIPE, text=True)
        for words in (code, "print('dead before it could answer')")
    ]
    assert bay.answers(processes) == [{"tasks": 3}]
