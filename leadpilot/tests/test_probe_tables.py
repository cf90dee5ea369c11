"""A2: every tenant table, read and written as the application's role with no, a wrong and a stale organization."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, connections, transaction

from leadpilot.orgs.models import Organization
from leadpilot.orgs.tenancy import ORG_SETTING, org_context
from leadpilot.tests.probing.fixtures import Stage
from leadpilot.tests.probing.rows import KINDS, expected, own_row, reach
from leadpilot.tests.probing.world import tenant_models

pytest_plugins = ["leadpilot.tests.probing.plugin"]

MODELS = tenant_models()
TABLES = [model._meta.label for model in MODELS]
pytestmark = pytest.mark.django_db


@contextmanager
def nothing_named(stage: Stage) -> Iterator[None]:
    yield


@contextmanager
def the_wrong_one_named(stage: Stage) -> Iterator[None]:
    with org_context(stage.home.org.pk):
        yield


@contextmanager
def just_left(stage: Stage) -> Iterator[None]:
    with transaction.atomic():
        with org_context(stage.victim.org.pk):
            pass
        yield


@contextmanager
def a_nested_one_left(stage: Stage) -> Iterator[None]:
    with org_context(stage.home.org.pk):
        with org_context(stage.victim.org.pk):
            pass
        yield


@contextmanager
def left_by_an_error(stage: Stage) -> Iterator[None]:
    with org_context(stage.home.org.pk):
        with contextlib.suppress(RuntimeError), org_context(stage.victim.org.pk):
            raise RuntimeError
        yield


@contextmanager
def left_by_a_refused_statement(stage: Stage) -> Iterator[None]:
    with transaction.atomic():
        with (
            contextlib.suppress(DatabaseError),
            org_context(stage.victim.org.pk),
            connection.cursor() as cursor,
        ):
            cursor.execute("SELECT 1 / 0")
        yield


@contextmanager
def an_empty_name(stage: Stage) -> Iterator[None]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config(%s, '', true)", [ORG_SETTING])
        yield


STATES = (
    *(nothing_named, the_wrong_one_named, just_left, a_nested_one_left),
    *(left_by_an_error, left_by_a_refused_statement, an_empty_name),
)


def is_written_once(model: Any) -> bool:
    """Whether a trigger of ours refuses every change of a row."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid "
            "WHERE t.tgrelid = %s::regclass AND p.proname LIKE '%%written_once')",
            [model._meta.db_table],
        )
        return bool(cursor.fetchone()[0])


def row_of(model: Any, world: Any) -> dict[str, Any]:
    row = own_row(model, world.org)
    if model is Organization:
        row |= {"was": str(world.org.pk), "slug": "copied"}
    return row


@pytest.mark.parametrize("model", MODELS, ids=TABLES)
def test_no_statement_reaches_a_row_without_its_organization(model: Any, stage: Stage) -> None:
    row = row_of(model, stage.victim)
    for state in STATES:
        for kind in KINDS:
            with state(stage):
                assert reach(kind, model, row) == expected(kind), (state.__name__, kind)


@pytest.mark.parametrize("model", MODELS, ids=TABLES)
def test_inside_its_organization_each_statement_reaches_the_rows(model: Any, stage: Stage) -> None:
    row = row_of(model, stage.victim)
    for kind in ("select", "lock", "copy", *(() if is_written_once(model) else ("update",))):
        with org_context(stage.victim.org.pk):
            assert isinstance(count := reach(kind, model, row), int), (kind, count)
            assert count > 0, kind


@pytest.mark.parametrize("model", MODELS[1:], ids=TABLES[1:])
def test_a_row_cannot_be_given_to_another_organization(model: Any, stage: Stage) -> None:
    refused = "written once" if is_written_once(model) else "row-level security"
    with (
        pytest.raises(DatabaseError, match=refused),
        org_context(stage.home.org.pk),
        connection.cursor() as cursor,
    ):
        cursor.execute(f'UPDATE "{model._meta.db_table}" SET org_id = %s', [stage.victim.org.pk])


KEYS = [
    (model, field)
    for model in MODELS
    for field in model._meta.local_fields
    if field.many_to_one and field.related_model in MODELS[1:]
]


@pytest.mark.parametrize(("model", "field"), KEYS, ids=[f"{m.__name__}.{f.name}" for m, f in KEYS])
def test_no_key_points_into_another_organization(model: Any, field: Any, stage: Stage) -> None:
    theirs = own_id(field.related_model, stage.victim.org)
    table, row = f'"{model._meta.db_table}"', {**row_of(model, stage.home), field.column: str(theirs)}
    one = own_id(model, stage.home.org)
    sql, params = f'UPDATE {table} SET "{field.column}" = %s WHERE id = %s', [theirs, one]
    if is_written_once(model):
        sql = f"INSERT INTO {table} SELECT * FROM jsonb_populate_record(NULL::{table}, %s)"
        params = [json.dumps(row)]
    with (
        pytest.raises(IntegrityError, match="foreign key"),
        org_context(stage.home.org.pk),
        connection.cursor() as cursor,
    ):
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(sql, params)


def own_id(model: Any, org: Any) -> Any:
    with org_context(org.pk), connection.cursor() as cursor:
        cursor.execute(f'SELECT id FROM "{model._meta.db_table}" WHERE org_id = %s LIMIT 1', [org.pk])
        return cursor.fetchone()[0]


def test_the_definer_functions_are_the_known_ones_and_return_ids_only(stage: Stage) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT p.proname, pg_get_function_result(p.oid) FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner "
            "WHERE p.prosecdef AND p.pronamespace = 'public'::regnamespace"
        )
        found = dict(cursor.fetchall())
    assert found
    for name, result in found.items():
        words = set(re.findall(r"[a-z_ ]+", result.removeprefix("TABLE").lower())) - {"setof ", " "}
        kinds = {word.split()[-1] for word in words if word.strip()}
        assert kinds <= {"uuid", "zone", "smallint", "integer"}, f"{name} returns {result}"


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE leads_lead DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE leads_lead NO FORCE ROW LEVEL SECURITY",
        "DROP POLICY tenant ON leads_lead",
        "CREATE POLICY open ON leads_lead USING (true)",
        'SET ROLE "{system}"',
        'SET ROLE "{owner}"',
        "ALTER ROLE CURRENT_USER BYPASSRLS",
        "SET LOCAL row_security = off; SELECT * FROM leads_lead",
        "COPY leads_lead TO PROGRAM 'cat'",
    ],
)
def test_the_applications_role_cannot_open_the_lock(sql: str, stage: Stage) -> None:
    roles = {alias: connections[alias].settings_dict["USER"] for alias in ("system", "owner")}
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql.format(**roles))
