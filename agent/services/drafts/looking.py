"""What is asked of drafts, and the words for those that moved on."""

from __future__ import annotations

from typing import Any

from agent.models import Draft, DraftStatus
from agent.services.log import log
from campaigns.models import InboundMessage, Mailbox
from leadpilot.lib.errors import Conflict, DomainError

OPEN = (DraftStatus.DRAFT, DraftStatus.PENDING_APPROVAL)
LIVE = (*OPEN, DraftStatus.APPROVED)


def mailbox_of(draft: Draft) -> Mailbox:
    """The mailbox this draft would leave from; raises DomainError when there is none any more."""
    source = draft.enrollment or draft.in_reply_to
    mailbox = source.mailbox if source else None
    if mailbox is None:
        raise DomainError("The mailbox of this draft was removed; choose another one for the campaign.")
    return mailbox


def sequence_of(draft: Draft) -> list[Draft]:
    """The drafts of this draft's sequence that wait for approval, first step first."""
    if draft.enrollment_id is None:
        return [draft] if draft.status in OPEN else []
    return list(
        Draft.objects.for_org(draft.org_id)
        .filter(enrollment_id=draft.enrollment_id, status__in=OPEN)
        .select_related("lead", "enrollment__mailbox", "campaign", "org")
        .order_by("step_number")
    )


def is_answered(inbound: InboundMessage) -> bool:
    """Whether an answer to this mail was approved, and not taken back."""
    given = Draft.objects.for_org(inbound.org_id).filter(in_reply_to=inbound)
    return given.filter(status__in=[DraftStatus.APPROVED, DraftStatus.SENT]).exists()


def moved_on(draft: Draft) -> Conflict:
    draft.refresh_from_db()
    if draft.status in OPEN:
        return Conflict("This draft was edited meanwhile. Look at the new text, then decide.")
    who = f" by {draft.decided_by.display_name}" if draft.decided_by else ""
    return Conflict(
        f"This draft is {draft.get_status_display().lower()} already{who}. Nothing was done twice."
    )


def note(draft: Draft, log_type: str, message: str, action: str, **kwargs: Any) -> None:
    """A line in the diary about a draft."""
    log(
        org=draft.org,
        log_type=log_type,
        message=message,
        action_type=action,
        lead=draft.lead,
        details={"draft": str(draft.pk), "version": draft.version},
        **kwargs,
    )
