"""What happens to a message that may not go: put off, turned down for good, or given up."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from campaigns import clearance, windows
from campaigns.models import Mailbox, Message, MessageStatus, StopReason
from campaigns.services import enrollment as enrollments
from campaigns.services import outcomes, quota
from campaigns.services.ledger.returning import tries_of
from campaigns.services.transitions import cancel, move
from leadpilot.lib import clock, pace
from leadpilot.lib.verdict import Outcome as Say
from leadpilot.lib.verdict import Verdict
from leadpilot.orgs.tenancy import org_context

MAX_TRIES = 12
RECHECK = pace.time("recheck", timedelta(minutes=10))  # a full cap may be raised
SOON = pace.time("soon", timedelta(minutes=1))  # an obstacle of which nobody knows when it goes
_ENDED = {"lead_closed", "suppressed"}


def put_off(message: Message, verdict: Verdict, until: datetime) -> None:
    """A message that may go later: until then it is not looked at, and it says what it waits for."""
    Message.objects.for_org(message.org_id).filter(pk=message.pk).update(
        scheduled_for=until,
        clearance=verdict.as_json(),
        status_reason=" ".join(reason.text for reason in verdict.reasons),
    )


def put_off_as_judged(message: Message, verdict: Verdict, now: datetime) -> None:
    """Until the verdict's own moment, or a minute when it names none."""
    put_off(message, verdict, verdict.until if verdict.until and verdict.until > now else now + SOON)


def note_full(mailbox: Mailbox, message: Message, cap: quota.Cap, now: datetime) -> None:
    """Say on the message what it waits for; look again in ten minutes, since a cap may be raised."""
    verdict = clearance.cap_verdict(mailbox.org, cap, now)
    put_off(message, verdict, min(verdict.until or now + RECHECK, now + RECHECK))
    if not cap.scope.startswith("campaign:"):
        midnight = windows.next_midnight(now, windows.zone_of(mailbox.org.time_zone))
        Mailbox.objects.for_org(mailbox.org_id).filter(pk=mailbox.pk).update(
            next_send_at=min(midnight, now + RECHECK)
        )


def is_worn_out(message: Message) -> bool:
    """Whether it was tried as often as makes sense."""
    return message.attempts >= MAX_TRIES and tries_of(message) >= MAX_TRIES


def turn_down(*, org_id: UUID, message_id: UUID) -> None:
    """Cancel a message that may never go, or give one up that was tried too often, and end its sequence.

    In a transaction of its own, after the claim's: it locks leads and sequences, for which those who hold a message
    would otherwise wait in a circle. The world is looked at again; what may go after all stays in the queue.
    """
    with org_context(org_id):
        rows = Message.objects.for_org(org_id).select_related(*clearance.RELATED)
        waiting = rows.filter(pk=message_id, status__in=[MessageStatus.QUEUED, MessageStatus.DEFERRED])
        message = waiting.select_for_update(of=("self",)).first()
        if message is None:
            return
        verdict = clearance.judge(clearance.gather(org_id=org_id, messages=[message], now=clock.now())[0])
        if verdict.outcome is Say.DENY:
            _deny(message, verdict)
        elif is_worn_out(message):
            _give_up(message)


def _deny(message: Message, verdict: Verdict) -> None:
    text = " ".join(reason.text for reason in verdict.reasons)
    one = Message.objects.for_org(message.org_id).filter(pk=message.pk)
    one.update(clearance=verdict.as_json())
    cancel(messages=one, reason=text)
    _end_sequence(message, {reason.code for reason in verdict.reasons}, text)


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
    text = f"It could not be handed over in {MAX_TRIES} tries."
    one = Message.objects.for_org(message.org_id).filter(pk=message.pk)
    move(messages=one, to=MessageStatus.REFUSED, reason=text)
    message.refresh_from_db()
    outcomes.soft_bounce(message=message, said=text)
    if message.enrollment is not None:
        enrollments.stop(enrollment=message.enrollment, reason=StopReason.REFUSED, note=text)
