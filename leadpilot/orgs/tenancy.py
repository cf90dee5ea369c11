"""One organization's rows, and no other's: the ORM's scope, and PostgreSQL's row-level security under it.

`org_context` names the organization for one transaction. Every tenant table has a forced policy that
compares `org_id` with that name; without a name there are no rows (DESIGN 7).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self, TypeVar
from uuid import UUID

from django.db import connections, models, transaction

from leadpilot.lib.ids import new_id

ORG_SETTING = "app.current_org"
USER_SETTING = "app.current_user"

_SET = "SELECT set_config(%s, %s, true)"
# OFFSET 0 has the inner query read the old value before the outer one sets the new.
_SET_AND_TELL = """
SELECT earlier.value, set_config(earlier.name, %s, true)
  FROM (SELECT named.name, current_setting(named.name, true) AS value FROM (VALUES (%s)) AS named (name) OFFSET 0) AS earlier
"""

Row = TypeVar("Row", bound=models.Model, covariant=True)
Set = TypeVar("Set", contravariant=True)
Got = TypeVar("Got", covariant=True)


@contextmanager
def _local_setting(name: str, value: str, using: str) -> Iterator[None]:
    connection = connections[using]
    is_inner = connection.in_atomic_block
    with transaction.atomic(using=using):
        with connection.cursor() as cursor:
            if is_inner:
                cursor.execute(_SET_AND_TELL, [value, name])
            else:
                cursor.execute(_SET, [name, value])
            before = cursor.fetchone()[0]
        yield
        # A local setting lasts to the end of the outermost transaction, not of this block. (An exception
        # rolls back to the savepoint, and the setting with it; so does a rollback that was asked for.)
        if is_inner and not connection.needs_rollback:
            with connection.cursor() as cursor:
                cursor.execute(_SET, [name, before or ""])


@contextmanager
def org_context(org_id: UUID | str, using: str = "default") -> Iterator[None]:
    """Open a transaction in which this organization's rows, and only they, can be seen and written.

    Blocks nest; on leaving, the outer organization is in force again. Evaluate querysets inside.
    """
    with _local_setting(ORG_SETTING, str(UUID(str(org_id))), using):
        yield


@contextmanager
def user_context(user_id: UUID | str, using: str = "default") -> Iterator[None]:
    """Open a transaction in which this user's own memberships and organizations can be seen."""
    with _local_setting(USER_SETTING, str(UUID(str(user_id))), using):
        yield


def current_org_id(using: str = "default") -> UUID | None:
    """The organization the running transaction is confined to, or None."""
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT nullif(current_setting(%s, true), '')", [ORG_SETTING])
        value = cursor.fetchone()[0]
    return UUID(value) if value else None


class TenantQuerySet(models.QuerySet[Row]):
    """The first lock: every query names its organization."""

    def for_org(self, org: Any) -> Self:
        """Rows of this organization (an Organization or its id)."""
        return self.filter(org_id=getattr(org, "pk", org))


class TenantForeignKey(models.ForeignKey[Set, Got]):
    """A foreign key to another tenant table.

    Django's own constraint would pass by row security, so it is left out; the migration operation
    `ProtectTenantTables` adds a composite one on (org_id, this column) instead.
    """

    def __init__(self, to: Any, on_delete: Any, **kwargs: Any) -> None:
        kwargs["db_constraint"] = False
        super().__init__(to, on_delete, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        kwargs.pop("db_constraint", None)
        return name, path, args, kwargs


class TenantModel(models.Model):
    """A row that belongs to one organization."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # Every index of a tenant table begins with the organization, (org, id) first; one on it alone would make the planner
    # read all of an organization's rows while it has no statistics yet.
    org = models.ForeignKey("orgs.Organization", on_delete=models.CASCADE, related_name="+", db_index=False)

    objects = TenantQuerySet.as_manager()

    class Meta:
        abstract = True
