"""Taking over from workers that died."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Q
from django.db.models.functions import Now

from campaigns.models import Message, MessageStatus, SendAttempt
from campaigns.services import outcomes
from campaigns.services.ledger.returning import requeue
from campaigns.services.transitions import move
from leadpilot.lib import clock
from leadpilot.orgs.tenancy import org_context


def reap(*, org_id: UUID, limit: int = 500, all_died: bool = False) -> tuple[int, int]:
    """Messages whose lease ran out: claimed → queued, sending → unknown. Returns how many of each.

    With `all_died`, in a database that was restored, nobody holds a lease however long it still is.
    """
    with org_context(org_id):
        over = Q() if all_died else Q(lease_until__lt=Now())
        expired = list(
            Message.objects.for_org(org_id)
            .filter(over, status__in=[MessageStatus.CLAIMED, MessageStatus.SENDING])
            .select_for_update(of=("self",), skip_locked=True)
            .defer("raw")
            .order_by("pk")[:limit]
        )
        claimed = [m for m in expired if m.status == MessageStatus.CLAIMED]
        sending = [m for m in expired if m.status == MessageStatus.SENDING]
        for message in sending:
            _doubt(message)
        requeue(claimed, reason="Its worker died before it began to send; queued again.")
    return len(claimed), len(sending)


def _doubt(message: Message) -> None:
    said = "Its worker died while it was being sent; whether it left is not known."
    one = Message.objects.for_org(message.org_id).filter(pk=message.pk)
    move(messages=one, to=MessageStatus.UNKNOWN, reason=said, lease_until=None)
    attempts = SendAttempt.objects.for_org(message.org_id).filter(message=message, number=message.attempts)
    attempts.update(outcome="unknown", answer=said, finished_at=clock.now())
    outcomes.unknown(message=message, said=said)
