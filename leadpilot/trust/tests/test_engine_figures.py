"""Figures and their promises; what several installations found, put together; who is hit in which order."""

from __future__ import annotations

import io
from collections import Counter

import pytest

from leadpilot.trust.engine import kills
from leadpilot.trust.engine.figures import Figures, percentile


@pytest.fixture
def figures() -> Figures:
    return Figures(io.StringIO())


def printed(figures: Figures) -> list[str]:
    assert isinstance(figures.out, io.StringIO)
    return figures.out.getvalue().splitlines()


def test_a_figure_is_a_line_of_name_value_and_unit(figures: Figures) -> None:
    figures.say("tasks", 100000, "tasks")
    figures.say("seconds", 12.3456, "s")
    assert printed(figures) == ["tasks 100000 tasks", "seconds 12.35 s"]
    assert figures.values == {"tasks": 100000, "seconds": 12.3456}
    assert figures.broken == []


def test_a_count_that_is_not_as_promised_is_a_broken_promise(figures: Figures) -> None:
    figures.exactly("lost", 0, "tasks", 0)
    assert figures.broken == []
    figures.exactly("twice", 2, "tasks", 0)
    figures.exactly("once", 99, "tasks", 100)
    assert figures.broken == ["twice is 2, not 0", "once is 99, not 100"]
    assert printed(figures) == ["lost 0 tasks", "twice 2 tasks", "once 99 tasks"]


def test_a_time_may_come_up_to_its_limit_and_no_further(figures: Figures) -> None:
    figures.at_most("back", 90.0, "s", 90.0)
    assert figures.broken == []
    figures.at_most("back", 90.01, "s", 90.0)
    assert figures.broken == ["back is 90.01, more than 90 s"]


def test_a_remark_is_no_figure(figures: Figures) -> None:
    figures.note("broken: something")
    assert printed(figures) == ["# broken: something"]
    assert figures.values == {}


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([], 0.5, 0.0),
        ([7.0], 0.5, 7.0),
        ([7.0], 0.99, 7.0),
        ([3.0, 1.0, 2.0], 0.5, 2.0),
        ([4.0, 1.0, 3.0, 2.0], 0.5, 2.0),
        ([float(n) for n in range(1, 101)], 0.99, 99.0),
        ([float(n) for n in range(1, 101)], 0.95, 95.0),
        ([float(n) for n in range(1, 101)], 1.0, 100.0),
        ([float(n) for n in range(1, 201)], 0.95, 190.0),
        ([float(n) for n in range(1, 11)], 0.99, 10.0),
    ],
)
def test_a_percentile_is_one_of_the_values(values: list[float], share: float, expected: float) -> None:
    assert percentile(values, share) == expected


# Who is hit


def test_as_many_are_hit_as_was_asked() -> None:
    asked = Counter(kills.sequence(100, 3, seed=1))
    assert asked["worker"] == 100
    assert {asked[name] for name in kills.VICTIMS if name != "worker"} == {3}
    assert sum(asked.values()) == 100 + 3 * (len(kills.VICTIMS) - 1)


def test_the_order_is_the_same_for_a_seed_and_another_for_another() -> None:
    assert kills.sequence(10, 1, seed=4) == kills.sequence(10, 1, seed=4)
    assert kills.sequence(10, 1, seed=4) != kills.sequence(10, 1, seed=5)
    assert Counter(kills.sequence(10, 1, seed=4)) == Counter(kills.sequence(10, 1, seed=5))


def test_every_process_of_a_cluster_is_a_victim() -> None:
    roles = {role for role, _ in kills.VICTIMS.values()}
    assert {"worker", "main", "sentinel", "monitor", "pusher", "group", "all"} == roles


# What they found


def test_what_several_installations_found_is_put_together() -> None:
    one = kills.Found([("worker", 1.0)], [2.0], orphans=1, tasks=5)
    other = kills.Found([("group", 3.0)], [], dead=1, tasks=10, lost=2, twice=1)
    one.add(kills.as_json(other))
    assert [list(found) for found in one.recoveries] == [["worker", 1.0], ["group", 3.0]]
    assert (one.stops, one.dead, one.orphans, one.tasks, one.lost, one.twice) == ([2.0], 1, 1, 15, 2, 1)


def test_all_well_breaks_no_promise(figures: Figures) -> None:
    found = kills.Found([("worker", 0.2), ("worker", 70.0), ("group", 9.0)], [1.5], tasks=15)
    kills.tell(figures, found)
    assert figures.broken == []
    assert figures.values["kills_worker"] == 2
    assert figures.values["recovery_max_worker"] == figures.values["recovery_max"] == 70.0
    assert figures.values["recovery_max_group"] == 9.0
    assert figures.values["wedged"] == 1
    assert figures.values["stop_max"] == 1.5
    assert "kills_pusher" not in figures.values


@pytest.mark.parametrize(
    ("found", "broken"),
    [
        (kills.Found([("worker", 90.5)]), {"recovery_max", "recovery_p99"}),
        (kills.Found([("worker", 1.0)] * 199 + [("group", 91.0)]), {"recovery_max"}),
        (kills.Found([("worker", 1.0)], dead=1), {"recovery_never"}),
        (kills.Found([("worker", 1.0)], lost=1), {"recovery_tasks_lost"}),
        (kills.Found([("worker", 1.0)], orphans=2), {"recovery_orphans"}),
        (kills.Found([("term_all", 1.0)], [95.0]), {"stop_max"}),
    ],
)
def test_each_broken_promise_is_named(figures: Figures, found: kills.Found, broken: set[str]) -> None:
    kills.tell(figures, found)
    assert {sentence.split()[0] for sentence in figures.broken} == broken


def test_a_task_that_its_killed_worker_had_begun_may_run_again(figures: Figures) -> None:
    kills.tell(figures, kills.Found([("group", 5.0)], twice=1))
    assert figures.broken == []
    assert figures.values["recovery_tasks_run_again"] == 1
