"""Migration operations that put tenant tables under row-level security."""

from __future__ import annotations

from typing import Any

from django.db import connections
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation

CURRENT_ORG = "(SELECT nullif(current_setting('app.current_org', true), '')::uuid)"
CURRENT_USER = "(SELECT nullif(current_setting('app.current_user', true), '')::uuid)"


def policy_sql(table: str, using: str, check: str | None = None) -> list[str]:
    """The statements that enable and force a policy named `tenant` on a table; `check` defaults to `using`."""
    return [
        f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY',
        f'ALTER TABLE "{table}" FORCE ROW LEVEL SECURITY',
        f'DROP POLICY IF EXISTS tenant ON "{table}"',
        f'CREATE POLICY tenant ON "{table}" USING ({using}) WITH CHECK ({check or using})',
    ]


class ProtectTenantTables(Operation):
    """Force row-level security on the named models and make their foreign keys composite.

    A model's table gets UNIQUE (org_id, id), so that others can point at both columns, and each
    foreign key to another tenant table becomes (org_id, x_id) → (org_id, id): a row can only refer to
    its own organization. Models already protected may be named again after they gained a column.
    """

    reduces_to_sql = True
    reversible = True

    def __init__(self, *models: str) -> None:
        self.models = models

    def deconstruct(self) -> tuple[str, list[str], dict[str, Any]]:
        return self.__class__.__qualname__, list(self.models), {}

    def state_forwards(self, app_label: str, state: Any) -> None:
        """The models' Python state does not change."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        found = [to_state.apps.get_model(app_label, name) for name in self.models]
        for model in found:
            table = model._meta.db_table
            name = _short(table, "org_id_id")
            schema_editor.execute(
                f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = '{name}') THEN "
                f'ALTER TABLE "{table}" ADD CONSTRAINT "{name}" UNIQUE (org_id, id); END IF; END $$'
            )
            for statement in policy_sql(table, f"org_id = {CURRENT_ORG}"):
                schema_editor.execute(statement)
        for model in found:
            for field in model._meta.local_fields:
                if field.many_to_one and field.column != "org_id" and _is_tenant(field.related_model):
                    _composite_key(schema_editor, model._meta.db_table, field)

    def database_backwards(self, *args: Any) -> None:
        """The tables go with the migration that made them."""

    def describe(self) -> str:
        return "Row-level security and composite keys for " + ", ".join(self.models)


def _is_tenant(model: Any) -> bool:
    return any(field.column == "org_id" for field in model._meta.local_fields)


def _short(table: str, suffix: str) -> str:
    return f"{table[: 60 - len(suffix)]}_{suffix}"


def _composite_key(schema_editor: BaseDatabaseSchemaEditor, table: str, field: Any) -> None:
    name = _short(table, f"{field.column}_org_fk")
    target = field.related_model._meta.db_table
    schema_editor.execute(f'ALTER TABLE "{table}" DROP CONSTRAINT IF EXISTS "{name}"')
    schema_editor.execute(
        f'ALTER TABLE "{table}" ADD CONSTRAINT "{name}" FOREIGN KEY (org_id, "{field.column}") '
        f'REFERENCES "{target}" (org_id, id) DEFERRABLE INITIALLY DEFERRED'
    )


class ProtectTable(Operation):
    """Force row-level security with a policy of its own on a table that is not an ordinary tenant table."""

    reduces_to_sql = True
    reversible = True

    def __init__(self, table: str, using: str, check: str | None = None) -> None:
        self.table, self.using, self.check = table, using, check

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return self.__class__.__qualname__, [self.table, self.using, self.check], {}

    def state_forwards(self, app_label: str, state: Any) -> None:
        """The models' Python state does not change."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        for statement in policy_sql(self.table, self.using, self.check):
            schema_editor.execute(statement)

    def database_backwards(self, *args: Any) -> None:
        """The table goes with the migration that made it."""

    def describe(self) -> str:
        return f"Row-level security for {self.table}"


class SystemFunction(Operation):
    """A SECURITY DEFINER function owned by the system role: it looks over all organizations and returns ids only.

    `arguments` and `returns` are SQL, `body` one SQL query; the function is STABLE, with a fixed search path.
    """

    reduces_to_sql = True
    reversible = True

    def __init__(self, name: str, arguments: str, returns: str, body: str) -> None:
        self.name, self.arguments, self.returns, self.body = name, arguments, returns, body

    def deconstruct(self) -> tuple[str, list[str], dict[str, Any]]:
        return self.__class__.__qualname__, [self.name, self.arguments, self.returns, self.body], {}

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Functions are not part of the models' state."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        signature = f"{self.name}({self.arguments})"
        system = connections["system"].settings_dict["USER"]
        schema_editor.execute(f"DROP FUNCTION IF EXISTS {signature}")
        schema_editor.execute(
            f"CREATE FUNCTION {signature} RETURNS {self.returns} LANGUAGE sql STABLE SECURITY DEFINER "
            f"SET search_path = public, pg_temp AS $body$ {self.body} $body$"
        )
        schema_editor.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
        schema_editor.execute(f'ALTER FUNCTION {signature} OWNER TO "{system}"')

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        schema_editor.execute(f"DROP FUNCTION IF EXISTS {self.name}({self.arguments})")

    def describe(self) -> str:
        return f"System function {self.name}"


class WrittenOnce(Operation):
    """Rows of a table are added and never changed or removed, but by a role that is above row-level security.

    TRUNCATE is another right: only the owner has it, and in test databases those who clean up.
    """

    reduces_to_sql = True
    reversible = True
    FUNCTION = """
CREATE OR REPLACE FUNCTION orgs_written_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = current_user AND (rolsuper OR rolbypassrls)) THEN
        RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    RAISE EXCEPTION 'Rows of % are written once and never changed.', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$
"""

    def __init__(self, table: str) -> None:
        self.table = table

    def deconstruct(self) -> tuple[str, list[str], dict[str, Any]]:
        return self.__class__.__qualname__, [self.table], {}

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Triggers are not part of the models' state."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        schema_editor.execute(self.FUNCTION, None)
        schema_editor.execute(
            f'CREATE TRIGGER written_once BEFORE UPDATE OR DELETE ON "{self.table}" '
            "FOR EACH ROW EXECUTE FUNCTION orgs_written_once()"
        )

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        schema_editor.execute(f'DROP TRIGGER IF EXISTS written_once ON "{self.table}"')

    def describe(self) -> str:
        return f"Rows of {self.table} are written once"
