"""A1: another organization's ids in query strings, forms and bulk lists, by people on their own ground (TRUST A1)."""

from __future__ import annotations

import pytest

from leadpilot.tests.probing.answers import Answer
from leadpilot.tests.probing.callers import Caller
from leadpilot.tests.probing.fingerprints import fingerprint, rows_that_mention
from leadpilot.tests.probing.fixtures import Stage
from leadpilot.tests.probing.forms import form_for
from leadpilot.tests.probing.requests import send, undone, values
from leadpilot.tests.probing.routes import address
from leadpilot.tests.probing.rules import OURS
from leadpilot.tests.probing.world import Furnished

pytest_plugins = ["leadpilot.tests.probing.plugin"]

CASES = [(name, method) for name, rule in OURS.items() for method in rule.methods if method != "HEAD"]
VARIANTS = [("owner", False), ("owner", True), ("viewer", False), ("anonymous", False)]
PROBES = len(CASES) * len(VARIANTS)
pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("name", "method"), CASES)
def test_another_organizations_ids_in_parameters_are_missing_ids(
    name: str,
    method: str,
    stage: Stage,
) -> None:
    before = fingerprint(stage.victim.org)
    for who, htmx in VARIANTS:
        caller = stage.caller(who)
        theirs = _ask(stage, name, method, caller, htmx, stage.victim)
        absent = _ask(stage, name, method, caller, htmx, None)
        where = f"{method} {name} as {who}{' by HTMX' if htmx else ''}"
        assert theirs == absent, where
        assert theirs.status < 500 or name == "readyz", where
        assert stage.victim.word not in theirs, where
    assert fingerprint(stage.victim.org) == before


def _ask(
    stage: Stage,
    name: str,
    method: str,
    caller: Caller,
    htmx: bool,
    world: Furnished | None,
) -> Answer:
    stolen = {str(v) for k, v in stage.victim.ids.items() if k != "user"}

    def look() -> None:
        if method == "POST":
            assert rows_that_mention(stage.home.org, stolen) == [], name

    return send(stage, caller, name, method, values(OURS[name], world), htmx=htmx, look=look)


def test_ones_own_ids_are_served_so_that_the_probes_can_fail(stage: Stage) -> None:
    refused = []
    for name, method in CASES:
        rule = OURS[name]
        if rule.role != "public":
            path = address(name, stage.home.ids[rule.path]) if rule.path else address(name)
            form = {key: str(stage.home.ids[kind]) for key, kind in rule.named("form").items()}
            form |= form_for(name)
            with undone():
                answer = stage.caller("owner").call(method, path, form=form)
                if answer.status_code >= 400:
                    refused.append((method, name, answer.status_code))
    assert refused == []
