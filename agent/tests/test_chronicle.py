"""What left and what came back stands in the diary, once, and the diary can be taken along."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient, Client
from django.urls import reverse

from agent import chronicle, orchestrator
from agent.models import AgentLog, LogType
from agent.services import control
from agent.services.drafts import approve_draft
from agent.services.log import log
from agent.tests.world import make_campaign, make_draft, make_enrollment, make_lead
from agent.views import export
from campaigns.models import Mailbox, Message, MessageEvent
from campaigns.services import outcomes
from campaigns.services.transitions import record_event
from campaigns.services.unsubscribe import unsubscribe
from leadpilot.lib import clock
from leadpilot.orgs.tenancy import org_context
from leads.queries import timeline

K = MessageEvent.Kind


def mail(org: Any, alice: Any, name: str = "Ada Lovelace") -> Message:
    """An approved mail."""
    control.config_for(org)
    draft = make_draft(make_enrollment(org, make_lead(org, name), make_campaign(org, steps=1)))
    approve_draft(draft=draft, version=1, by=alice)
    return Message.objects.for_org(org).select_related("lead", "org").get(drafts=draft)


def lines(org: Any) -> Any:
    return AgentLog.objects.for_org(org).filter(action_type__startswith="mail.").order_by("created_at", "pk")


@pytest.mark.django_db
class TestWritingDown:
    def test_what_left_what_bounced_and_who_opted_out(self, in_org: Any, alice: Any) -> None:
        message = mail(in_org, alice)
        record_event(message=message, kind=K.SENT, proof="250 Taken")
        outcomes.hard_bounce(message=message, said="550 No such user", origin="a report")
        unsubscribe(lead=message.lead, origin="by link", message=message)
        assert chronicle.write_down(in_org) == 3
        found = {line.action_type: line for line in lines(in_org)}
        assert set(found) == {"mail.sent", "mail.bounced", "mail.unsubscribed"}
        sent = found["mail.sent"]
        assert sent.message == f"Sent “{message.subject}” to ada@engines.example."
        assert (sent.log_type, sent.reasoning, sent.lead_id) == (LogType.ACTION, "250 Taken", message.lead_id)
        assert sent.agent is not None
        assert sent.agent.agent_type == "sender"
        assert found["mail.bounced"].reasoning == "550 No such user"
        assert "opted out" in found["mail.unsubscribed"].message

    def test_a_mailbox_that_stopped_sending(self, in_org: Any, alice: Any) -> None:
        mail(in_org, alice)
        box = Mailbox.objects.for_org(in_org).get()
        outcomes.mailbox_at_fault(org_id=in_org.pk, mailbox_id=box.pk, said="535 Wrong password")
        chronicle.write_down(in_org)
        line = AgentLog.objects.for_org(in_org).get(action_type="mailbox.stopped")
        assert (line.log_type, line.reasoning) == (LogType.ERROR, "535 Wrong password")
        assert box.email in line.message

    def test_it_is_told_once_and_what_comes_later_is_added(self, in_org: Any, alice: Any) -> None:
        message = mail(in_org, alice)
        record_event(message=message, kind=K.SENT, proof="250")
        assert chronicle.write_down(in_org) == 1
        assert chronicle.write_down(in_org) == 0
        with clock.travel(timedelta(days=40)):
            record_event(message=message, kind=K.BOUNCED, said="550")
            assert chronicle.write_down(in_org) == 1
        assert [line.action_type for line in lines(in_org)] == ["mail.sent", "mail.bounced"]

    def test_the_look_for_work_does_it_and_the_timeline_does_not_say_it_twice(
        self, in_org: Any, alice: Any
    ) -> None:
        message = mail(in_org, alice)
        record_event(message=message, kind=K.SENT, proof="250")
        orchestrator.look_for_work(in_org.pk)
        assert lines(in_org).count() == 1
        assert not [item for item in timeline(message.lead) if item.title.startswith("Sent “")]

    def test_approvals_and_queueing_are_no_news(self, in_org: Any, alice: Any) -> None:
        mail(in_org, alice)
        assert chronicle.write_down(in_org) == 0


@pytest.mark.django_db
class TestExport:
    URL = "/agent/activity/export/"

    @pytest.fixture
    def written(self, org: Any) -> Any:
        with org_context(org.pk):
            lead = make_lead(org, "=HYPERLINK(1)", email="ada@engines.example")
            log(org=org, log_type=LogType.ACTION, message="=cmd|' /C calc'!A0", lead=lead, reasoning="+1")
            log(org=org, log_type=LogType.ERROR, message="The site did not answer.")
        return org

    def rows(self, response: Any) -> list[list[str]]:
        text = b"".join(response.streaming_content).decode("utf-8-sig")
        return list(csv.reader(io.StringIO(text)))

    def test_it_is_a_file_with_every_line_and_no_formula(
        self, client_for: Callable[[Any], Client], alice: Any, written: Any
    ) -> None:
        response = client_for(alice).get(self.URL)
        assert response.streaming
        assert "attachment; filename=" in response["Content-Disposition"]
        head, newest, oldest = self.rows(response)
        assert head == list(export.HEADER)
        assert newest[3] == "The site did not answer."
        assert oldest[3:6] == ["'=cmd|' /C calc'!A0", "'+1", "'=HYPERLINK(1)"]

    def test_the_filters_of_the_page_hold(
        self, client_for: Callable[[Any], Client], alice: Any, written: Any
    ) -> None:
        client = client_for(alice)
        assert len(self.rows(client.get(self.URL, {"type": "error"}))) == 2
        assert len(self.rows(client.get(self.URL, {"q": "nothing like it"}))) == 1

    def test_long_diaries_come_piece_by_piece_without_gaps(
        self, client_for: Callable[[Any], Client], alice: Any, written: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(export, "PIECE", 2)
        with org_context(written.pk):
            for number in range(5):
                log(org=written, log_type=LogType.ACTION, message=f"Line {number}")
        rows = self.rows(client_for(alice).get(self.URL))
        assert len(rows) == 1 + 7
        assert [row[3] for row in rows[1:6]] == [f"Line {number}" for number in (4, 3, 2, 1, 0)]

    def test_others_are_refused_and_strangers_get_their_own(
        self,
        client_for: Callable[[Any], Client],
        mia: Any,
        bob: Any,
        alice: Any,
        charlie: Any,
        other_org: Any,
        written: Any,
    ) -> None:
        for person in (mia, bob):
            assert client_for(person).get(self.URL).status_code == 403
            assert "Export CSV" not in client_for(person).get(reverse("agent:activity")).text
        assert "Export CSV" in client_for(alice).get(reverse("agent:activity")).text
        assert len(self.rows(client_for(charlie).get(self.URL))) == 1
        assert client_for(alice).post(self.URL).status_code == 405


@pytest.mark.django_db(transaction=True)
def test_under_asgi_it_is_streamed_too(org: Any, alice: Any) -> None:
    with org_context(org.pk):
        log(org=org, log_type=LogType.ACTION, message="Wrote five mails.")
    client = AsyncClient()
    client.force_login(alice, backend="allauth.account.auth_backends.AuthenticationBackend")

    async def ask() -> str:
        response = await client.get(TestExport.URL)
        assert response.is_async
        return b"".join([part async for part in response.streaming_content]).decode()

    assert "Wrote five mails." in async_to_sync(ask)()
