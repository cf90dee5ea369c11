"""The second gate: can this message go now? (DESIGN 1.2)

`judge` runs in the transaction that claims; `clear` tells a person the same, caps included. Between the claim and the last
dot there is `campaigns.last_look`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Max

from campaigns import rendering, windows
from campaigns.last_look import suppression_values
from campaigns.models import (
    CampaignStatus,
    EnrollmentStatus,
    InboundKind,
    InboundMessage,
    MailboxStatus,
    Message,
    MessageStatus,
)
from campaigns.services import quota
from leadpilot.lib import verdict as verdicts
from leadpilot.lib.verdict import Verdict
from leads.models import Suppression
from leads.models.lead import CLOSED_STATUSES

Check = Callable[[Message, datetime], Verdict | None]
CheckWith = Callable[[Message, datetime, Any], Verdict | None]
Load = Callable[[UUID], Any]
READING_STALE = timedelta(days=1)


@dataclass(frozen=True)
class Registered:
    """A check of an upper app, and what it reads once for all messages that are judged together."""

    check: Check | CheckWith
    load: Load | None = None

    def say(self, situation: Situation) -> Verdict | None:
        """Its verdict, or None."""
        given = (situation.message, situation.now)
        return self.check(*given) if self.load is None else self.check(*given, situation.facts[self])  # type: ignore[call-arg]


_REGISTERED: list[Registered] = []


@dataclass(frozen=True)
class Situation:
    """A message (with lead, org, mailbox, campaign, enrollment loaded) and what the checks need to know beside it."""

    message: Message
    now: datetime
    suppressed_by: str
    answered_at: datetime | None
    steps_sent: frozenset[int]
    facts: Mapping[Registered, Any] = field(default_factory=dict)

    @property
    def is_answer(self) -> bool:
        """An answer to a person's mail follows the conversation, not the sequence."""
        return self.message.in_reply_to_id is not None


def register_check(check: Check | CheckWith, *, load: Load | None = None) -> None:
    """Let an upper app stop messages: `check(message, now)` returns a Verdict, or None when it has nothing to say.

    With `load(org_id)`, called once in the transaction that judges, it is `check(message, now, what_was_loaded)`.
    """
    added = Registered(check, load)
    if added not in _REGISTERED:
        _REGISTERED.append(added)


def gather(*, org_id: UUID, messages: Iterable[Message], now: datetime) -> list[Situation]:
    """Load what the checks read, in three queries and those of the registered ones, for any number of messages."""
    found = list(messages)
    if not found:
        return []
    facts = {each: each.load(org_id) for each in _REGISTERED if each.load is not None}
    values = {m.pk: suppression_values(m.to_email) for m in found}
    wanted = {value for each in values.values() for value in each}
    suppressed = set(
        Suppression.objects.for_org(org_id).filter(value__in=wanted).values_list("value", flat=True)
    )
    answered = _answered(org_id, found)
    steps = _steps_sent(org_id, found)
    return [
        Situation(
            message=m,
            now=now,
            suppressed_by=next((value for value in values[m.pk] if value in suppressed), ""),
            answered_at=answered.get(m.lead_id),
            steps_sent=frozenset(steps.get(m.enrollment_id, ())),
            facts=facts,
        )
        for m in found
    ]


def _answered(org_id: UUID, messages: list[Message]) -> dict[UUID, datetime]:
    rows = (
        InboundMessage.objects.for_org(org_id)
        .filter(lead_id__in={m.lead_id for m in messages}, is_automatic=False)
        .values("lead_id")
        .annotate(latest=Max("created_at"))
    )
    return {row["lead_id"]: row["latest"] for row in rows}


def _steps_sent(org_id: UUID, messages: list[Message]) -> dict[UUID | None, set[int]]:
    enrollments = {m.enrollment_id for m in messages if m.enrollment_id and (m.email_sequence or 1) > 1}
    sent: dict[UUID | None, set[int]] = {}
    if enrollments:
        rows = Message.objects.for_org(org_id).filter(
            enrollment_id__in=enrollments, status=MessageStatus.SENT
        )
        for enrollment_id, step in rows.values_list("enrollment_id", "email_sequence"):
            if step is not None:
                sent.setdefault(enrollment_id, set()).add(step)
    return sent


def halted(s: Situation) -> Verdict | None:
    """The kill switch."""
    if s.message.org.halted_at is None:
        return None
    return verdicts.defer(None, "halted", "Everything is stopped; press Start to go on.")


def mailbox_healthy(s: Situation) -> Verdict | None:
    mailbox = s.message.mailbox
    if mailbox.status == MailboxStatus.CONNECTED:
        return None
    why = f": {mailbox.status_reason}" if mailbox.status_reason else "."
    return verdicts.defer(
        None, "mailbox", f"The mailbox {mailbox.email} is {mailbox.get_status_display().lower()}{why}"
    )


def campaign_active(s: Situation) -> Verdict | None:
    campaign = s.message.campaign
    if s.is_answer or campaign is None or campaign.status == CampaignStatus.ACTIVE:
        return None
    return verdicts.defer(
        None, "campaign", f"The campaign “{campaign}” is {campaign.get_status_display().lower()}, not active."
    )


def enrollment_active(s: Situation) -> Verdict | None:
    enrollment = s.message.enrollment
    if s.is_answer or enrollment is None or enrollment.status == EnrollmentStatus.ACTIVE:
        return None
    if enrollment.status == EnrollmentStatus.PAUSED:
        return verdicts.defer(None, "enrollment_paused", f"The sequence is paused: {enrollment.next_reason}")
    reason = enrollment.get_stop_reason_display() or "it is completed"
    return verdicts.deny(
        "enrollment_over", f"The sequence is over: {reason}.", stop_reason=enrollment.stop_reason
    )


def lead_open(s: Situation) -> Verdict | None:
    lead = s.message.lead
    if lead.status not in CLOSED_STATUSES:
        return None
    return verdicts.deny(
        "lead_closed", f"{lead.name} is {lead.get_status_display().lower()}.", status=lead.status
    )


def not_suppressed(s: Situation) -> Verdict | None:
    if not s.suppressed_by:
        return None
    return verdicts.deny(
        "suppressed", f"{s.suppressed_by} is on the suppression list.", value=s.suppressed_by
    )


def not_answered(s: Situation) -> Verdict | None:
    """No person's mail came from the lead since this one was approved (or since a person resumed the sequence)."""
    known = [s.message.approved_at, s.message.enrollment.resumed_at if s.message.enrollment else None]
    since = max((moment for moment in known if moment), default=None)
    if s.answered_at is None or (since is not None and s.answered_at <= since):
        return None
    said = f"{s.message.lead.name} wrote to us after this mail was approved."
    if s.is_answer:
        return verdicts.deny("answered_again", f"{said} Read that first.")
    return verdicts.defer(None, "answered", said)


def approved_content(s: Situation) -> Verdict | None:
    """What leaves is what was approved: sender, recipient, subject, text, and the bytes built from them."""
    m = s.message
    now_hash = rendering.content_hash(
        from_email=m.from_email, to_email=m.to_email, subject=m.subject, body=m.body
    )
    if now_hash != m.approved_hash:
        return verdicts.deny("not_what_was_approved", "The text is not the one that was approved.")
    if m.raw is not None and rendering.raw_hash(bytes(m.raw)) != m.raw_hash:
        return verdicts.deny(
            "bytes_changed", "The stored mail is not the one that was built from the approved text."
        )
    if m.lead.email.lower() != m.to_email.lower() or m.mailbox.email.lower() != m.from_email.lower():
        return verdicts.deny("address_changed", "The lead's or the mailbox's address changed after approval.")
    return None


def in_order(s: Situation) -> Verdict | None:
    """A step leaves only after the step before it has really left."""
    m = s.message
    if s.is_answer or m.enrollment is None or m.email_sequence is None:
        return None
    if m.email_sequence < m.enrollment.next_step:
        return verdicts.deny("step_over", f"The sequence is already at step {m.enrollment.next_step}.")
    if m.email_sequence > m.enrollment.next_step:
        return verdicts.defer(None, "not_its_turn", f"It is step {m.enrollment.next_step}'s turn first.")
    if m.email_sequence > 1 and m.email_sequence - 1 not in s.steps_sent:
        return verdicts.defer(None, "earlier_step", f"Step {m.email_sequence - 1} has not been sent.")
    return None


def answers_are_read(s: Situation) -> Verdict | None:
    """No follow-up while the mailbox's answers cannot be read: the lead may have written."""
    m = s.message
    polled = m.mailbox.last_polled_at
    if (
        s.is_answer
        or (m.email_sequence or 1) == 1
        or m.mailbox.inbound_kind == InboundKind.NONE
        or polled is None
    ):
        return None
    if s.now - polled <= READING_STALE:
        return None
    text = (
        f"Answers to {m.mailbox.email} were last read {polled:%d %B %H:%M} UTC; a follow-up waits for that."
    )
    return verdicts.defer(s.now + timedelta(minutes=15), "answers_unread", text)


def in_window(s: Situation) -> Verdict | None:
    """The campaign's sending window, on the lead's clock. Answers may leave at any time."""
    m = s.message
    if s.is_answer or m.campaign is None:
        return None
    window = windows.window_for(m.campaign, m.lead, m.org)
    if window.is_open(s.now):
        return None
    opening = windows.next_opening(s.now, window)
    text = f"It is outside the sending window ({window.start:%H:%M}-{window.end:%H:%M} in {window.zone.key})."
    return verdicts.defer(windows.spread(opening, window, str(m.pk)), "window", text)


def spaced(s: Situation) -> Verdict | None:
    at = s.message.mailbox.next_send_at
    if at is None or at <= s.now:
        return None
    return verdicts.defer(at, "spacing", f"{s.message.mailbox.email} may send again at {at:%H:%M:%S} UTC.")


CHECKS: tuple[Callable[[Situation], Verdict | None], ...] = (
    halted,
    mailbox_healthy,
    campaign_active,
    enrollment_active,
    lead_open,
    not_suppressed,
    not_answered,
    approved_content,
    in_order,
    answers_are_read,
    in_window,
    spaced,
)


def judge(situation: Situation) -> Verdict:
    """Every check's say, caps left out: those are taken, not looked at, when a message is claimed."""
    said = [check(situation) for check in CHECKS] + [each.say(situation) for each in _REGISTERED]
    found = [verdict for verdict in said if verdict is not None]
    if not found or all(verdict.allowed for verdict in found):
        return verdicts.combine([*found, verdicts.allow("clear", "Nothing stands in the way.")])
    return verdicts.combine(verdict for verdict in found if not verdict.allowed)


def clear(message: Message, now: datetime) -> Verdict:
    """Can it go now, and if not, why? With every reason; changes nothing."""
    loaded = Message.objects.for_org(message.org_id).select_related(*RELATED).get(pk=message.pk)
    situation = gather(org_id=loaded.org_id, messages=[loaded], now=now)[0]
    said = judge(situation)
    cap = full_cap(loaded, now)
    if cap is None:
        return said
    blocked = [said] if not said.allowed else []
    return verdicts.combine([*blocked, cap_verdict(loaded.org, cap, now)])


RELATED = ("org", "lead", "mailbox", "campaign", "enrollment")


def full_cap(message: Message, now: datetime) -> quota.Cap | None:
    """The first daily cap that has no place for this message."""
    campaign = None if message.in_reply_to_id else message.campaign
    caps = quota.caps_for(org=message.org, mailbox=message.mailbox, campaign=campaign, now=now)
    return quota.full(org_id=message.org_id, caps=caps)


def cap_verdict(org: Any, cap: quota.Cap, now: datetime) -> Verdict:
    """A full cap waits for the organization's next local day."""
    until = windows.next_midnight(now, windows.zone_of(org.time_zone))
    text = f"Today's limit of {cap.limit} mails for {cap.label} is reached."
    return verdicts.defer(until, "cap", text, scope=cap.scope, limit=cap.limit)
