"""Drafts that are refused by a person, or overtaken by what happened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import transaction

from agent.models import Draft, DraftStatus, LogType
from agent.services.drafts.approving import settle_notes
from agent.services.drafts.looking import LIVE, OPEN, moved_on, note
from campaigns.models import InboundMessage, Message, StopReason
from campaigns.services import enrollment as enrollments
from campaigns.services import outbox
from leadpilot.lib import clock
from leadpilot.lib.errors import Conflict, DomainError
from leadpilot.orgs.models import User
from leads.models import Lead


@transaction.atomic
def reject_draft(*, draft: Draft, version: int, reason: str, by: User) -> Draft:
    """Refuse the version that was seen. The sequence stops there, and its later drafts are withdrawn."""
    reason = reason.strip()
    if not reason:
        raise DomainError(
            "reason: is empty; a few words are enough; they are kept with the draft.", field="reason"
        )
    now = clock.now()
    changed = (
        Draft.objects.for_org(draft.org_id)
        .filter(pk=draft.pk, version=version, status__in=OPEN)
        .update(status=DraftStatus.REJECTED, rejection_reason=reason, decided_by=by, updated_at=now)
    )
    if not changed:
        raise moved_on(draft)
    draft.refresh_from_db()
    settle_notes(draft.org_id)
    note(
        draft,
        LogType.APPROVAL,
        f"{by.display_name} rejected “{draft.subject}”: {reason}",
        "draft.rejected",
        actor=by,
    )
    if draft.enrollment:
        enrollments.stop(enrollment=draft.enrollment, reason=StopReason.REJECTED, note=reason)
        _withdraw(
            Draft.objects.for_org(draft.org_id).filter(enrollment=draft.enrollment), f"Rejected: {reason}"
        )
    return draft


@transaction.atomic
def withdraw_drafts(*, lead: Lead, reason: str, keep_answers: bool = False) -> int:
    """Take back what waits for this lead, with its messages that have not left; returns how many drafts."""
    drafts = Draft.objects.for_org(lead.org_id).filter(lead=lead)
    if keep_answers:
        drafts = drafts.filter(in_reply_to=None)
    return _withdraw(drafts, reason)


@transaction.atomic
def withdraw_answer(*, inbound: InboundMessage, reason: str) -> bool:
    """Take back the answer to a mail that waits or is approved; False when there is none, or it has left."""
    return bool(_withdraw(Draft.objects.for_org(inbound.org_id).filter(in_reply_to=inbound), reason))


def _withdraw(drafts: Any, reason: str) -> int:
    found: Sequence[Draft] = list(drafts.filter(status__in=LIVE).select_related("message"))
    withdrawn: list[UUID] = []
    for draft in found:
        if draft.message is not None and not _cancelled(draft.message, reason):
            continue  # it has left, or is leaving
        withdrawn.append(draft.pk)
    return (
        Draft.objects.filter(pk__in=withdrawn, org_id=found[0].org_id, status__in=LIVE).update(
            status=DraftStatus.WITHDRAWN, withdrawn_reason=reason, updated_at=clock.now()
        )
        if withdrawn
        else 0
    )


def _cancelled(message: Message, reason: str) -> bool:
    try:
        outbox.cancel_message(message=message, reason=reason)
    except Conflict:
        return False
    return True
