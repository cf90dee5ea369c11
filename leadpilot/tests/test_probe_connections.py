"""A2: a connection that served one organization serves the next request of another, or of nobody."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from django.db import connection, transaction

from leadpilot.orgs.tenancy import current_org_id, org_context
from leadpilot.tests.probing.fixtures import Stage, make_stage
from leadpilot.tests.probing.rows import KINDS, expected, reach
from leadpilot.tests.probing.world import tenant_models
from leadpilot.tests.test_probe_tables import row_of

pytestmark = pytest.mark.django_db(transaction=True)


def backend() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def reached(stage: Stage) -> dict[str, Any]:
    found = {}
    for model in tenant_models():
        row = row_of(model, stage.victim)
        for kind in KINDS:
            if (result := reach(kind, model, row)) != expected(kind):
                found[f"{kind} {model.__name__}"] = result
    return found


def test_a_used_connection_keeps_no_organization() -> None:
    stage, same = make_stage(), backend()
    with org_context(stage.victim.org.pk):
        assert current_org_id() == stage.victim.org.pk
    assert reached(stage) == {}, "after a commit"
    with contextlib.suppress(RuntimeError), org_context(stage.victim.org.pk):
        raise RuntimeError
    assert reached(stage) == {}, "after a rollback"
    with transaction.atomic(), org_context(stage.victim.org.pk):
        transaction.set_rollback(True)
    assert reached(stage) == {}, "after a rollback that was asked for"
    stage.caller("owner").call("GET", "/")
    assert reached(stage) == {}, "after a request"
    assert backend() == same, "it was another connection"
