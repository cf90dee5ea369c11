"""`manage.py restore`: whole or not at all, with the same rights as before, and nothing that fits not."""

from __future__ import annotations

import io
import json
import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import override_settings

from campaigns.models import Mailbox
from leadpilot.lib.encryption import Key
from leadpilot.ops import archive, backup, database, fitness, locking, manifest, programs
from leadpilot.ops import restore as restoring
from leadpilot.ops.errors import OpsError
from leadpilot.ops.management.commands import restore as command
from leadpilot.ops.restore import restore
from leadpilot.orgs.models import Organization, User
from leadpilot.orgs.tenancy import org_context
from leadpilot.tests.probing.world import Furnished, furnish
from leads.models import Lead

pytestmark = pytest.mark.usefixtures("unblocked")
CATALOGUE = {
    "policies": "SELECT tablename, policyname, qual, with_check FROM pg_policies ORDER BY 1, 2",
    "tables": "SELECT relname, relrowsecurity, relforcerowsecurity, relowner::regrole::text FROM pg_class "
    "WHERE relkind IN ('r', 'S') AND relnamespace = 'public'::regnamespace ORDER BY 1",
    "functions": "SELECT proname, proowner::regrole::text, prosecdef, proconfig, prosrc, "
    "array(SELECT unnest(proacl)::text ORDER BY 1) FROM pg_proc WHERE pronamespace = 'public'::regnamespace "
    "AND proowner::regrole::text NOT LIKE '%admin' AND NOT EXISTS (SELECT FROM pg_depend d "
    "WHERE d.objid = pg_proc.oid AND d.deptype = 'e') ORDER BY 1",
    # PostgreSQL writes the same condition in other words once it was read back, so checks are compared by name.
    "constraints": "SELECT conrelid::regclass::text, conname, CASE WHEN contype <> 'c' THEN pg_get_constraintdef(oid) "
    "END FROM pg_constraint WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2",
    "indexes": "SELECT indexname, split_part(indexdef, ' WHERE ', 1) FROM pg_indexes WHERE schemaname = 'public' "
    "ORDER BY 1",
    "triggers": "SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid) FROM pg_trigger "
    "WHERE NOT tgisinternal ORDER BY 1, 2",
    "rights": "SELECT table_name, grantee, privilege_type FROM information_schema.table_privileges "
    "WHERE table_schema = 'public' AND privilege_type <> 'TRUNCATE' AND table_name <> 'django_migrations' "
    "ORDER BY 1, 2, 3",
    "default rights": "SELECT defaclobjtype, array(SELECT unnest(defaclacl)::text ORDER BY 1) "
    "FROM pg_default_acl ORDER BY 1",
}


@dataclass(frozen=True)
class Kept:
    """A backup of an organization with rows of every kind, a password and a media file; the rows are gone again."""

    world: Furnished
    file: bytes


@pytest.fixture(scope="module")
def kept(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    folder = tmp_path_factory.mktemp("kept")
    (folder / "media" / "logos").mkdir(parents=True)
    (folder / "media" / "logos" / "a.png").write_bytes(b"picture")
    with django_db_blocker.unblock(), override_settings(MEDIA_ROOT=folder / "media"):
        world = furnish("walrus")
        with org_context(world.org.pk):
            mailbox = Mailbox.objects.get(pk=world.ids["mailbox"])
            mailbox.write_secret("smtp_password", "opens-a-mailbox")
            mailbox.save()
        backup.make_backup(folder / "b")
        call_command("flush", interactive=False, verbosity=0, reset_sequences=False)
        connections.close_all()
    return Kept(world, (folder / "b").read_bytes())


@pytest.fixture
def unblocked(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """All three roles' connections, and no cleaning afterwards: everything is restored beside the tests' database."""
    with django_db_blocker.unblock():
        yield
        connections.close_all()


@pytest.fixture
def world(kept: Kept) -> Furnished:
    """Who is in the backup."""
    return kept.world


@pytest.fixture
def file(kept: Kept, settings: Any, tmp_path: Path) -> Path:
    """The backup, and a folder of its own for media files."""
    settings.MEDIA_ROOT = tmp_path / "media"
    (tmp_path / "b.leadpilot").write_bytes(kept.file)
    return tmp_path / "b.leadpilot"


@pytest.fixture
def target(unblocked: None) -> Iterator[str]:
    """The name of a database that is not there yet; it, and all beside it, are gone afterwards."""
    name = f"t{os.getpid()}_restored"
    yield name
    connections.close_all()
    with database.maintenance() as line:
        for (left,) in beside(line, name):
            database.drop(line, left)


def beside(line: Any, name: str) -> list[Any]:
    return list(
        line.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", [f"{name}%"]).fetchall()
    )


def names(target: str) -> set[str]:
    """All databases whose names begin so, without the random ends of those put aside."""
    with database.maintenance() as line:
        return {name.rpartition("_")[0] if name != target else name for (name,) in beside(line, target)}


def catalogue(name: str) -> dict[str, list[Any]]:
    with closing(psycopg.connect(**programs.connection_of("owner", name))) as line:
        return {what: line.execute(query).fetchall() for what, query in CATALOGUE.items()}


def changed(file: Path, **fields: Any) -> Path:
    """A copy of a backup with another manifest."""
    copy = file.with_name("changed")
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(copy, "w") as sink:
        for name in source.namelist():
            data = source.read(name)
            if name == manifest.NAME:
                data = json.dumps({**json.loads(data), **fields}).encode()
            sink.writestr(name, data)
    return copy


def test_everything_comes_back_with_its_owners_rights_and_policies(
    file: Path, world: Furnished, target: str, tmp_path: Path
) -> None:
    before = catalogue(connections["default"].settings_dict["NAME"])
    done = restore(file, target=target)
    assert (done.target, done.aside, done.warnings) == (target, "", [])
    assert done.locked == locking.Locked(organizations=1, mailboxes=1, messages=2)
    after = catalogue(target)
    for what in CATALOGUE:
        assert after[what] == before[what], what
    assert (tmp_path / "media" / "logos" / "a.png").read_bytes() == b"picture"
    assert names(target) == {target}
    with database.pointed_at(target):
        assert Lead.objects.count() == 0, "the policies hold"
        assert not User.objects.using("system").filter(last_login__isnull=False).exists()
        with org_context(world.org.pk):
            org = Organization.objects.get()
            assert org.halted_at is not None
            assert Lead.objects.get(pk=world.ids["lead"]).name == "Ada Walrus"
            assert Mailbox.objects.get().read_secret("smtp_password") == "opens-a-mailbox"
            assert locking.waiting(org.pk)[0].backup_at == done.manifest.made_at
        call_command("migrate", database="owner", check_unapplied=True, verbosity=0)


def test_the_old_database_goes_aside_whole(file: Path, world: Furnished, target: str) -> None:
    restore(file, target=target)
    with database.pointed_at(target), org_context(world.org.pk):
        Lead.objects.create(org=world.org, name="Late Lead", email="late@walrus.example")
    with pytest.raises(OpsError, match=r"has rows in it\. --replace"):
        restore(file, target=target)
    done = restore(file, target=target, replace=True)
    assert done.aside.startswith(f"{target}_before_")
    for name, leads in ((target, 2), (done.aside, 3)):
        with database.pointed_at(name), org_context(world.org.pk):
            assert Lead.objects.count() == leads
    again = restore(file, target=target, replace=True, drop_old=True)
    assert again.aside == ""
    assert len(names(target)) == 2


def test_a_database_without_people_is_empty(file: Path, target: str) -> None:
    with database.maintenance() as line:
        database.create(line, target)
    restore(file, target=target)
    assert names(target) == {target}
    with closing(psycopg.connect(**programs.connection_of("owner", target), autocommit=True)) as line:
        line.execute("TRUNCATE orgs_user, orgs_organization CASCADE")
    assert database.is_empty(target)
    restore(file, target=target)
    assert names(target) == {target}, "an empty one is not kept"


def test_a_database_of_something_else_is_not_empty(file: Path, target: str) -> None:
    with database.maintenance() as line:
        database.create(line, target)
    with closing(psycopg.connect(**programs.connection_of("owner", target), autocommit=True)) as line:
        line.execute("CREATE TABLE wiki_page (id int); GRANT SELECT ON wiki_page TO PUBLIC")
    with pytest.raises(OpsError, match="has rows in it"):
        restore(file, target=target)


def test_while_somebody_is_connected_nothing_is_replaced(
    file: Path, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    restore(file, target=target)
    monkeypatch.setattr(database, "GOODBYE", 0.2)
    with (
        closing(psycopg.connect(**programs.connection_of("default", target))),
        pytest.raises(OpsError, match=r"1 connections .* stop LeadPilot everywhere"),
    ):
        restore(file, target=target, replace=True)
    assert names(target) == {target}


def test_one_who_connects_late_keeps_the_old_database_in_its_place(
    file: Path, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    restore(file, target=target)
    monkeypatch.setattr(database, "PATIENCE", 0.0)
    monkeypatch.setattr(database, "GOODBYE", 0.2)
    late: list[Any] = []

    def media(found: Any) -> None:
        late.append(psycopg.connect(**programs.connection_of("default", target)))

    monkeypatch.setattr(restoring, "_put_media", media)
    with pytest.raises(OpsError, match="Somebody is connected"):
        restore(file, target=target, replace=True)
    late[0].close()
    assert names(target) == {target}


@pytest.mark.parametrize("step", ["give_rights", "_compare_counts", "lock_all", "_put_media"])
def test_whatever_fails_leaves_everything_as_it_was(
    step: str, file: Path, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("the disk is full")

    here = next(m for m in (database, restoring, locking) if hasattr(m, step))
    monkeypatch.setattr(here, step, broken)
    with pytest.raises(RuntimeError):
        restore(file, target=target)
    assert names(target) == set()


def test_a_half_filled_database_that_cannot_be_removed_is_named_beside_the_reason(
    file: Path, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    guests: list[psycopg.Connection[Any]] = []

    def broken(made: Any, new: str) -> None:
        guests.append(psycopg.connect(**programs.connection_of("system", new)))
        raise OpsError("the counts differ")

    monkeypatch.setattr(database, "PATIENCE", 0.0)
    monkeypatch.setattr(restoring, "_compare_counts", broken)
    with pytest.raises(OpsError, match="the counts differ") as raised:
        restore(file, target=target)
    guests[0].close()
    with database.maintenance() as line:
        [(left,)] = beside(line, target)
    assert raised.value.__notes__ == [
        f"The database {left} is in use and stays: DROP DATABASE {left} removes it."
    ]


def test_an_old_database_that_cannot_be_removed_does_not_undo_the_restore(
    file: Path, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(line: Any, name: str) -> None:
        raise OpsError(f"The database {name} is in use and stays.")

    with database.maintenance() as line:
        database.create(line, target)
    monkeypatch.setattr(restoring.database, "drop", busy)
    done = restore(file, target=target)
    monkeypatch.undo()
    assert done.aside in done.warnings[-1]
    assert names(target) == {target, done.aside.rpartition("_")[0]}


def test_a_dump_that_pg_restore_does_not_take_is_said(file: Path, target: str) -> None:
    with zipfile.ZipFile(file) as source:
        dump = source.read(manifest.DUMP)
    with database.maintenance() as line:
        database.create(line, target)
    with pytest.raises(OpsError, match=r"pg_restore failed \(1\): .+"):
        database.load(target, io.BytesIO(dump[: len(dump) // 2]), at_least=15)
    with pytest.raises(OpsError, match="pg_restore failed"):
        database.load(target, io.BytesIO(b"no dump" * 100_000), at_least=15)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda data: data[:-2000], "is no backup, or not all of it"),
        (lambda data: b"hello", "is no backup"),
        (lambda data: data[:5000] + bytes([data[5000] ^ 1]) + data[5001:], "is no backup|hash differs"),
    ],
)
def test_a_damaged_file_is_told_before_anything_is_done(
    damage: Any, sentence: str, file: Path, target: str
) -> None:
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(OpsError, match=sentence):
        restore(file, target=target)
    assert names(target) == set()


def test_a_missing_file_and_a_zip_of_something_else_are_said(tmp_path: Path) -> None:
    with pytest.raises(OpsError, match="cannot be read: No such file"), archive.opened(tmp_path / "no"):
        pass
    with zipfile.ZipFile(tmp_path / "z", "w") as other:
        other.writestr("a.txt", "a")
    with pytest.raises(OpsError, match=r"no manifest.json"), archive.opened(tmp_path / "z"):
        pass


@pytest.mark.parametrize(
    "name", ["../evil", "media/../evil", "/etc/evil", "media/", "media//etc/evil", "evil"]
)
def test_no_file_is_put_outside_of_the_media_folder(name: str, file: Path) -> None:
    bad = file.with_name("bad")
    shutil.copy(file, bad)
    with zipfile.ZipFile(bad, "a") as sink:
        parts = json.loads(sink.read(manifest.NAME))["parts"]
        sink.writestr(name, b"evil")
    parts[name] = {"bytes": 4, "sha256": archive.digest(io.BytesIO(b"evil"))}
    with (
        pytest.raises(OpsError, match="outside of the media folder"),
        archive.opened(changed(bad, parts=parts)),
    ):
        pass


def test_a_link_in_the_media_folder_is_not_followed_out(file: Path, target: str, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "logos").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OpsError, match="leads out of the media folder"):
        restore(file, target=target)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_files_that_were_not_listed_or_are_missing_are_said(file: Path) -> None:
    with (
        pytest.raises(OpsError, match=r"does not hold what its manifest\.json lists"),
        archive.opened(changed(file, parts={})),
    ):
        pass


def read(file: Path) -> manifest.Manifest:
    with archive.opened(file) as found:
        return found.manifest


def test_the_keys_of_then_have_to_be_in_the_ring(file: Path, settings: Any) -> None:
    old = settings.ENCRYPTION_KEYS[0]
    fitness.check(read(file), server=99)
    settings.ENCRYPTION_KEYS = [Key("new", os.urandom(32)), old]
    fitness.check(read(file), server=99)
    settings.ENCRYPTION_KEYS = [Key("new", os.urandom(32))]
    with pytest.raises(OpsError, match=f"needs key {old.id} .*has none of that name"):
        fitness.check(read(file), server=99)
    settings.ENCRYPTION_KEYS = [Key(old.id, os.urandom(32))]
    with pytest.raises(OpsError, match="has another key of that name"):
        fitness.check(read(file), server=99)


def test_another_secret_key_is_a_warning(file: Path, settings: Any) -> None:
    settings.SECRET_KEY = "x" * 50
    assert fitness.check(read(file), server=99) == [fitness.LINKS_BROKEN]


def test_a_newer_leadpilot_s_backup_is_refused(file: Path, target: str) -> None:
    newer = [*read(file).migrations, ["leads", "0099_later"]]
    with pytest.raises(OpsError, match=r"newer LeadPilot .9\.0.* leads\.0099_later.*Upgrade"):
        restore(changed(file, migrations=newer, version="9.0"), target=target)
    with pytest.raises(OpsError, match="this server is 15"):
        fitness.check(read(file), server=15)


def test_an_older_leadpilot_s_backup_is_brought_up_to_date(file: Path, world: Furnished, target: str) -> None:
    """Taken back by a migration in the restored database, and backed up from there."""
    restore(file, target=target)
    with database.pointed_at(target):
        call_command("migrate", "ops", "0001", database="owner", verbosity=0)
        old = backup.make_backup(file.with_name("old"))
    assert ["ops", "0002_sent_checks"] not in old.migrations
    done = restore(file.with_name("old"), target=target, replace=True)
    assert done.locked.mailboxes == 1
    with database.pointed_at(target), org_context(world.org.pk):
        assert len(locking.waiting(world.org.pk)) == 1


def test_rows_that_do_not_come_back_are_noticed(file: Path, target: str) -> None:
    rows = {**read(file).rows, "leads_lead": 77}
    with pytest.raises(OpsError, match="counts differ in leads_lead"):
        restore(changed(file, rows=rows), target=target)
    assert names(target) == set()


def run(file: Path, *options: str) -> str:
    said = io.StringIO()
    call_command("restore", str(file), *options, stdout=said)
    return said.getvalue()


def test_the_command_refuses_a_database_with_rows_and_asks_before_it_replaces_one(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "is_empty", lambda _: False)
    with pytest.raises(CommandError, match=r"--replace.*The database is as it was"):
        run(file)
    monkeypatch.setattr(command.sys, "stdin", io.StringIO())
    with pytest.raises(CommandError, match="say --yes"):
        run(file, "--replace")
    monkeypatch.setattr(command.sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: "no")
    with pytest.raises(CommandError, match="Nothing was changed"):
        run(file, "--replace")


def test_the_command_says_what_it_did_and_what_comes_next(
    file: Path, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def there(path: Path, **options: Any) -> Any:
        return restore(path, target=target, **options)

    monkeypatch.setattr(command, "restore", there)
    said = run(file)
    assert f"Restored as {target}" in said
    assert "1 mailboxes locked; 2 messages may have left" in said
    said = run(file, "--replace", "--yes")
    assert "DROP DATABASE" in said
