"""A2: each filter by organization is left out in turn; row-level security lets nothing through all the same."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from django.core.exceptions import ObjectDoesNotExist
from django.db import DatabaseError

from leadpilot.orgs import middleware
from leadpilot.orgs.tenancy import TenantModel, org_context
from leadpilot.tests.probing.answers import Answer
from leadpilot.tests.probing.fingerprints import fingerprint
from leadpilot.tests.probing.fixtures import Stage
from leadpilot.tests.probing.jobs_tried import JOBS, run_job
from leadpilot.tests.probing.mutants import Site, sites, watching, without_any
from leadpilot.tests.probing.requests import attack, attacks
from leadpilot.tests.probing.world import tenant_models

pytest_plugins = ["leadpilot.tests.probing.plugin"]

KNOWN = sites()
EACH = 1  # attacks that a mutant has to stand, the shortest first
pytestmark = pytest.mark.django_db


@dataclass
class Trial:
    """An attack as it went with every filter in place."""

    name: str
    run: Callable[[], Any]
    by_path: bool
    came_to: Any
    met: set[Site]
    seconds: float


@pytest.fixture(scope="module")
def trials(stage: Stage) -> list[Trial]:
    planned = [(str(each), partial(attack, stage, each), each.by_path) for each in attacks()]
    for name in JOBS:
        planned.append((f"{name}, theirs", partial(run_job, stage, name, stage.victim), True))
        planned.append((f"{name}, own", partial(run_job, stage, name, stage.home), False))
    done = []
    for name, run, by_path in planned:
        began = time.monotonic()
        with watching(KNOWN) as met:
            came_to = run()
        done.append(Trial(name, run, by_path, came_to, met, time.monotonic() - began))
    return done


def test_without_any_one_filter_it_comes_to_the_same(stage: Stage, trials: list[Trial]) -> None:
    before, mutants, tried = fingerprint(stage.victim.org), 0, 0
    for site in KNOWN:
        meeting = sorted((t for t in trials if site in t.met), key=lambda t: (not t.by_path, t.seconds))
        for trial in meeting[:EACH]:
            with watching(KNOWN, without=site):
                came_to = trial.run()
            assert came_to == trial.came_to, f"without {site}: {trial.name}"
            assert stage.victim.word not in came_to
            tried += 1
        mutants += bool(meeting)
    assert fingerprint(stage.victim.org) == before
    print(f"{len(KNOWN)} filters, {mutants} mutants met by attacks, {tried} attacks on them")
    assert mutants >= 150


def test_without_all_filters_at_once_it_comes_to_the_same(stage: Stage, trials: list[Trial]) -> None:
    before, mutants = fingerprint(stage.victim.org), 0
    for trial in trials:
        if "orgs:switch" in trial.name:
            continue  # there the organization is the question; see the test below
        with without_any() as changed:
            came_to = trial.run()
        assert came_to == trial.came_to, trial.name
        assert stage.victim.word not in came_to, trial.name
        mutants += bool(changed)
    assert fingerprint(stage.victim.org) == before
    print(f"{mutants} requests and jobs without any filter")
    assert mutants > 100


def test_either_lock_holds_alone_and_without_both_the_attacks_succeed(
    stage: Stage,
    trials: list[Trial],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    by_path = [
        t for t in trials if t.by_path and isinstance(t.came_to, Answer) and "orgs:switch" not in t.name
    ]
    monkeypatch.setattr(middleware, "org_context", lambda _: org_context(stage.victim.org.pk))
    for trial in by_path:
        assert trial.run() == trial.came_to, f"the database open: {trial.name}"
    held = []
    for trial in by_path:
        with without_any(), suppress(DatabaseError, ObjectDoesNotExist):  # it got as far as that
            if trial.run() == trial.came_to:
                held.append(trial.name)
    assert len(held) < len(by_path) / 10, held


def test_the_jobs_do_their_work(stage: Stage, trials: list[Trial]) -> None:
    came_to = {trial.name: trial.came_to for trial in trials}
    raised = {name: result[0] for name, result in came_to.items() if isinstance(result, tuple) and result[0]}
    assert raised == {}


@pytest.mark.parametrize("model", [m for m in tenant_models() if issubclass(m, TenantModel)])
def test_without_the_filter_a_manager_sees_one_organization(model: Any, stage: Stage) -> None:
    for world in (stage.home, stage.victim):
        with org_context(world.org.pk):
            narrowed = set(model.objects.for_org(world.org).values_list("pk", flat=True))
            assert set(model.objects.values_list("pk", flat=True)) == narrowed != set()


def test_a_session_that_names_another_organization_opens_ones_own(stage: Stage) -> None:
    caller = stage.caller("owner")
    session = caller.client.session
    session["org_id"] = str(stage.victim.org.pk)
    session.save()
    page = caller.call("GET", "/settings/")
    assert page.status_code == 200
    assert stage.home.org.name in page.content.decode()
    assert stage.victim.word not in page.content.decode()
