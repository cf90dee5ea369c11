"""What happened with a mail, and what people did, is added to and never changed: the database refuses it."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import ProgrammingError, connection, transaction

from campaigns.models import MessageEvent
from leadpilot.orgs.models import AuditEntry
from leadpilot.orgs.services import record

pytestmark = pytest.mark.django_db


def test_these_are_tests_of_the_applications_own_role() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")
        assert cursor.fetchone() == (False,)


def refused(change: Any) -> None:
    with pytest.raises(ProgrammingError, match="written once"), transaction.atomic():
        change()


def test_an_event_of_a_mail_cannot_be_changed_or_removed(world: Any, ready: Any) -> None:
    message, _ = ready()
    with world.context():
        events = MessageEvent.objects.for_org(world.org).filter(message=message)
        kinds = sorted(events.values_list("kind", flat=True))
        assert "approved" in kinds
        refused(lambda: events.update(kind="sent"))
        refused(lambda: events.delete())
        refused(lambda: message.delete())
        assert sorted(events.values_list("kind", flat=True)) == kinds


def test_a_line_of_the_audit_log_cannot_be_changed_or_removed(in_org: Any, alice: Any) -> None:
    line = record(org=in_org, actor=alice, action="test.done", message="Alice did it.")
    lines = AuditEntry.objects.for_org(in_org).filter(pk=line.pk)
    refused(lambda: lines.update(message="Nobody did it."))
    refused(lambda: lines.update(actor=None))
    refused(lambda: lines.delete())
    line.refresh_from_db()
    assert (line.message, line.actor) == ("Alice did it.", alice)
