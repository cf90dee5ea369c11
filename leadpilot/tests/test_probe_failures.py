"""A view that raises leaves nothing behind, although its response leaves the organization's transaction in peace."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection, transaction

from leadpilot.orgs.models import Notification
from leadpilot.orgs.tenancy import current_org_id, org_context

pytestmark = [pytest.mark.django_db, pytest.mark.urls("leadpilot.tests.probing.failing_urls")]


def notes(org: Any) -> int:
    with org_context(org.pk):
        return Notification.objects.for_org(org).filter(type="probe").count()


@pytest.mark.parametrize(("error", "status"), [("broken", 500), ("absent", 404), ("forbidden", 403)])
def test_what_a_failing_view_wrote_is_taken_back(
    error: str, status: int, org: Any, mia: Any, client_for: Any
) -> None:
    client = client_for(mia)
    client.raise_request_exception = False
    assert client.get(f"/probe/{error}/").status_code == status
    assert notes(org) == 0
    assert client.get("/probe/nothing/").status_code == 200
    assert notes(org) == 1


def test_a_context_that_is_to_be_rolled_back_can_be_left(org: Any) -> None:
    with org_context(org.pk):
        with org_context(org.pk):
            Notification.objects.create(org=org, type="probe", title="x")
            transaction.set_rollback(True)
        assert not connection.needs_rollback
        assert current_org_id() == org.pk
    assert notes(org) == 0
