"""What people do while the campaign runs, by the services that screens use; each with the time of its commit."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

from django.db import Error as DatabaseError
from django.db import connections
from django.db.models.functions import Now

from campaigns.models import Campaign, CampaignStatus, InboundMessage, Mailbox, MailboxStatus, Message
from campaigns.services import campaigns as campaign_service
from campaigns.services import inbound, mailboxes, outbox, quota, unsubscribe
from campaigns.windows import local_day, zone_of
from leadpilot.lib import clock
from leadpilot.lib.errors import DomainError
from leadpilot.orgs import services as orgs
from leadpilot.orgs.tenancy import org_context
from leadpilot.trust.ground import PACE
from leadpilot.trust.plan import Act
from leadpilot.trust.population import Population
from leadpilot.trust.sent import MailStore
from leadpilot.trust.testimony import Cap, Stop

T = TypeVar("T")
JUST_BEGUN = timedelta(
    seconds=PACE["send_lease"] - 3
)  # so much of a lease is left when a mail was begun just now
PATIENCE = 60.0  # seconds to wait for a database that is being restarted
_REPLY = (
    "From: {lead}\r\nTo: {box}\r\nSubject: Re: hello\r\nMessage-ID: <{key}@firm.example>\r\n"
    "In-Reply-To: {message_id}\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\n\r\nLet us talk next week.\r\n"
)


def surely(what: Callable[[], T]) -> T:
    """Do it, again when the database was away: every act may be repeated. Raises after PATIENCE seconds."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return what()
        except DatabaseError:
            connections["default"].close()
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


@dataclass
class People:
    """Acts in progress, and a record of all: stops and caps as the checker reads them."""

    population: Population
    stops: list[Stop] = field(default_factory=list)
    caps: list[Cap] = field(default_factory=list)
    log: list[dict[str, Any]] = field(default_factory=list)
    undo: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    done: int = 0
    store: MailStore | None = None
    expected: dict[str, str] = field(default_factory=dict)  # replies on their way: Message-ID and lead

    def perform(self, act: Act) -> bool:
        """Do it to a message that is being sent, or waits; False when there is none to do it to."""
        message = surely(lambda: self._victim(act.pick))
        if message is None and act.kind != "halt":
            return False
        did: bool = getattr(self, f"_{act.kind}")(message, act)
        self.done += did
        return did

    def undo_due(self, *, all_of_them: bool = False) -> None:
        """Lift what has been held long enough."""
        now = time.monotonic()
        due = [item for item in self.undo if all_of_them or item[0] <= now]
        self.undo = [item for item in self.undo if item not in due]
        for _, lift in due:
            lift()

    def mend(self, *, everything: bool = False) -> None:
        """What a person would do about mailboxes that stopped by themselves: look, and let them go on."""
        held = {stop.value for stop in self.stops if stop.field == "mailbox" and stop.lifted_at is None}

        def work() -> None:
            with org_context(self.population.org.pk):
                rows = Mailbox.objects.for_org(self.population.org).exclude(status=MailboxStatus.CONNECTED)
                for mailbox in rows.select_related("org"):
                    if everything or mailbox.email not in held:
                        mailboxes.resume_mailbox(mailbox=mailbox)
                        self._note("mend", mailbox.email)

        surely(work)

    def _victim(self, pick: float) -> Any:
        """A message whose conversation is under way, the slowest first, and not one whose worker died long ago; else one
        that waits.
        """
        org = self.population.org
        with org_context(org.pk):
            rows = Message.objects.for_org(org).select_related("lead", "mailbox", "campaign", "org")
            sending = rows.filter(status="sending", lease_until__gt=Now() + JUST_BEGUN)
            slowest = sending.order_by("lease_until").first()
            if slowest is not None:
                return slowest
            waiting = list(rows.filter(status__in=["queued", "claimed", "held"]).order_by("pk")[:200])
        return waiting[int(pick * len(waiting))] if waiting else None

    def _note(self, kind: str, about: str) -> float:
        at = time.time()
        self.log.append({"at": at, "act": kind, "about": about})
        return at

    def _stop(self, kind: str, column: str, value: str) -> Stop:
        stop = Stop(kind, column, value, self._note(kind, value))
        self.stops.append(stop)
        return stop

    def _lift_later(self, stop: Stop, hold: float, lift: Callable[[], object]) -> None:
        def act() -> None:
            lifted = Stop(
                stop.kind, stop.field, stop.value, stop.committed_at, self._note("lifted", stop.value)
            )
            self.stops[self.stops.index(stop)] = lifted
            surely(self._in_org(lift))

        self.undo.append((time.monotonic() + hold, act))

    def _in_org(self, what: Callable[[], T]) -> Callable[[], T]:
        def within() -> T:
            with org_context(self.population.org.pk):
                return what()

        return within

    def _held(self, column: str, value: str) -> bool:
        return any(s.field == column and s.value == value and s.lifted_at is None for s in self.stops)

    def _pause_campaign(self, message: Any, act: Act) -> bool:
        campaign = message.campaign
        if self._held("campaign", str(campaign.pk)):
            return False
        surely(self._in_org(lambda: campaign_service.pause(campaign=campaign)))
        stop = self._stop("pause of the campaign", "campaign", str(campaign.pk))
        self._lift_later(stop, act.hold, lambda: campaign_service.activate(campaign=campaign))
        return True

    def _pause_mailbox(self, message: Any, act: Act) -> bool:
        mailbox = message.mailbox
        if self._held("mailbox", mailbox.email):
            return False
        surely(self._in_org(lambda: mailboxes.pause_mailbox(mailbox=mailbox, reason="A person paused it.")))
        stop = self._stop("pause of the mailbox", "mailbox", mailbox.email)
        self._lift_later(stop, act.hold, lambda: mailboxes.resume_mailbox(mailbox=mailbox))
        return True

    def _halt(self, message: Any, act: Act) -> bool:
        org = self.population.org
        if self._held("", ""):
            return False
        surely(self._in_org(lambda: orgs.halt(org=org, by=None, reason="fault campaign")))
        stop = self._stop("halt", "", "")
        self._lift_later(stop, act.hold, lambda: orgs.resume(org=org, by=None))
        return True

    def _opt_out(self, message: Any, act: Act) -> bool:
        surely(
            self._in_org(lambda: unsubscribe.unsubscribe(lead=message.lead, origin="link", message=message))
        )
        self._stop("opt-out", "to", message.to_email)
        return True

    def _withdraw(self, message: Any, act: Act) -> bool:
        try:
            surely(
                self._in_org(lambda: outbox.cancel_message(message=message, reason="Withdrawn by a person."))
            )
        except DomainError:  # it is on its way already
            return False
        self._stop("withdrawn approval", "message_id", message.message_id)
        return True

    def _reply(self, message: Any, act: Act) -> bool:
        """A lead that has been written to answers; the rest of its sequence must wait for a person."""
        answered = surely(self._in_org(lambda: self._answered(act.pick)))
        if answered is None:
            return False
        key = answered.message_id.strip("<>").partition("@")[0]
        raw = _REPLY.format(
            lead=answered.to_email, box=answered.from_email, key=key, message_id=answered.message_id
        ).encode()
        if self.store is not None:  # by IMAP, as in life; it counts from the moment it is known
            self.store.file(answered.from_email, "INBOX", f"{int(time.time() * 1e6)}.{key}.trust", raw)
            self.expected[f"<{key}@firm.example>"] = str(answered.lead_id)
            return True
        receive = lambda: inbound.receive(mailbox=answered.mailbox, raw=raw, source_key=f"trust:{key}")  # noqa: E731
        surely(self._in_org(receive))
        self._stop("reply", "lead", str(answered.lead_id))
        return True

    def notice_replies(self) -> None:
        """Replies that a worker has read since the last look stop their leads from now on."""
        if not self.expected:
            return
        rows = InboundMessage.objects.for_org(self.population.org)
        known = rows.filter(header_message_id__in=list(self.expected))
        for key in surely(self._in_org(lambda: list(known.values_list("header_message_id", flat=True)))):
            self._stop("reply", "lead", self.expected.pop(key))

    def _answered(self, pick: float) -> Any:
        """A first mail that left and whose second waits, best of all in this very moment."""
        rows = Message.objects.for_org(self.population.org).select_related("mailbox")
        following = rows.filter(email_sequence=2, status__in=["queued", "claimed", "sending"])
        leads = list(following.order_by("pk").values_list("lead_id", flat=True)[:100])
        first = list(rows.filter(lead_id__in=leads, email_sequence=1, status="sent").order_by("pk"))
        return first[int(pick * len(first))] if first else None

    def _lower_cap(self, message: Any, act: Act) -> bool:
        """One more today, or fewer than are under way: the cap of a mailbox or of a campaign."""
        column, row = ("campaign", message.campaign) if act.pick < 0.3 else ("mailbox", message.mailbox)
        value = str(row.pk) if column == "campaign" else row.email
        if any(cap.value == value for cap in self.caps):
            return False
        model: Any = Campaign if column == "campaign" else Mailbox
        usual = row.daily_cap

        def change(to: Callable[[int], int]) -> int:
            day = local_day(clock.now(), zone_of(self.population.org.time_zone))
            used = quota.used(org_id=row.org_id, scope=f"{column}:{row.pk}", period=day)
            model.objects.for_org(row.org_id).filter(pk=row.pk).update(daily_cap=to(used))
            return used

        self.caps.append(Cap(column, value, 0.0, usual))
        less = 1 if int(act.pick * 1000) % 3 == 0 else -2
        used = surely(self._in_org(lambda: change(lambda used: max(1, used + less))))
        self.caps.append(Cap(column, value, self._note("cap lowered", value), max(1, used + less)))

        def lift() -> None:
            self.caps.append(Cap(column, value, self._note("cap raised", value), usual))
            surely(self._in_org(lambda: change(lambda _: usual)))
            if column == "mailbox":  # as saving the mailbox does
                surely(self._in_org(lambda: model.objects.filter(pk=row.pk).update(next_send_at=None)))

        self.undo.append((time.monotonic() + act.hold, lift))
        return True


def set_free(people: People) -> None:
    """Lift everything that is held, at the end."""
    people.undo_due(all_of_them=True)
    people.mend(everything=True)
    org = people.population.org
    with org_context(org.pk):
        paused = Campaign.objects.for_org(org).filter(status=CampaignStatus.PAUSED)
        for campaign in paused.select_related("org"):
            campaign_service.activate(campaign=campaign)
