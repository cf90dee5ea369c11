"""A1: another organization's ids in query strings, forms and bulk lists, by people on their own ground (TRUST A1)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import transaction

from leadpilot.tests.probing.answers import Answer, read
from leadpilot.tests.probing.callers import Caller
from leadpilot.tests.probing.fingerprints import fingerprint, rows_that_mention
from leadpilot.tests.probing.fixtures import Stage, missing, stage  # noqa: F401
from leadpilot.tests.probing.forms import HABITS, form_for
from leadpilot.tests.probing.routes import address
from leadpilot.tests.probing.rules import OURS, Rule
from leadpilot.tests.probing.world import Furnished

CASES = [(name, method) for name, rule in OURS.items() for method in rule.methods if method != "HEAD"]
VARIANTS = [("owner", False), ("owner", True), ("member", False), ("viewer", False), ("anonymous", False)]
PROBES = len(CASES) * len(VARIANTS)
pytestmark = pytest.mark.django_db


@contextmanager
def undone() -> Iterator[None]:
    """What the request wrote is looked at and then taken back."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def values(rule: Rule, world: Furnished | None) -> dict[str, dict[str, str]]:
    """Query and form with every id of a world, or, without one, with ids that name nothing."""
    named = {where: {**HABITS, **rule.named(where)} for where in ("query", "form")}
    return {
        where: {name: str(world.ids[kind]) if world else missing(kind) for name, kind in kinds.items()}
        for where, kinds in named.items()
    }


@pytest.mark.parametrize(("name", "method"), CASES)
def test_another_organizations_ids_in_parameters_are_missing_ids(
    name: str,
    method: str,
    stage: Stage,  # noqa: F811
) -> None:
    rule, before = OURS[name], fingerprint(stage.victim.org)
    for who, htmx in VARIANTS:
        caller = stage.caller(who)
        theirs = _ask(stage, name, method, caller, htmx, values(rule, stage.victim))
        absent = _ask(stage, name, method, caller, htmx, values(rule, None))
        where = f"{method} {name} as {who}{' by HTMX' if htmx else ''}"
        assert theirs == absent, where
        assert theirs.status < 500 or name == "readyz", where
        assert stage.victim.word not in theirs, where
    assert fingerprint(stage.victim.org) == before


def _ask(
    stage: Stage,  # noqa: F811
    name: str,
    method: str,
    caller: Caller,
    htmx: bool,
    sent: dict[str, dict[str, str]],
) -> Answer:
    rule, asked = OURS[name], [*sent["query"].values(), *sent["form"].values()]
    path = address(name, stage.home.ids[rule.path]) if rule.path else address(name)
    asked += [value.partition(":")[0] for value in asked]
    with undone():
        form: Any = {**sent["form"], **form_for(name)} if method == "POST" else None
        response = caller.call(method, path, htmx=htmx, query=sent["query"], form=form)
        if method == "POST":
            stolen = {str(v) for k, v in stage.victim.ids.items() if k != "user"}
            assert rows_that_mention(stage.home.org, stolen) == [], name
        return read(response, asked, stage.ids)


def test_ones_own_ids_are_served_so_that_the_probes_can_fail(stage: Stage) -> None:  # noqa: F811
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
