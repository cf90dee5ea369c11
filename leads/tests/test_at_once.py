"""Two people who do the same thing to leads at the same moment."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from django.db import connection, connections

from leadpilot.lib.errors import Conflict
from leadpilot.orgs.models import AuditEntry
from leadpilot.orgs.tenancy import org_context
from leads.models import Lead
from leads.services.leads import create_lead

pytestmark = pytest.mark.django_db(transaction=True)


def wait_until_somebody_waits(seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    with connection.cursor() as cursor:
        while True:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'")
            if cursor.fetchone()[0]:
                return
            assert time.monotonic() < deadline, "nobody waited for the other's row"
            time.sleep(0.05)


def test_the_second_of_two_who_add_the_same_person_is_told_and_nothing_is_doubled(org: Any) -> None:
    outcome: list[object] = []

    def second() -> None:
        try:
            with org_context(org.pk):
                outcome.append(create_lead(org=org, name="Ada Byron", email="ADA@engine.example"))
        except Exception as error:
            outcome.append(error)
        finally:
            connections.close_all()

    with org_context(org.pk):
        create_lead(org=org, name="Ada Lovelace", email="ada@engine.example")
        thread = threading.Thread(target=second)
        thread.start()
        wait_until_somebody_waits()
    thread.join(20)
    (error,) = outcome
    assert isinstance(error, Conflict)
    assert "already a lead with the address ada@engine.example" in str(error)
    assert error.field == "email"
    with org_context(org.pk):
        assert [lead.name for lead in Lead.objects.for_org(org)] == ["Ada Lovelace"]
        assert AuditEntry.objects.filter(action="lead.created").count() == 1
