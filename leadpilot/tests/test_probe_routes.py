"""A1: every route, method and role with another organization's id in the path (TRUST A1)."""

from __future__ import annotations

from typing import Any

import pytest

from leadpilot.tests import test_probe_admin, test_probe_parameters
from leadpilot.tests.probing.answers import Answer, read
from leadpilot.tests.probing.callers import METHODS, Caller, expected, watched_writes
from leadpilot.tests.probing.fingerprints import fingerprint
from leadpilot.tests.probing.fixtures import Stage, missing
from leadpilot.tests.probing.routes import address, all_routes, declared, id_parameters
from leadpilot.tests.probing.rules import OURS, Rule
from leadpilot.tests.probing.world import tenant_models

pytest_plugins = ["leadpilot.tests.probing.plugin"]

WITH_ID = [name for name, rule in OURS.items() if rule.path]
VARIANTS = [(method, False) for method in METHODS] + [("GET", True), ("POST", True)]  # and by HTMX
PROBES = 7 * len(VARIANTS)
pytestmark = pytest.mark.django_db


def test_every_route_has_a_rule_and_every_rule_a_route() -> None:
    assert set(all_routes()) - declared() == set(), "routes without a rule in leadpilot/tests/probing"
    assert declared() - set(all_routes()) == set(), "rules without a route"


@pytest.mark.parametrize("name", OURS)
def test_the_rule_is_the_one_the_view_declares(name: str) -> None:
    assert all_routes()[name][1].callback.required_role == OURS[name].role
    assert bool(id_parameters(name)) == bool(OURS[name].path)


def test_there_are_at_least_three_thousand_probes() -> None:
    assert len(WITH_ID) * PROBES + test_probe_parameters.PROBES + test_probe_admin.PROBES >= 3000


def test_every_tenant_table_has_rows_to_steal(stage: Stage) -> None:
    for world in (stage.victim, stage.home):
        empty = {table for table, (count, _) in fingerprint(world.org).items() if not count}
        assert empty == set()
    assert len(fingerprint(stage.home.org)) == len(tenant_models()) > 25


@pytest.mark.parametrize("name", WITH_ID)
def test_another_organizations_id_is_a_missing_id(name: str, stage: Stage) -> None:
    rule, done = OURS[name], 0
    before = fingerprint(stage.victim.org), fingerprint(stage.home.org)
    for caller in stage.callers:
        for method, htmx in VARIANTS:
            _probe(stage, name, rule, caller, method, htmx)
            done += 1
    assert (fingerprint(stage.victim.org), fingerprint(stage.home.org)) == before
    assert done == PROBES


def _probe(stage: Stage, name: str, rule: Rule, caller: Caller, method: str, htmx: bool) -> None:
    where = f"{method} {name} as {caller.name}{' by HTMX' if htmx else ''}"
    should = expected(rule, caller, method, htmx)
    with watched_writes() as written:
        theirs = _ask(stage, name, stage.victim.ids[rule.path], caller, method, htmx)
        # Refusals must not depend on the route either: one answer to a missing id stands for all of a kind.
        key = (caller.name, method, htmx, rule.role, rule.methods, should)
        if key not in stage.baselines:
            stage.baselines[key] = _ask(stage, name, missing(rule.path), caller, method, htmx)
    assert theirs == stage.baselines[key], where
    assert theirs.status == should, where
    assert stage.victim.word not in theirs, where
    assert [sql for sql in written if "orgs_signinlink" not in sql] == [], where  # trying a spent link


def _ask(stage: Stage, name: str, value: Any, caller: Caller, method: str, htmx: bool) -> Answer:
    path = address(name, value)
    return read(caller.call(method, path, htmx=htmx), [path, value], stage.ids)
