"""The schedule: the same for the same seed, another for another, and nothing is left out of a long one."""

from __future__ import annotations

from collections import Counter

import pytest

from leadpilot.lib import failpoints
from leadpilot.trust import cards, plan
from leadpilot.trust.acts import People
from leadpilot.trust.injector import Injector
from leadpilot.trust.rule import Rule
from leadpilot.trust.testimony import GRACE
from leadpilot.trust.wire import Answer
from leadpilot.trust.workers import ROLES


def test_the_same_seed_gives_the_same_plan() -> None:
    assert plan.make(7, 300) == plan.make(7, 300)


def test_another_seed_or_number_gives_another_plan() -> None:
    assert plan.make(7, 300).faults != plan.make(8, 300).faults
    assert plan.make(7, 300).acts != plan.make(8, 300).acts
    assert plan.make(7, 300).faults[:10] != plan.make(7, 299).faults[:10]


@pytest.mark.parametrize("number", [1, 30, 300, 3000])
def test_there_are_as_many_faults_as_were_asked_for_and_acts_between_them(number: int) -> None:
    made = plan.make(1, number)
    assert [fault.number for fault in made.faults] == list(range(1, number + 1))
    assert len(made.acts) == -(-number // cards.FAULTS_PER_ACT)
    assert [act.before for act in made.acts] == sorted(act.before for act in made.acts)
    assert all(1 <= act.before <= number for act in made.acts)


def test_a_plan_of_three_hundred_hits_every_place_kind_and_act() -> None:
    made = plan.make(1, 300)
    kinds = Counter(fault.kind for fault in made.faults)
    assert set(kinds) == set(cards.WEIGHTS)
    assert kinds == {kind: 3 * weight for kind, weight in cards.WEIGHTS.items()}
    places = [fault.how["place"] for fault in made.faults if fault.kind == "failpoint"]
    assert set(places) == set(cards.PLACES)
    killed = [f.how["place"] for f in made.faults if f.how.get("action") == "kill" and f.kind == "failpoint"]
    assert set(killed) == set(cards.PLACES)
    assert {act.kind for act in made.acts} == set(cards.ACT_WEIGHTS)
    signals = {(f.how["role"], f.how["signal"]) for f in made.faults if f.kind == "cluster"}
    assert signals >= {("parent", "KILL"), ("parent", "TERM"), ("group", "KILL"), ("group", "TERM")}


def test_stops_are_held_longer_than_a_trap_and_that_longer_than_the_grace_so_that_lateness_can_show() -> None:
    assert all(act.hold > cards.SLOWEST + 1 for act in plan.make(3, 300).acts)
    assert cards.SLOWEST > GRACE + 1
    assert {act.trap for act in plan.make(3, 300).acts} == set(cards.TRAPS)
    assert all(act.trap for act in plan.make(3, 300).acts if act.kind == "lower_cap")
    calm = plan.make(3, 300).traps
    assert len(calm) == 15
    assert {act.kind for act in calm} == set(cards.TRAPPED)
    assert all(act.trap and act.hold > cards.SLOWEST + 1 for act in calm)


def test_everything_in_a_plan_can_be_done() -> None:
    made = plan.make(11, 1000)
    assert all(hasattr(Injector, f"_{fault.kind}") for fault in made.faults)
    assert all(hasattr(People, f"_{act.kind}") for act in made.acts)
    for fault in made.faults:
        how = dict(fault.how)
        if fault.kind in ("smtp", "imap") or (fault.kind == "postgres" and how["action"] != "cut_all"):
            Rule(fault.number, fault.kind, **how)
        elif fault.kind == "oracle":
            Answer(**how)
        elif fault.kind == "failpoint":
            failpoints.parse(f"{how['place']}={how['action']}")
        elif fault.kind in ("worker", "cluster"):
            assert how["role"] in ROLES
            assert 0 <= how["cluster"] < cards.CLUSTERS
            assert 0 <= how["pick"] < 1


def test_a_server_that_lies_is_not_among_the_faults() -> None:
    """Whoever accepts and then says 4xx makes duplicates by himself; nobody can prevent that."""
    accepting = [how for how in cards.ORACLE if how.get("accept") and how.get("say")]
    assert all(how["say"][0] not in "45" for how in accepting)


def test_what_never_struck_is_made_up_for_by_as_many_that_always_do():
    planned = plan.make(3, 40)
    instead = plan.instead_of(2, planned)
    assert [(fault.number, fault.kind, fault.how) for fault in instead] == [
        (41, "postgres", {"action": "cut_all"}),
        (42, "postgres", {"action": "cut_all"}),
    ]
    assert plan.instead_of(0, planned) == []
