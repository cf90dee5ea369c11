"""The migration operations that put tables under row-level security, and what the roles may do with them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connections

from campaigns.models import Message, SendAttempt
from leadpilot.orgs.grants import grant_before_migrating
from leadpilot.orgs.protection import (
    ProtectTable,
    ProtectTenantTables,
    SystemFunction,
    WrittenOnce,
    policy_sql,
)

pytestmark = pytest.mark.django_db(databases=["default", "owner", "system"])


class Recorder:
    """A schema editor that keeps what it is asked to do."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def execute(self, statement: str, params: Any = ()) -> None:
        self.statements.append(statement)


def forwards(operation: Any, models: dict[str, Any] | None = None) -> list[str]:
    editor = Recorder()
    apps = SimpleNamespace(get_model=lambda app, name: (models or {})[name])
    operation.database_forwards("campaigns", editor, None, SimpleNamespace(apps=apps))
    return editor.statements


def backwards(operation: Any) -> list[str]:
    editor = Recorder()
    operation.database_backwards("campaigns", editor, None, None)
    return editor.statements


def test_a_tenant_table_is_forced_and_its_keys_name_the_organization() -> None:
    said = "\n".join(forwards(ProtectTenantTables("SendAttempt"), {"SendAttempt": SendAttempt}))
    assert 'ALTER TABLE "campaigns_sendattempt" FORCE ROW LEVEL SECURITY' in said
    assert "UNIQUE (org_id, id)" in said
    assert 'FOREIGN KEY (org_id, "message_id") REFERENCES "campaigns_message" (org_id, id)' in said
    assert '"org_id")' not in said  # the organization itself is no tenant row


def test_keys_to_tables_of_no_organization_stay_as_they_are() -> None:
    said = "\n".join(forwards(ProtectTenantTables("Message"), {"Message": Message}))
    assert "approved_by_id" not in said
    assert '"thread_id"' in said


def test_a_table_of_its_own_kind_gets_the_policy_it_is_given() -> None:
    said = forwards(ProtectTable("orgs_x", "a = 1", "b = 2"))
    assert said == policy_sql("orgs_x", "a = 1", "b = 2")
    assert said[-1].endswith("USING (a = 1) WITH CHECK (b = 2)")
    assert policy_sql("orgs_x", "a = 1")[-1].endswith("USING (a = 1) WITH CHECK (a = 1)")


def test_a_system_function_is_owned_by_the_system_role_and_kept_from_everybody() -> None:
    operation = SystemFunction("find_x", "at timestamptz", "TABLE(org_id uuid)", "SELECT NULL::uuid")
    create, revoke, owner = forwards(operation)[1:]
    assert "SECURITY DEFINER SET search_path = public, pg_temp" in create
    assert revoke == "REVOKE ALL ON FUNCTION find_x(at timestamptz) FROM PUBLIC"
    assert owner.endswith(f'OWNER TO "{connections["system"].settings_dict["USER"]}"')
    assert backwards(operation) == ["DROP FUNCTION IF EXISTS find_x(at timestamptz)"]


def test_rows_that_are_written_once_are_guarded_by_a_trigger() -> None:
    function, trigger = forwards(WrittenOnce("orgs_x"))
    assert "are written once and never changed" in function
    assert 'BEFORE UPDATE OR DELETE ON "orgs_x"' in trigger
    assert backwards(WrittenOnce("orgs_x")) == ['DROP TRIGGER IF EXISTS written_once ON "orgs_x"']


@pytest.mark.parametrize(
    "operation",
    [
        ProtectTenantTables("Message", "SendAttempt"),
        ProtectTable("orgs_x", "a = 1"),
        SystemFunction("f", "", "uuid", "SELECT NULL"),
        WrittenOnce("orgs_x"),
    ],
)
def test_an_operation_can_be_written_down_and_made_again(operation: Any) -> None:
    name, arguments, options = operation.deconstruct()
    assert name == type(operation).__name__
    again = type(operation)(*arguments, **options)
    assert again.deconstruct() == operation.deconstruct()
    assert again.describe()
    operation.state_forwards("campaigns", None)
    if isinstance(operation, ProtectTable | ProtectTenantTables):
        assert backwards(operation) == []


def privileges(role: str) -> set[str]:
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT privilege_type FROM information_schema.role_table_grants"
            " WHERE grantee = %s AND table_name = 'campaigns_message'",
            [role],
        )
        return {row[0] for row in cursor.fetchall()}


def test_the_application_may_use_each_table_and_own_none() -> None:
    role = connections["default"].settings_dict["USER"]
    before = privileges(role)
    assert {"SELECT", "INSERT", "UPDATE", "DELETE"} <= before
    grant_before_migrating("owner")
    grant_before_migrating("default")  # only the owner's migrations grant anything
    assert privileges(role) == before
