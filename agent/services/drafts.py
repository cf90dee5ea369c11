"""Drafts: made by the writer, seen and decided by people or by the gate, turned into messages once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django.db import transaction

from agent import gate, quality
from agent.models import AgentTask, Draft, DraftStatus, LogType
from agent.services import revisions
from agent.services.log import log
from agent.writers import Written, WrittenMail
from agent.writers.offline import MAX_SUBJECT, clip
from campaigns.models import Enrollment, EnrollmentStatus, InboundMessage, Mailbox, Message, StopReason
from campaigns.rendering import content_hash
from campaigns.services import enrollment as enrollments
from campaigns.services import inbound as inbox
from campaigns.services import outbox
from leadpilot.lib import clock
from leadpilot.lib.errors import Conflict, DomainError
from leadpilot.lib.verdict import Outcome
from leadpilot.orgs import notes
from leadpilot.orgs.models import Organization, User
from leads.models import Lead

OPEN = (DraftStatus.DRAFT, DraftStatus.PENDING_APPROVAL)
LIVE = (*OPEN, DraftStatus.APPROVED)


@transaction.atomic
def create_sequence(
    *, org: Organization, enrollment: Enrollment, written: Written, task: AgentTask | None = None
) -> list[Draft]:
    """Keep a written sequence as drafts, one a step. A step that has a living draft keeps it."""
    living = set(
        Draft.objects.for_org(org)
        .filter(enrollment=enrollment, status__in=[*LIVE, DraftStatus.SENT])
        .values_list("step_number", flat=True)
    )
    return [
        _create(
            org,
            mail,
            written,
            lead=enrollment.lead,
            mailbox=enrollment.mailbox,
            enrollment=enrollment,
            task=task,
        )
        for mail in written.mails
        if mail.step not in living
    ]


@transaction.atomic
def create_answer(
    *, org: Organization, inbound: InboundMessage, written: Written, task: AgentTask | None = None
) -> Draft:
    """Keep a written answer to a reply as a draft; the one that lives already is returned instead of a second."""
    living = (
        Draft.objects.for_org(org).filter(in_reply_to=inbound, status__in=[*LIVE, DraftStatus.SENT]).first()
    )
    if living:
        return living
    return _create(
        org, written.mails[0], written, lead=inbound.lead, mailbox=inbound.mailbox, inbound=inbound, task=task
    )


def is_answered(inbound: InboundMessage) -> bool:
    """Whether an answer to this mail was approved, and not taken back."""
    given = Draft.objects.for_org(inbound.org_id).filter(in_reply_to=inbound)
    return given.filter(status__in=[DraftStatus.APPROVED, DraftStatus.SENT]).exists()


@transaction.atomic
def withdraw_answer(*, inbound: InboundMessage, reason: str) -> bool:
    """Take back the answer to a mail that waits or is approved; False when there is none, or it has left."""
    return bool(_withdraw(Draft.objects.for_org(inbound.org_id).filter(in_reply_to=inbound), reason))


def _create(
    org: Organization,
    mail: WrittenMail,
    written: Written,
    *,
    lead: Lead | None,
    mailbox: Mailbox | None,
    enrollment: Enrollment | None = None,
    inbound: InboundMessage | None = None,
    task: AgentTask | None = None,
) -> Draft:
    if lead is None or mailbox is None:
        raise DomainError(
            "A draft needs a lead and a mailbox to send from; connect a mailbox to the campaign first."
        )
    judged = quality.assess_quality(mail, lead_name=lead.name, company=lead.company)
    return Draft.objects.create(
        org=org,
        lead=lead,
        campaign_id=enrollment.campaign_id if enrollment else None,
        enrollment=enrollment,
        in_reply_to=inbound,
        task=task,
        agent_id=task.agent_id if task else None,
        step_number=mail.step if enrollment else None,
        subject=mail.subject,
        original_subject=mail.subject,
        message_body=mail.body,
        original_body=mail.body,
        sentences=[sentence.as_json() for sentence in mail.sentences],
        personalization_context={"cta": mail.cta, "ps": mail.ps, "notes": list(written.notes)},
        has_unsupported=any(s.personal and not s.supported for s in mail.sentences),
        quality_score=judged.score,
        quality_reasons=list(judged.reasons),
        ai_model_used=written.model,
        ai_prompt_version=written.prompt_version,
        content_hash=content_hash(
            from_email=mailbox.email, to_email=lead.email, subject=mail.subject, body=mail.body
        ),
    )


def mailbox_of(draft: Draft) -> Mailbox:
    """The mailbox this draft would leave from; raises DomainError when there is none any more."""
    source = draft.enrollment or draft.in_reply_to
    mailbox = source.mailbox if source else None
    if mailbox is None:
        raise DomainError("The mailbox of this draft was removed; choose another one for the campaign.")
    return mailbox


@transaction.atomic
def submit_for_approval(*, draft: Draft, reason: str) -> bool:
    """Put a fresh draft into the approval queue. False when it was not fresh any more."""
    moved = (
        Draft.objects.for_org(draft.org_id)
        .filter(pk=draft.pk, status=DraftStatus.DRAFT)
        .update(status=DraftStatus.PENDING_APPROVAL, updated_at=clock.now())
    )
    if moved:
        draft.refresh_from_db()
        _log(
            draft,
            LogType.APPROVAL,
            f"Waiting for approval: {draft.subject}",
            "draft.submitted",
            reasoning=reason,
        )
    return bool(moved)


@transaction.atomic
def edit_draft(*, draft: Draft, version: int, subject: str, body: str, by: User) -> Draft:
    """Replace the text of the version that was seen. Raises Conflict when someone else changed or decided it."""
    subject, body = " ".join(subject.split()), body.replace("\r\n", "\n").strip() + "\n"
    if not subject:
        raise DomainError("subject: is empty; write one.", field="subject")
    if not body.strip():
        raise DomainError("body: is empty; write something, or reject the draft.", field="body")
    mailbox, before = mailbox_of(draft), draft.subject
    sentences = revisions.recheck(draft, mailbox, body)
    judged = revisions.judge(draft, sentences, subject)
    changed = (
        Draft.objects.for_org(draft.org_id)
        .filter(pk=draft.pk, version=version, status__in=OPEN)
        .update(
            subject=subject,
            message_body=body,
            sentences=sentences,
            has_unsupported=any(s["personal"] and not s["supported"] for s in sentences),
            quality_score=judged.score,
            quality_reasons=list(judged.reasons),
            version=version + 1,
            content_hash=_hash(draft, mailbox, subject, body),
            updated_at=clock.now(),
        )
    )
    if not changed:
        raise moved_on(draft)
    draft.refresh_from_db()
    if draft.step_number == 1 and subject != before:
        follow_subject(draft, mailbox, before)
    _log(draft, LogType.APPROVAL, f"{by.display_name} edited “{draft.subject}”", "draft.edited", actor=by)
    return draft


def _hash(draft: Draft, mailbox: Mailbox, subject: str, body: str) -> str:
    return content_hash(from_email=mailbox.email, to_email=draft.lead.email, subject=subject, body=body)


def follow_subject(first: Draft, mailbox: Mailbox, before: str) -> None:
    """Follow-ups answer the first mail: those that wait as "Re: <its old subject>" take its new one."""
    for draft in sequence_of(first):
        if draft.pk == first.pk or not draft.subject.startswith(
            clip(f"Re: {before}", MAX_SUBJECT).rstrip("…")
        ):
            continue
        subject = clip(f"Re: {first.subject}", MAX_SUBJECT)
        Draft.objects.for_org(first.org_id).filter(pk=draft.pk, status__in=OPEN).update(
            subject=subject,
            version=draft.version + 1,
            content_hash=_hash(draft, mailbox, subject, draft.message_body),
            updated_at=clock.now(),
        )


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
    _settle_notes(draft.org_id)
    draft.refresh_from_db()
    who = by.display_name if by else "The gate"
    _log(draft, LogType.APPROVAL, f"{who} approved “{draft.subject}”", "draft.approved", actor=by)
    return draft


def _settle_notes(org_id: UUID) -> None:
    """Nobody has to be reminded of approvals once none is waiting."""
    if not Draft.objects.for_org(org_id).filter(status=DraftStatus.PENDING_APPROVAL).exists():
        notes.settle(org=org_id, type="approval_needed")


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
    _log(draft, LogType.APPROVAL, f"{by.display_name} took the approval back", "draft.undone", actor=by)
    return draft


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
    _settle_notes(draft.org_id)
    _log(
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


def moved_on(draft: Draft) -> Conflict:
    draft.refresh_from_db()
    if draft.status in OPEN:
        return Conflict("This draft was edited meanwhile. Look at the new text, then decide.")
    who = f" by {draft.decided_by.display_name}" if draft.decided_by else ""
    return Conflict(
        f"This draft is {draft.get_status_display().lower()} already{who}. Nothing was done twice."
    )


def _log(draft: Draft, log_type: str, message: str, action: str, **kwargs: Any) -> None:
    log(
        org=draft.org,
        log_type=log_type,
        message=message,
        action_type=action,
        lead=draft.lead,
        details={"draft": str(draft.pk), "version": draft.version},
        **kwargs,
    )
