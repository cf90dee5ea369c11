"""The latency's measurement: its floor, and the look at when a task was started. The whole of it is a command."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.db import connection

from leadpilot.bench import SUBJECTS, latency
from leadpilot.postgres import Urls
from leadpilot.trust import databases
from leadpilot.trust.engine import observed


@pytest.fixture
def urls(django_db_setup: None, django_db_blocker: Any) -> Iterator[Urls]:
    """The test database's. Whole, because it hides its passwords when a test fails."""
    with django_db_blocker.unblock():
        yield databases.named(databases.configured(), connection.settings_dict["NAME"])


def tables(urls: Urls) -> int:
    with psycopg.connect(urls.owner) as line:
        row = line.execute("select count(*) from pg_tables where tablename = 'bare_wake'").fetchone()
    assert row is not None
    return int(row[0])


def test_the_floor_is_a_short_time_and_leaves_nothing(urls: Urls) -> None:
    with latency.listener(urls.owner) as floor:
        samples = [floor() for _ in range(20)]
        assert tables(urls) == 1
    assert all(0 < seconds < 10 for seconds in samples)
    assert tables(urls) == 0


def test_the_floor_is_cleared_away_when_a_measurement_fails(urls: Urls) -> None:
    with pytest.raises(KeyError), latency.listener(urls.owner) as floor:
        floor()
        raise KeyError("broken")
    assert tables(urls) == 0


def test_the_start_of_a_task_is_what_its_run_noted(tmp_path: Path) -> None:
    one, other = uuid4(), uuid4()
    assert latency.started(tmp_path, one) is None
    (tmp_path / observed.DONE).write_text(f"{other} 1 77 12.500000\n{one} 1 77 13.250000\n")
    assert latency.started(tmp_path, one) == 13.25
    assert latency.started(tmp_path, other) == 12.5
    assert latency.started(tmp_path, uuid4()) is None


def test_only_the_last_runs_are_looked_at(tmp_path: Path) -> None:
    first = uuid4()
    lines = [f"{first} 1 77 1.0", *(f"{uuid4()} 1 77 2.0" for _ in range(3))]
    (tmp_path / observed.DONE).write_text("\n".join(lines) + "\n")
    assert latency.started(tmp_path, first) is None


def test_both_are_subjects_of_the_command() -> None:
    assert (SUBJECTS["latency"], SUBJECTS["import"]) == ("latency", "importing")
    parser = ArgumentParser()
    latency.add_arguments(parser)
    assert vars(parser.parse_args([])) == {"samples": 300}
    assert latency.OPTIONS == ("samples",)
