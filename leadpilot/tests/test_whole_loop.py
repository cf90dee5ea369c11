"""The whole loop, for real: from the demo's CSV over research, writing, approval and SMTP to answers that were read.

Nothing is replaced: PostgreSQL as the application's role, the sandbox's web sites over HTTP, its mail server over SMTP, its
people's answers from the Maildir. Only the workers' clock is ours: jobs are answered in this process.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

import agent.tasks
import campaigns.tasks
from agent.models import AgentLog, Draft, DraftStatus
from agent.services import control, drafts
from campaigns.models import Enrollment, InboundMessage, Mailbox, Message, MessageStatus
from leadpilot.lib import jobs
from leadpilot.orgs.models import Organization, User
from leadpilot.orgs.services import organization_id
from leadpilot.orgs.tenancy import org_context
from leadpilot.sandbox.seeding import seed_demo
from leadpilot.sandbox.servers import SandboxServers
from leadpilot.sandbox.testing import running_sandbox
from leads.models import Fact, Lead, Suppression

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE = 150  # seconds for one stage on a slow machine


@pytest.fixture
def sandbox(settings: Any, tmp_path: Any) -> Iterator[SandboxServers]:
    settings.UNDO_SECONDS = 0
    with running_sandbox(tmp_path) as servers:
        seed_demo(SandboxServers.world())
        yield servers


@pytest.fixture
def demo(sandbox: SandboxServers) -> Organization:
    org_id = organization_id(slug="demo")
    with org_context(org_id):
        Mailbox.objects.update(min_spacing_seconds=0)
        return Organization.objects.get(pk=org_id)


def work_until(done: Callable[[], bool], *, what: str) -> None:
    """Do what workers and schedules do, until the condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < deadline, f"Waited {PATIENCE} s for {what}."
        for sweep in (agent.tasks.sweep, campaigns.tasks.sweep, campaigns.tasks.poll_inboxes):
            sweep()
        if not jobs.run_pending(limit=200):
            time.sleep(0.2)


def seen(org: Organization, read: Callable[[], Any]) -> Any:
    with org_context(org.pk):
        return read()


def statuses(org: Organization) -> Counter[str]:
    return seen(org, lambda: Counter(Lead.objects.values_list("status", flat=True)))


def accepted(sandbox: SandboxServers) -> list[dict[str, Any]]:
    log = sandbox.home / "accepted.jsonl"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def research_and_write(org: Organization, owner: User) -> None:
    with org_context(org.pk):
        control.start(org=org, by=owner)
    work_until(lambda: not set(statuses(org)) & {"new", "researching"}, what="the research")
    work_until(
        lambda: seen(
            org,
            lambda: (
                not Enrollment.objects.filter(drafts=None).exists()
                and not Draft.objects.filter(status=DraftStatus.DRAFT).exists()
                and Enrollment.objects.exists()
            ),
        ),
        what="the drafts",
    )


def test_from_a_list_of_leads_to_answers_that_were_read(sandbox: SandboxServers, demo: Organization) -> None:
    owner = User.objects.get(email="demo@leadpilot.example")
    research_and_write(demo, owner)

    with org_context(demo.pk):
        assert Lead.objects.filter(status="skipped").exclude(skip_reason="").count() >= 2
        for fact in Fact.objects.select_related("page"):
            assert fact.quote in fact.page.text
        first = list(Draft.objects.filter(step_number=1).select_related(*_RELATED))
        assert len(first) >= 15
        assert Draft.objects.count() == 5 * len(first)
        assert not any(draft.has_unsupported for draft in first)
        assert any(s["fact_ids"] for draft in first for s in draft.sentences)
        assert not Message.objects.exists()
    assert accepted(sandbox) == []  # nothing leaves before a person has said so

    with org_context(demo.pk):
        for draft in first:
            drafts.approve_draft(draft=draft, version=draft.version, by=owner)
    done = ("sent", "refused", "cancelled")
    work_until(
        lambda: seen(demo, lambda: not Message.objects.exclude(status__in=done).exists()),
        what="the mails to leave",
    )

    log = accepted(sandbox)
    assert len({entry["message_id"] for entry in log}) == len(log) >= 15
    with org_context(demo.pk):
        sent = Message.objects.filter(status=MessageStatus.SENT)
        assert {m.message_id: m.raw_hash for m in sent} == {e["message_id"]: e["sha256"] for e in log}
        assert all(Message.objects.exclude(status=MessageStatus.SENT).values_list("status_reason", flat=True))

    work_until(
        lambda: seen(
            demo,
            lambda: (
                InboundMessage.objects.count() >= 15
                and not InboundMessage.objects.filter(classification="").exists()
                and not InboundMessage.objects.filter(handled_at=None, classification="unsubscribe").exists()
                and AgentLog.objects.filter(action_type="mail.complained").exists()
            ),
        ),
        what="the answers",
    )
    with org_context(demo.pk):
        kinds = Counter(InboundMessage.objects.values_list("classification", flat=True))
        assert {"interested", "question", "not_interested", "out_of_office", "unsubscribe", "bounce"} <= set(
            kinds
        )
        assert all(
            InboundMessage.objects.exclude(classification="bounce").values_list(
                "classification_reason", flat=True
            )
        )
        opted_out = InboundMessage.objects.filter(classification="unsubscribe").values_list(
            "lead__email", flat=True
        )
        assert set(opted_out) <= set(Suppression.objects.values_list("value", flat=True))
        complained = Lead.objects.get(email="terrence.holt@ironbridge-energy.example")
        assert complained.status == "unsubscribed"
        assert Suppression.objects.get(value=complained.email).reason == "complained"
        assert Enrollment.objects.get(lead=complained).status == "stopped"
        assert AgentLog.objects.filter(action_type="mail.complained", lead=complained).count() == 1
        assert AgentLog.objects.filter(action_type="mail.sent").count() == sent.count()
        away = Enrollment.objects.filter(lead__inbound__classification="out_of_office")
        assert away.exists()
        assert not away.filter(status="stopped").exists()
        assert all(e.next_step_at > e.enrolled_at for e in away)
        talking = Enrollment.objects.filter(
            lead__inbound__classification__in=["interested", "not_interested"]
        )
        assert set(talking.values_list("status", flat=True)) == {"stopped"}
    assert not (sandbox.home / "violations.jsonl").exists()


_RELATED = ("org", "lead", "campaign", "enrollment__mailbox", "in_reply_to")


def test_stop_stops_what_is_queued_and_start_lets_it_go(sandbox: SandboxServers, demo: Organization) -> None:
    owner = User.objects.get(email="demo@leadpilot.example")
    with org_context(demo.pk):
        Lead.objects.exclude(company__startswith="Brightwave").update(status="archived")
    research_and_write(demo, owner)
    client = Client()
    client.force_login(owner, backend="allauth.account.auth_backends.AuthenticationBackend")
    with org_context(demo.pk):
        for draft in Draft.objects.filter(step_number=1).select_related(*_RELATED):
            drafts.approve_draft(draft=draft, version=draft.version, by=owner)
        waiting = Message.objects.filter(status=MessageStatus.QUEUED).count()
    assert waiting >= 2
    assert client.post(reverse("agent:stop")).status_code == 302
    for _ in range(5):
        campaigns.tasks.sweep()
        agent.tasks.sweep()
        jobs.run_pending(limit=200)
    assert accepted(sandbox) == []
    assert client.post(reverse("agent:start")).status_code == 302
    work_until(lambda: len(accepted(sandbox)) == waiting, what="the mails to leave after Start")
