"""The ledger: who works on which message, what was tried, what came of it. A message leaves at most once (DESIGN 5).

    claim  →  begin (intent committed)  →  the conversation, outside of any transaction  →  finish

Every step after the claim is fenced by the lease's owner and the attempt's number; leases use the database's clock.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.db.models.functions import Now

from campaigns import clearance, windows
from campaigns.faults import Fault, classify
from campaigns.models import (
    Campaign,
    CampaignStatus,
    EnrollmentStatus,
    Mailbox,
    MailboxStatus,
    Message,
    MessageStatus,
    Quota,
    SendAttempt,
    StopReason,
)
from campaigns.services import enrollment as enrollments
from campaigns.services import outcomes, quota
from campaigns.services.transitions import cancel, move, record_event
from campaigns.smtp import Outcome, Result
from leadpilot.lib import clock, failpoints, pace
from leadpilot.lib.verdict import Outcome as Say
from leadpilot.lib.verdict import Verdict
from leadpilot.orgs.tenancy import org_context

CLAIM_LEASE = pace.time("claim_lease", timedelta(minutes=4))  # a batch; what is not begun by then goes back
SEND_LEASE = pace.time("send_lease", timedelta(minutes=4))  # one conversation; longer than all its time limits together
MAX_ATTEMPTS = 12
FIRST_WAIT = pace.time("first_wait", timedelta(minutes=5))
LONGEST_WAIT = pace.time("longest_wait", timedelta(hours=4))
RECHECK = pace.time("recheck", timedelta(minutes=10))  # a full cap may be raised
SOON = pace.time("soon", timedelta(minutes=1))  # an obstacle of which nobody knows when it goes
_ENDED = {"lead_closed", "suppressed"}


@dataclass(frozen=True)
class Claim:
    """A message that one worker holds, with all it needs to send it outside of a transaction."""

    org_id: UUID
    mailbox_id: UUID
    message_id: UUID
    attempt: int
    owner: str
    mail_from: str
    rcpt_to: str
    raw: bytes
    day: str
    zone: str

    def fence(self) -> dict[str, object]:
        """The filter that finds the message only while it is still ours."""
        return {"pk": self.message_id, "lease_owner": self.owner, "attempts": self.attempt}


def new_owner() -> str:
    """Who holds a lease: machine, process, and a number used once."""
    return f"{socket.gethostname()[:40]}:{os.getpid()}:{secrets.token_hex(6)}"


def claim_batch(*, org_id: UUID, mailbox_id: UUID, owner: str, limit: int = 50) -> list[Claim]:
    """Take up to `limit` due messages of a mailbox that pass every check, with a place in every cap.

    One transaction. The mailbox's row is locked, so that spacing holds over all workers; a mailbox with spacing gives
    one message at a time. What may not go yet is put off, what may never go is cancelled, each with its reasons.
    """
    with org_context(org_id):
        now = clock.now()
        mailbox = (
            Mailbox.objects.for_org(org_id)
            .select_for_update(no_key=True, of=("self",))
            .select_related("org")
            .filter(pk=mailbox_id, status=MailboxStatus.CONNECTED, org__halted_at=None)
            .filter(Q(next_send_at=None) | Q(next_send_at__lte=now))
            .first()
        )
        if mailbox is None:
            return []
        ready = _cleared(mailbox, now, limit if mailbox.min_spacing_seconds == 0 else 1)
        claims = _take(mailbox, ready, owner, now)
        failpoints.hit("ledger.before_claim_commit")
        return claims


def _cleared(mailbox: Mailbox, now: datetime, wanted: int) -> list[Message]:
    """Due messages that pass the checks; the others are put off or cancelled on the way. Looks at a few batches at most."""
    ready: list[Message] = []
    for _ in range(5):
        due = list(
            _due(mailbox, now)
            .exclude(pk__in=[m.pk for m in ready])
            .select_related(*clearance.RELATED)
            .select_for_update(of=("self",), skip_locked=True)
            .order_by("scheduled_for", "pk")[: max(wanted - len(ready), 10)]
        )
        for situation in clearance.gather(org_id=mailbox.org_id, messages=due, now=now):
            verdict = clearance.judge(situation)
            if not verdict.allowed:
                put_off(message=situation.message, verdict=verdict, now=now)
            elif situation.message.attempts >= MAX_ATTEMPTS:
                _give_up(situation.message)
            elif len(ready) < wanted:
                situation.message.clearance = verdict.as_json()
                ready.append(situation.message)
        if len(ready) >= wanted or not due:
            break
    return ready


def _due(mailbox: Mailbox, now: datetime):  # type: ignore[no-untyped-def]
    """What could be looked at: due, and not waiting for a campaign or sequence that is stopped or at its cap."""
    day = windows.local_day(now, windows.zone_of(mailbox.org.time_zone))
    moving = Q(campaign=None) | Q(campaign__status=CampaignStatus.ACTIVE)
    running = Q(enrollment=None) | ~Q(enrollment__status=EnrollmentStatus.PAUSED)
    return (
        Message.objects.for_org(mailbox.org_id)
        .filter(mailbox_id=mailbox.pk, status__in=[MessageStatus.QUEUED, MessageStatus.DEFERRED])
        .filter(scheduled_for__lte=now)
        .filter(Q(in_reply_to__isnull=False) | (moving & running))
        .exclude(in_reply_to=None, campaign_id__in=_full_campaigns(mailbox.org_id, day))
    )


def _full_campaigns(org_id: UUID, day: str) -> list[UUID]:
    """Campaigns that have used up their cap of the day: their messages need not be looked at."""
    counters = Quota.objects.for_org(org_id).filter(scope__startswith="campaign:", period=day)
    used = {UUID(scope.partition(":")[2]): n for scope, n in counters.values_list("scope", "used")}
    caps = Campaign.objects.for_org(org_id).filter(pk__in=used).values_list("pk", "daily_cap")
    return [pk for pk, cap in caps if used[pk] >= cap]


def _take(mailbox: Mailbox, ready: list[Message], owner: str, now: datetime) -> list[Claim]:
    """Reserve the caps and write the leases. A full cap of the organization or mailbox ends the batch."""
    zone = windows.zone_of(mailbox.org.time_zone)
    day = windows.local_day(now, zone)
    claims: list[Claim] = []
    caps: dict[UUID | None, list[quota.Cap]] = {}
    for message in ready:
        campaign = None if message.in_reply_to_id else message.campaign
        key = campaign.pk if campaign else None
        if key not in caps:
            caps[key] = quota.caps_for(org=mailbox.org, mailbox=mailbox, campaign=campaign, now=now)
        taken, full = quota.take(org_id=mailbox.org_id, caps=caps[key])
        if full is not None:
            _note_full(mailbox, message, full, now)
            if full.scope.startswith("campaign:"):
                continue
            break
        attempt = message.attempts + 1
        one = Message.objects.for_org(mailbox.org_id).filter(pk=message.pk, attempts=message.attempts)
        moved = move(
            messages=one,
            to=MessageStatus.CLAIMED,
            attempts=attempt,
            lease_owner=owner,
            lease_until=Now() + CLAIM_LEASE,
            reserved=taken,
            clearance=message.clearance,
        )
        assert moved, "the row is locked, so nobody else can have moved it"
        claims.append(
            Claim(
                org_id=mailbox.org_id,
                mailbox_id=mailbox.pk,
                message_id=message.pk,
                attempt=attempt,
                owner=owner,
                mail_from=message.from_email,
                rcpt_to=message.to_email,
                raw=bytes(message.raw or b""),
                day=day,
                zone=zone.key,
            )
        )
    if claims and mailbox.min_spacing_seconds:
        _space(mailbox, claims[0], now)
    return claims


def _space(mailbox: Mailbox, claim: Claim, now: datetime) -> None:
    """The next mail of this mailbox: the least spacing, and up to half of it more, so that it is no metronome."""
    jitter = 1 + windows.fraction(f"{claim.message_id}:{claim.attempt}") / 2
    at = now + timedelta(seconds=mailbox.min_spacing_seconds * jitter)
    Mailbox.objects.for_org(mailbox.org_id).filter(pk=mailbox.pk).update(next_send_at=at)


def _note_full(mailbox: Mailbox, message: Message, cap: quota.Cap, now: datetime) -> None:
    """Say on the message what it waits for; look again in ten minutes, since a cap may be raised."""
    verdict = clearance.cap_verdict(mailbox.org, cap, now)
    _put_off(message, verdict, min(verdict.until or now + RECHECK, now + RECHECK))
    if not cap.scope.startswith("campaign:"):
        midnight = windows.next_midnight(now, windows.zone_of(mailbox.org.time_zone))
        Mailbox.objects.for_org(mailbox.org_id).filter(pk=mailbox.pk).update(
            next_send_at=min(midnight, now + RECHECK)
        )


def put_off(*, message: Message, verdict: Verdict, now: datetime) -> None:
    """A message that may not go now: later if the verdict defers, cancelled if it denies."""
    if verdict.outcome is Say.DENY:
        text = " ".join(reason.text for reason in verdict.reasons)
        one = Message.objects.for_org(message.org_id).filter(pk=message.pk)
        one.update(clearance=verdict.as_json())
        cancel(messages=one, reason=text)
        _end_sequence(message, {reason.code for reason in verdict.reasons}, text)
        return
    _put_off(message, verdict, verdict.until if verdict.until and verdict.until > now else now + SOON)


def _put_off(message: Message, verdict: Verdict, until: datetime) -> None:
    Message.objects.for_org(message.org_id).filter(pk=message.pk).update(
        scheduled_for=until,
        clearance=verdict.as_json(),
        status_reason=" ".join(reason.text for reason in verdict.reasons),
    )


def _end_sequence(message: Message, codes: set[str], text: str) -> None:
    """A lead that may not be written to leaves its sequence, so that the next step is not tried either."""
    if message.enrollment is None:
        return
    if codes & _ENDED:
        reason = {"bounced": StopReason.BOUNCED, "unsubscribed": StopReason.UNSUBSCRIBED}.get(
            message.lead.status, StopReason.SUPPRESSED if "suppressed" in codes else StopReason.ARCHIVED
        )
        enrollments.stop(enrollment=message.enrollment, reason=reason, note=text)
    elif message.in_reply_to_id is None:
        enrollments.pause(enrollment=message.enrollment, reason=text)


def _give_up(message: Message) -> None:
    text = f"It could not be handed over in {message.attempts} tries."
    one = Message.objects.for_org(message.org_id).filter(pk=message.pk)
    move(messages=one, to=MessageStatus.REFUSED, reason=text)
    message.refresh_from_db()
    outcomes.soft_bounce(message=message, said=text)
    if message.enrollment is not None:
        enrollments.stop(enrollment=message.enrollment, reason=StopReason.REFUSED, note=text)


def begin(claim: Claim) -> bool:
    """Commit the intent to send, before the first byte goes out. False: not ours any more, or something came up.

    Then the message is back in the queue, and the next claim says why it waits.
    """
    with org_context(claim.org_id):
        if _code(claim, MessageStatus.CLAIMED):
            release([claim])
            return False
        if windows.local_day(clock.now(), windows.zone_of(claim.zone)) != claim.day:
            release([claim])  # its place was taken in yesterday's cap
            return False
        ours = Message.objects.for_org(claim.org_id).filter(**claim.fence())
        if not move(messages=ours, to=MessageStatus.SENDING, lease_until=Now() + SEND_LEASE):
            return False
        SendAttempt.objects.create(
            org_id=claim.org_id,
            message_id=claim.message_id,
            number=claim.attempt,
            lease_owner=claim.owner,
            started_at=clock.now(),
        )
        failpoints.hit("ledger.before_intent_commit")
    failpoints.hit("ledger.after_intent")
    return True


def may_still_go(claim: Claim) -> bool:
    """The same look once more, before the last dot of a conversation that took its time."""
    with org_context(claim.org_id):
        return not _code(claim, MessageStatus.SENDING)


def _code(claim: Claim, status: str) -> str:
    return clearance.standing_in_the_way(
        org_id=claim.org_id,
        message_id=claim.message_id,
        to_email=claim.rcpt_to,
        status=status,
        owner=claim.owner,
        attempt=claim.attempt,
    )


def release(claims: Iterable[Claim], *, until: datetime | None = None, reason: str = "Queued.") -> None:
    """Put claimed messages that were not begun back into the queue. Call in a transaction of their organization."""
    for claim in claims:
        rows = Message.objects.for_org(claim.org_id).filter(**claim.fence(), status=MessageStatus.CLAIMED)
        for message in rows.select_for_update():
            _requeue(message, until, reason)


def _requeue(message: Message, until: datetime | None, reason: str) -> None:
    """Nothing was sent: back into the queue, and its places in the caps are free again."""
    fields = {"scheduled_for": until} if until else {}
    one = Message.objects.for_org(message.org_id).filter(pk=message.pk)
    move(messages=one, to=MessageStatus.QUEUED, reason=reason, reserved=[], lease_until=None, **fields)
    quota.give_back(org_id=message.org_id, taken=message.reserved)


def back_off(attempt: int) -> timedelta:
    """How long to wait after this many attempts: 5 minutes, doubled each time, at most 4 hours."""
    doubled: int = 2 ** min(max(attempt - 1, 0), 10)
    return min(FIRST_WAIT * doubled, LONGEST_WAIT)


def finish(claim: Claim, result: Result) -> str:
    """Write down what came of a try, and do what follows from it. Returns the message's status, "" when not ours.

    A worker that was given up on (`unknown`) and turns out to know is believed: its proof settles the message.
    """
    with org_context(claim.org_id):
        message = (
            Message.objects.for_org(claim.org_id)
            .select_for_update(of=("self",))
            .select_related("org", "lead", "campaign", "enrollment")
            .defer("raw", "clearance")
            .filter(**claim.fence(), status__in=[MessageStatus.SENDING, MessageStatus.UNKNOWN])
            .first()
        )
        if message is None:
            return ""
        status: str = message.status
        if status == MessageStatus.SENDING or result.outcome is Outcome.SENT:
            _close_attempt(claim, result)
            status = _FINISH[result.outcome](message, result)
        failpoints.hit("ledger.before_finish_commit")
    failpoints.hit("ledger.after_finish")
    return str(status)


def _close_attempt(claim: Claim, result: Result) -> None:
    outcome = "not_sent" if result.outcome is Outcome.RETRY else str(result.outcome)
    SendAttempt.objects.for_org(claim.org_id).filter(
        message_id=claim.message_id, number=claim.attempt
    ).update(
        outcome=outcome,
        phase=result.phase,
        smtp_code=result.code or None,
        answer=result.text,
        finished_at=clock.now(),
    )


def _one(message: Message):  # type: ignore[no-untyped-def]
    return Message.objects.for_org(message.org_id).filter(pk=message.pk)


def _end(message: Message, to: MessageStatus, reason: str, **fields: Any) -> None:
    """The message's new status, in the database and on the object; nobody holds it any more."""
    fields["lease_until"] = None
    move(messages=_one(message), to=to, reason=reason, **fields)
    for name, value in (("status", to), ("status_reason", reason), *fields.items()):
        setattr(message, name, value)


def _finish_sent(message: Message, result: Result) -> str:
    _end(message, MessageStatus.SENT, result.text, sent_at=clock.now())
    outcomes.sent(message=message, proof=f"{result.code} {result.text}")
    return MessageStatus.SENT


def _finish_retry(message: Message, result: Result) -> str:
    wait = back_off(message.attempts)
    reason = f"Not sent ({result.phase}): {result.text}"
    _requeue(message, clock.now() + wait, reason)
    return MessageStatus.QUEUED


def _finish_deferred(message: Message, result: Result) -> str:
    at = clock.now() + back_off(message.attempts)
    return _defer(message, at, f"The receiving server asked to wait: {result.code} {result.text}")


def _defer(message: Message, at: datetime, reason: str) -> str:
    taken = message.reserved
    _end(message, MessageStatus.DEFERRED, reason, scheduled_for=at, reserved=[])
    quota.give_back(org_id=message.org_id, taken=taken)
    record_event(message=message, kind="deferred", key=f"deferred:{message.attempts}", reason=reason)
    return MessageStatus.DEFERRED


def _finish_refused(message: Message, result: Result) -> str:
    said = f"{result.code} {result.text}"
    fault = classify(code=result.code, enhanced=result.enhanced, text=result.text, phase=result.phase)
    if fault is Fault.TEMPORARY:
        return _finish_deferred(message, result)
    if fault is Fault.OURS:
        _defer(message, clock.now() + back_off(message.attempts), f"Kept, the mailbox was refused: {said}")
        outcomes.mailbox_at_fault(
            org_id=message.org_id,
            mailbox_id=message.mailbox_id,
            said=f"The receiving server refuses mail from this mailbox or its domain: {said}",
        )
        return MessageStatus.DEFERRED
    taken = message.reserved
    _end(message, MessageStatus.REFUSED, said, reserved=[])
    quota.give_back(org_id=message.org_id, taken=taken)
    outcomes.refused(message=message, fault=fault, said=said)
    return MessageStatus.REFUSED


def _finish_unknown(message: Message, result: Result) -> str:
    said = f"The last dot was written, the answer was lost: {result.text}"
    _end(message, MessageStatus.UNKNOWN, said)
    outcomes.unknown(message=message, said=said)
    return MessageStatus.UNKNOWN


_FINISH: dict[Outcome, Callable[[Message, Result], str]] = {
    Outcome.SENT: _finish_sent,
    Outcome.RETRY: _finish_retry,
    Outcome.DEFERRED: _finish_deferred,
    Outcome.REFUSED: _finish_refused,
    Outcome.UNKNOWN: _finish_unknown,
}


def reap(*, org_id: UUID, limit: int = 500) -> tuple[int, int]:
    """Take over from workers that died: claimed → queued, sending → unknown. Returns how many of each."""
    with org_context(org_id):
        expired = list(
            Message.objects.for_org(org_id)
            .filter(status__in=[MessageStatus.CLAIMED, MessageStatus.SENDING], lease_until__lt=Now())
            .select_for_update(of=("self",), skip_locked=True)
            .order_by("pk")[:limit]
        )
        claimed = [m for m in expired if m.status == MessageStatus.CLAIMED]
        sending = [m for m in expired if m.status == MessageStatus.SENDING]
        for message in claimed:
            _requeue(message, None, "Its worker died before it began to send; queued again.")
        for message in sending:
            said = "Its worker died while it was being sent; whether it left is not known."
            move(messages=_one(message), to=MessageStatus.UNKNOWN, reason=said, lease_until=None)
            attempts = SendAttempt.objects.for_org(org_id).filter(message=message, number=message.attempts)
            attempts.update(outcome="unknown", answer=said, finished_at=clock.now())
            outcomes.unknown(message=message, said=said)
    return len(claimed), len(sending)
