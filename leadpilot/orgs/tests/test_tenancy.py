"""The second lock: what the database lets the application's role see."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.db import DatabaseError, IntegrityError, connection, transaction

from leadpilot.lib.ids import new_id
from leadpilot.orgs.models import Membership, Organization
from leadpilot.orgs.tenancy import TenantModel, current_org_id, org_context, user_context
from leads.models import Lead, Note

pytestmark = pytest.mark.django_db


def tenant_models() -> list[type[TenantModel]]:
    return [m for m in apps.get_models() if issubclass(m, TenantModel)]


def lead_of(org: Any, email: str = "ann@brewery.io") -> Lead:
    with org_context(org.pk):
        return Lead.objects.create(org=org, name="Ann Brewer", email=email)


def test_the_tests_run_as_a_role_that_bypasses_nothing() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user")
        assert cursor.fetchone() == (False, False)
        cursor.execute("SELECT count(*) FROM pg_class WHERE relowner = current_user::regrole")
        assert cursor.fetchone() == (0,)


def test_every_table_with_an_organization_forces_a_policy() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity, p.polqual IS NOT NULL, "
            "p.polwithcheck IS NOT NULL FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
            "AND a.attname = 'org_id' AND NOT a.attisdropped LEFT JOIN pg_policy p ON p.polrelid = c.oid "
            "WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace"
        )
        tables = {row[0]: row[1:] for row in cursor.fetchall()}
    assert {m._meta.db_table for m in tenant_models()} <= set(tables)
    unprotected = {name for name, locks in tables.items() if locks != (True, True, True, True)}
    assert unprotected == set()


def test_every_key_between_tenant_tables_names_the_organization() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.conrelid::regclass::text, array_agg(a.attname ORDER BY k.ord) FROM pg_constraint c "
            "CROSS JOIN LATERAL unnest(c.conkey) WITH ORDINALITY k(att, ord) "
            "JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.att "
            "WHERE c.contype = 'f' GROUP BY c.oid, c.conrelid"
        )
        keys = {(table, tuple(columns)) for table, columns in cursor.fetchall()}
    for model in tenant_models():
        for field in model._meta.local_fields:
            if field.many_to_one and issubclass(field.related_model, TenantModel):
                assert (model._meta.db_table, ("org_id", field.column)) in keys, (
                    f"{model.__name__}.{field.name}"
                )


def test_without_an_organization_there_are_no_rows(org: Any) -> None:
    lead_of(org)
    assert Lead.objects.count() == 0
    assert Organization.objects.count() == 0


def test_another_organization_sees_nothing(org: Any, other_org: Any) -> None:
    lead = lead_of(org)
    with org_context(other_org.pk):
        assert not Lead.objects.filter(pk=lead.pk).exists()
        assert Lead.objects.filter(pk=lead.pk).update(name="Taken over") == 0
        assert Lead.objects.filter(pk=lead.pk).delete()[0] == 0
    with org_context(org.pk):
        assert Lead.objects.get(pk=lead.pk).name == "Ann Brewer"


def test_a_row_cannot_be_written_for_another_organization(org: Any, other_org: Any) -> None:
    with pytest.raises(DatabaseError, match="row-level security"), org_context(other_org.pk):
        Lead.objects.create(org=org, name="Ann Brewer", email="ann@brewery.io")


def test_a_row_cannot_refer_to_another_organizations_row(org: Any, other_org: Any) -> None:
    lead = lead_of(org)
    with pytest.raises(IntegrityError), transaction.atomic(), org_context(other_org.pk):
        Note.objects.create(org=other_org, lead_id=lead.pk, text="Smuggled")
        connection.check_constraints()


def test_nested_contexts_put_the_outer_organization_back(org: Any, other_org: Any) -> None:
    with org_context(org.pk):
        with org_context(other_org.pk):
            assert current_org_id() == other_org.pk
        assert current_org_id() == org.pk
    assert current_org_id() is None


def test_an_error_inside_puts_the_outer_organization_back(org: Any, other_org: Any) -> None:
    with org_context(org.pk):
        with pytest.raises(IntegrityError), org_context(other_org.pk):
            Lead.objects.create(org=other_org, name="Ann", email="not an address")
        assert current_org_id() == org.pk


def test_a_context_needs_a_real_id() -> None:
    with pytest.raises(ValueError, match="badly formed"), org_context("acme' OR 'x"):
        pass


def test_a_user_sees_own_memberships_only(org: Any, other_org: Any, alice: Any) -> None:
    with user_context(alice.pk):
        assert [m.org_id for m in Membership.objects.all()] == [org.pk]
        assert [o.pk for o in Organization.objects.all()] == [org.pk]


def test_a_user_cannot_join_an_organization_by_naming_oneself(org: Any, charlie: Any) -> None:
    with pytest.raises(DatabaseError, match="row-level security"), user_context(charlie.pk):
        Membership.objects.create(org=org, user=charlie, role="owner")


def test_for_org_takes_the_object_or_its_id(org: Any, in_org: Any) -> None:
    lead = Lead.objects.create(org=org, name="Ann Brewer", email="ann@brewery.io")
    assert Lead.objects.for_org(org).get() == Lead.objects.for_org(org.pk).get() == lead
    assert not Lead.objects.for_org(new_id()).exists()
