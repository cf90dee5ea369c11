"""What came of a try, written down with all that follows from it, by whoever still holds the message."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from campaigns.faults import Fault, classify
from campaigns.models import Message, MessageStatus, SendAttempt
from campaigns.services import outcomes, quota
from campaigns.services.ledger.accepting import accept
from campaigns.services.ledger.claim import Claim
from campaigns.services.ledger.returning import back_off, requeue, tries_of
from campaigns.services.transitions import move, record_event
from campaigns.smtp import Outcome, Result
from leadpilot.lib import clock, failpoints
from leadpilot.orgs.tenancy import org_context


def finish(claim: Claim, result: Result) -> str:
    """Write down what came of a try, and do what follows from it. Returns the message's status, "" when not ours.

    A worker that was given up on (`unknown`) and turns out to know is believed: its proof settles the message.
    """
    if result.outcome is Outcome.SENT and accept(claim, result):
        return str(MessageStatus.SENT)
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


def _end(message: Message, to: MessageStatus, reason: str, **fields: Any) -> None:
    """The message's new status, in the database and on the object; nobody holds it any more."""
    fields["lease_until"] = None
    one = Message.objects.for_org(message.org_id).filter(pk=message.pk)
    move(messages=one, to=to, reason=reason, **fields)
    for name, value in (("status", to), ("status_reason", reason), *fields.items()):
        setattr(message, name, value)


def _finish_sent(message: Message, result: Result) -> str:
    _end(message, MessageStatus.SENT, result.text, sent_at=clock.now())
    outcomes.sent(message=message, proof=f"{result.code} {result.text}")
    return MessageStatus.SENT


def _finish_retry(message: Message, result: Result) -> str:
    reason = f"Not sent ({result.phase}): {result.text}"
    requeue([message], reason=reason, until=_later(message))
    return MessageStatus.QUEUED


def _later(message: Message) -> datetime:
    return clock.now() + back_off(tries_of(message))


def _finish_deferred(message: Message, result: Result) -> str:
    taken = message.reserved
    _defer(message, f"The receiving server asked to wait: {result.code} {result.text}")
    quota.give_back(org_id=message.org_id, taken=taken)
    return MessageStatus.DEFERRED


def _defer(message: Message, reason: str) -> None:
    _end(message, MessageStatus.DEFERRED, reason, scheduled_for=_later(message), reserved=[])
    record_event(message=message, kind="deferred", key=f"deferred:{message.attempts}", reason=reason)


def _finish_refused(message: Message, result: Result) -> str:
    """Whose fault it was decides what follows. The counters come last, after every other row."""
    said = f"{result.code} {result.text}"
    fault = classify(code=result.code, enhanced=result.enhanced, text=result.text, phase=result.phase)
    if fault is Fault.TEMPORARY:
        return _finish_deferred(message, result)
    taken, status = message.reserved, MessageStatus.REFUSED
    if fault is Fault.OURS:
        status = MessageStatus.DEFERRED
        _defer(message, f"Kept, the mailbox was refused: {said}")
        outcomes.mailbox_at_fault(
            org_id=message.org_id,
            mailbox_id=message.mailbox_id,
            said=f"The receiving server refuses mail from this mailbox or its domain: {said}",
        )
    else:
        _end(message, status, said, reserved=[])
        outcomes.refused(message=message, fault=fault, said=said)
    quota.give_back(org_id=message.org_id, taken=taken)
    return status


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
