"""Another text for a draft that waits."""

from __future__ import annotations

from django.db import transaction

from agent.models import Draft, LogType
from agent.services import revisions
from agent.services.drafts.looking import OPEN, mailbox_of, moved_on, note, sequence_of
from agent.writers.offline import MAX_SUBJECT, clip
from campaigns.models import Mailbox
from campaigns.rendering import content_hash
from leadpilot.lib import clock
from leadpilot.lib.errors import DomainError
from leadpilot.orgs.models import User


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
    note(draft, LogType.APPROVAL, f"{by.display_name} edited “{draft.subject}”", "draft.edited", actor=by)
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
