"""Attacks by the owner of one organization with the ids of another, each of which is taken back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from leadpilot.tests.probing.answers import Answer, read
from leadpilot.tests.probing.callers import Caller
from leadpilot.tests.probing.fixtures import Stage, missing
from leadpilot.tests.probing.forms import HABITS, form_for
from leadpilot.tests.probing.routes import address
from leadpilot.tests.probing.rules import OURS, Rule
from leadpilot.tests.probing.world import Furnished


@dataclass(frozen=True)
class Attack:
    """A route, a method, and whether the victim's id is in the path or, on one's own ground, in all parameters."""

    name: str
    method: str
    by_path: bool


def attacks() -> list[Attack]:
    """Both kinds at every route that asks who calls."""
    found = []
    for name, rule in OURS.items():
        for method in rule.methods:
            if rule.role != "public":
                found += [
                    Attack(name, method, by_path) for by_path in ((True, False) if rule.path else (False,))
                ]
    return found


def attack(stage: Stage, each: Attack) -> Answer:
    """The answer to one of them, sent by the owner."""
    rule = OURS[each.name]
    sent = values(rule, stage.victim)
    path_from = stage.victim if each.by_path else stage.home
    return send(stage, stage.caller("owner"), each.name, each.method, sent, path_from=path_from)


def values(rule: Rule, world: Furnished | None) -> dict[str, dict[str, str]]:
    """Query and form with every id of a world, or, without one, with ids that name nothing."""
    named = {where: {**HABITS, **rule.named(where)} for where in ("query", "form")}
    return {
        where: {name: str(world.ids[kind]) if world else missing(kind) for name, kind in kinds.items()}
        for where, kinds in named.items()
    }


def send(
    stage: Stage,
    caller: Caller,
    name: str,
    method: str,
    sent: dict[str, dict[str, str]],
    *,
    htmx: bool = False,
    path_from: Furnished | None = None,
    look: Any = lambda: None,
) -> Answer:
    """One request with these values and a form that is else complete; `look` sees what it wrote before that is undone."""
    rule, world = OURS[name], path_from or stage.home
    asked = [*sent["query"].values(), *sent["form"].values()]
    asked += [value.partition(":")[0] for value in asked]
    path = address(name, world.ids[rule.path]) if rule.path else address(name)
    with undone():
        form: Any = {**sent["form"], **form_for(name)} if method == "POST" else None
        response = caller.call(method, path, htmx=htmx, query=sent["query"], form=form)
        look()
        return read(response, asked, stage.ids)


@contextmanager
def undone() -> Iterator[None]:
    """What the request wrote is taken back."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
