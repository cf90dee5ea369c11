"""Approval binds what was seen and hands it to the outbox, once; it can be taken back until it leaves."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db import transaction

from agent import gate
from agent.models import Draft, DraftStatus, LogType
from agent.services.drafts.looking import OPEN, mailbox_of, moved_on, note
from campaigns.models import EnrollmentStatus, InboundMessage, Message
from campaigns.services import inbound as inbox
from campaigns.services import outbox
from leadpilot.lib import clock
from leadpilot.lib.errors import Conflict, DomainError
from leadpilot.lib.verdict import Outcome
from leadpilot.orgs import notes
from leadpilot.orgs.models import User


@transaction.atomic
def approve_draft(*, draft: Draft, version: int, by: User | None = None) -> Draft:
    """Approve the version that was seen and hand it to the outbox.

    `by` None means that the gate allowed it. Raises Conflict when it was decided or changed meanwhile, and
    DomainError with the gate's reasons when it may not be sent at all.
    """
    locked = Draft.objects.for_org(draft.org_id).select_for_update(of=("self",)).get(pk=draft.pk)
    if locked.version != version or locked.status not in OPEN:
        raise moved_on(locked)
    _refuse_when_overtaken(locked)
    if by is not None:
        _pass_gate(locked, by)
    message = _to_outbox(locked, by)
    now = clock.now()
    Draft.objects.for_org(draft.org_id).filter(pk=draft.pk).update(
        status=DraftStatus.APPROVED, approved_at=now, decided_by=by, message=message, updated_at=now
    )
    if locked.in_reply_to is not None:
        inbox.mark_handled(inbound=locked.in_reply_to, by=by)
    settle_notes(draft.org_id)
    draft.refresh_from_db()
    who = by.display_name if by else "The gate"
    note(draft, LogType.APPROVAL, f"{who} approved “{draft.subject}”", "draft.approved", actor=by)
    return draft


def _refuse_when_overtaken(draft: Draft) -> None:
    if draft.enrollment and draft.enrollment.status == EnrollmentStatus.STOPPED:
        raise Conflict(
            f"Not approved: the sequence was stopped ({draft.enrollment.get_stop_reason_display()})."
        )
    answered = InboundMessage.objects.for_org(draft.org_id).filter(
        lead_id=draft.lead_id, is_automatic=False, received_at__gt=draft.created_at
    )
    if draft.in_reply_to is None and answered.exists():
        raise Conflict(f"Not approved: {draft.lead.name} has answered since this was written.")


def _pass_gate(draft: Draft, by: User) -> None:
    action = "respond_to_reply" if draft.in_reply_to_id else "send_message"
    verdict = gate.propose(org=draft.org, action=action, lead=draft.lead, draft=draft, actor=by)
    if verdict.outcome is Outcome.DENY:
        raise DomainError("Not approved: " + " ".join(reason.text for reason in verdict.reasons))


def _to_outbox(draft: Draft, by: User | None) -> Message:
    mailbox = mailbox_of(draft)
    return outbox.approve_message(
        org=draft.org,
        lead=draft.lead,
        mailbox=mailbox,
        campaign=draft.campaign,
        enrollment=draft.enrollment,
        step_number=draft.step_number,
        in_reply_to=draft.in_reply_to,
        subject=draft.subject,
        body=draft.message_body,
        content_hash=draft.content_hash,
        approved_by=by,
        personalization_tokens={"sentences": draft.sentences},
        ai_model_used=draft.ai_model_used,
        ai_prompt_version=draft.ai_prompt_version,
    )


def settle_notes(org_id: UUID) -> None:
    """Nobody has to be reminded of approvals once none is waiting."""
    if not Draft.objects.for_org(org_id).filter(status=DraftStatus.PENDING_APPROVAL).exists():
        notes.settle(org=org_id, type="approval_needed")


def approve_many(*, drafts: Iterable[tuple[Draft, int]], by: User) -> list[tuple[Draft, str]]:
    """Approve several, each on its own; returns those that could not be, with the reason.

    A draft with an unsupported claim has to be opened and approved by itself.
    """
    failed = []
    for draft, version in drafts:
        if draft.has_unsupported:
            failed.append((draft, "a claim in it rests on no fact; open it and decide."))
            continue
        try:
            approve_draft(draft=draft, version=version, by=by)
        except DomainError as error:
            failed.append((draft, str(error)))
    return failed


@transaction.atomic
def undo_approval(*, draft: Draft, by: User) -> Draft:
    """Take an approval back while the mail has not begun to leave. Raises Conflict when it has."""
    if draft.status != DraftStatus.APPROVED or draft.message is None:
        raise moved_on(draft)
    outbox.cancel_message(message=draft.message, reason=f"{by.display_name} took the approval back.", by=by)
    Draft.objects.for_org(draft.org_id).filter(pk=draft.pk, status=DraftStatus.APPROVED).update(
        status=DraftStatus.PENDING_APPROVAL,
        approved_at=None,
        decided_by=None,
        message=None,
        updated_at=clock.now(),
    )
    draft.refresh_from_db()
    note(draft, LogType.APPROVAL, f"{by.display_name} took the approval back", "draft.undone", actor=by)
    return draft
