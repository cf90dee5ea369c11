"""A campaign that can really send: lead, mailbox and campaign, and an SMTP sink on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import time
from typing import Any

import pytest

from campaigns.models import Campaign, Enrollment, Mailbox, Message
from campaigns.rendering import content_hash
from campaigns.services import campaigns as campaign_service
from campaigns.services import enrollment as enrollments
from campaigns.services import inbound, outbox
from campaigns.tests.sink import Sink
from leadpilot.orgs.tenancy import org_context
from leads.models import Lead

ALL_DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


@pytest.fixture
def sink(settings: Any) -> Iterator[Sink]:
    """An SMTP server that takes everything, reachable through the outbound door."""
    server = Sink()
    settings.OUTBOUND_ALLOW = [*settings.OUTBOUND_ALLOW, f"127.0.0.1:{server.port}"]
    yield server
    server.close()


@pytest.fixture(autouse=True)
def _no_undo(settings: Any) -> None:
    settings.UNDO_SECONDS = 0


@pytest.fixture
def nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """What came in is kept; no floor above is told."""
    monkeypatch.setattr(inbound.keeping, "_LISTENERS", [])
    monkeypatch.setattr(inbound.correcting, "_LISTENERS", [])


@pytest.fixture
def campaign(world: World) -> Campaign:
    """A campaign with its mailbox."""
    return world.campaign(world.mailbox())


class World:
    """Makes rows inside one organization; everything by the services that screens use."""

    def __init__(self, org: Any, port: int = 2525) -> None:
        self.org, self.port = org, port
        self.count = 0

    def context(self) -> Any:
        return org_context(self.org.pk)

    def mailbox(self, **fields: Any) -> Mailbox:
        self.count += 1
        values: dict[str, Any] = {
            "email": f"alex{self.count}@northbeam.example",
            "from_name": "Alex Moreau",
            "signature": "Alex",
            "smtp_host": "127.0.0.1",
            "smtp_port": self.port,
            "smtp_security": "none",
            "smtp_username": "alex",
            "inbound_kind": "none",
            "min_spacing_seconds": 0,
            "daily_cap": 1000,
        } | fields
        with self.context():
            mailbox = Mailbox(org=self.org, **values)
            mailbox.write_secret("smtp_password", "secret")
            mailbox.save()
        return mailbox

    def lead(self, name: str = "", **fields: Any) -> Lead:
        self.count += 1
        name = name or f"Lead {self.count}"
        values = {"name": name, "email": f"lead{self.count}@firm{self.count}.example"} | fields
        with self.context():
            return Lead.objects.create(org=self.org, **values)

    def campaign(self, *mailboxes: Mailbox, active: bool = True, **fields: Any) -> Campaign:
        values: dict[str, Any] = {
            "name": "Autumn",
            "window_days": ALL_DAYS,
            "window_start": time(0),
            "window_end": time(23, 59, 59),
            "daily_cap": 1000,
        } | fields
        with self.context():
            campaign = campaign_service.create_campaign(org=self.org, mailboxes=mailboxes, **values)
            return campaign_service.activate(campaign=campaign) if active else campaign

    def enroll(self, campaign: Campaign, lead: Lead) -> Enrollment:
        with self.context():
            return enrollments.enroll(campaign=campaign, lead=lead)

    def approve(self, enrollment: Enrollment, step: int = 1, **fields: Any) -> Message:
        with self.context():
            enrollment = Enrollment.objects.select_related("lead", "mailbox", "campaign").get(
                pk=enrollment.pk
            )
            values: dict[str, Any] = {
                "subject": f"Step {step}",
                "body": f"Hello {enrollment.lead.name}.",
            } | fields
            return outbox.approve_message(
                org=self.org,
                lead=enrollment.lead,
                mailbox=enrollment.mailbox,
                campaign=enrollment.campaign,
                enrollment=enrollment,
                step_number=step,
                content_hash=content_hash(
                    from_email=enrollment.mailbox.email,
                    to_email=enrollment.lead.email,
                    subject=values["subject"],
                    body=values["body"],
                ),
                **values,
            )

    def fresh(self, row: Any) -> Any:
        with self.context():
            rows = type(row).objects.all()
            if isinstance(row, Message):
                rows = rows.select_related("lead", "enrollment", "campaign", "mailbox", "thread")
            return rows.get(pk=row.pk)

    def change(self, row: Any, **fields: Any) -> None:
        with self.context():
            type(row).objects.filter(pk=row.pk).update(**fields)


@pytest.fixture
def world(org: Any, sink: Sink) -> World:
    """Alice's organization with a sink to send to."""
    return World(org, sink.port)


@pytest.fixture
def ready(world: World) -> Callable[..., tuple[Message, Mailbox]]:
    """`ready()` → one approved message that is due now, and its mailbox."""

    def make(mailbox: Mailbox | None = None, **campaign: Any) -> tuple[Message, Mailbox]:
        mailbox = mailbox or world.mailbox()
        enrollment = world.enroll(world.campaign(mailbox, **campaign), world.lead())
        return world.approve(enrollment), mailbox

    return make
