"""Hand-written SQL in one round trip: confined to its organization, one transaction, and nothing left on the connection."""

from __future__ import annotations

import pytest
from django.db import DataError, IntegrityError, OperationalError, connection

from leadpilot.lib.ids import new_id
from leadpilot.orgs import statements
from leadpilot.orgs.tenancy import current_org_id, org_context
from leads.models import Lead

ADD = """
INSERT INTO campaigns_quota (id, org_id, scope, period, used) VALUES (%(id)s, %(org)s, %(scope)s, '2026-11-21', %(n)s)
RETURNING scope, used
"""
COUNT = "SELECT count(*) FROM campaigns_quota"


def add(org, scope="org", n=1):
    return (ADD, {"id": new_id(), "org": org.pk, "scope": scope, "n": n})


def counted(org):
    return statements.run(org.pk, (COUNT, {}))[0][0][0]


@pytest.mark.django_db(transaction=True)
class TestOfItsOwn:
    def test_several_statements_give_their_rows_and_are_committed(self, org):
        assert statements.run(org.pk, add(org), add(org, "day", 4)) == [[("org", 1)], [("day", 4)]]
        connection.close()
        assert counted(org) == 2

    def test_it_sees_and_writes_nothing_of_another_organization(self, org, other_org):
        statements.run(org.pk, add(org))
        assert counted(other_org) == 0
        with pytest.raises(Exception, match="row-level security"):
            statements.run(other_org.pk, add(org))

    def test_no_organization_stays_on_the_connection(self, org):
        statements.run(org.pk, add(org))
        assert current_org_id() is None
        with connection.cursor() as cursor:
            cursor.execute(COUNT)
            assert cursor.fetchone() == (0,)

    def test_when_one_fails_none_is_kept_and_the_connection_goes_on(self, org):
        with pytest.raises(DataError):
            statements.run(org.pk, add(org), ("SELECT 1 / %(zero)s::int", {"zero": 0}))
        with pytest.raises(IntegrityError):
            statements.run(org.pk, add(org), add(org))
        assert counted(org) == 0
        assert not connection.in_atomic_block

    def test_a_connection_that_was_cut_is_said_and_opened_again_by_the_next(self, org):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            pid = cursor.fetchone()[0]
        other = connection.copy()
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
        other.close()
        with pytest.raises(OperationalError):
            statements.run(org.pk, (COUNT, {}))
        connection.close()
        assert counted(org) == 0

    def test_statements_are_planned_once_but_not_behind_a_pool_that_shares_connections(
        self, org, monkeypatch
    ):
        prepared = (
            "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%%campaigns_quota%%'",
            {},
        )
        for _ in range(2):
            statements.run(org.pk, (COUNT, {}))
        assert statements.run(org.pk, prepared)[0][0][0] >= 1
        connection.close()
        monkeypatch.setitem(connection.settings_dict, "DISABLE_SERVER_SIDE_CURSORS", True)
        for _ in range(8):
            statements.run(org.pk, (COUNT, {}))
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_prepared_statements")
            assert cursor.fetchone() == (0,)


@pytest.mark.django_db
class TestInsideATransaction:
    def test_it_becomes_part_of_it_and_the_outer_organization_stays_in_force(self, org, other_org):
        with org_context(other_org.pk):
            assert statements.run(org.pk, add(org)) == [[("org", 1)]]
            assert current_org_id() == other_org.pk
            assert not Lead.objects.for_org(org).exists()
        assert counted(org) == 1

    def test_what_fails_leaves_the_outer_transaction_usable(self, org):
        with org_context(org.pk):
            with pytest.raises(DataError):
                statements.run(org.pk, ("SELECT 1 / 0", {}))
            assert current_org_id() == org.pk
            assert counted(org) == 0
