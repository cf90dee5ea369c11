"""One draft written again, because a person wants it otherwise (SPEC AP-1). Nothing that is decided is overwritten."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from agent import engine
from agent.engine.queue import OPEN_STATUSES
from agent.models import AgentTask, Draft, LogType, TaskStatus, TaskType
from agent.services import drafts
from agent.services.log import log
from agent.writers import Written, WrittenMail, writer_name
from leadpilot.lib import clock
from leadpilot.lib.errors import Conflict, DomainError
from leadpilot.orgs.models import User

MOST = 1000  # characters of a wish
WAITED_FOR = 15  # a person looks at the page: before what the agent writes by itself


@dataclass(frozen=True)
class Rewriting:
    """How far the last wish about a draft is: `under_way`, or `failed` with the reason."""

    under_way: bool = False
    failed: str = ""


@transaction.atomic
def ask_for_rewrite(*, draft: Draft, version: int, feedback: str, by: User) -> AgentTask:
    """Have one mail of a sequence written again; the draft stays as it is until the new text is there.

    Raises Conflict when it was decided or changed since it was seen, or is being written already, and DomainError for
    an answer (its field: `feedback`, when the wish is too long).
    """
    feedback = " ".join(feedback.replace("\0", "").split())
    if len(feedback) > MOST:
        raise DomainError(
            f"feedback: has {len(feedback)} characters; shorten it to {MOST}.", field="feedback"
        )
    if draft.enrollment_id is None:
        raise DomainError("Only the mails of a sequence are written again; edit this answer instead.")
    if draft.version != version or draft.status not in drafts.OPEN:
        raise drafts.moved_on(draft)
    if state_of(draft).under_way:
        raise Conflict("This mail is being written again already.")
    task = engine.submit(
        org=draft.org_id,
        task_type=TaskType.GENERATE_SEQUENCE,
        lead=draft.lead_id,
        campaign=draft.campaign_id,
        dedupe_key=_key(draft.pk),
        priority=WAITED_FOR,
        input_data={"draft": str(draft.pk), "version": version, "feedback": feedback},
    )
    log(
        org=draft.org_id,
        log_type=LogType.APPROVAL,
        action_type="draft.rewrite_asked",
        task=task,
        lead=draft.lead_id,
        actor=by,
        message=f"{by.display_name} wants “{draft.subject}” written again.",
        reasoning=feedback,
        details={"draft": str(draft.pk), "version": version},
    )
    return task


def state_of(draft: Draft) -> Rewriting:
    """What became of the last wish about this draft."""
    tasks = AgentTask.objects.for_org(draft.org_id).filter(dedupe_key=_key(draft.pk))
    last = tasks.order_by("-created_at").first()
    if last is None or (last.status == TaskStatus.COMPLETED and not (last.output_data or {}).get("skipped")):
        return Rewriting()
    if last.status in OPEN_STATUSES:
        return Rewriting(under_way=True)
    stale = last.input_data.get("version") != draft.version
    return Rewriting(
        failed="" if stale else last.error_message or str((last.output_data or {}).get("skipped", ""))
    )


@transaction.atomic
def put_text(
    *, draft: Draft, version: int, mail: WrittenMail, written: Written, task: AgentTask | None
) -> bool:
    """Give the draft its new text, as its next version. False when it was decided or changed meanwhile.

    A follow-up keeps its subject, which is the thread's; when the first mail takes another one, the follow-ups that
    answer it take it too.
    """
    mailbox, before = drafts.mailbox_of(draft), draft.subject
    subject = mail.subject if draft.step_number == 1 else draft.subject
    changed = (
        Draft.objects.for_org(draft.org_id)
        .filter(pk=draft.pk, version=version, status__in=drafts.OPEN)
        .update(
            **drafts.text_of(mail, written, subject=subject, lead=draft.lead, mailbox=mailbox),
            version=version + 1,
            updated_at=clock.now(),
        )
    )
    if not changed:
        return False
    draft.refresh_from_db()
    if draft.step_number == 1 and subject != before:
        drafts.follow_subject(draft, mailbox, before)
    log(
        org=draft.org_id,
        log_type=LogType.ACTION,
        action_type="draft.rewritten",
        task=task,
        agent=task.agent_id if task else None,
        lead=draft.lead_id,
        message=f"Wrote “{draft.subject}” again.",
        reasoning=f"Written by {writer_name(written.model)}. {' '.join(written.notes)}".strip(),
        details={"draft": str(draft.pk), "version": draft.version},
    )
    return True


def _key(draft_id: UUID) -> str:
    return f"rewrite:{draft_id}"
