"""Drafts as the writer made them, and their way into the queue."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from agent import quality
from agent.models import AgentTask, Draft, DraftStatus, LogType
from agent.services.drafts.looking import LIVE, note
from agent.writers import Written, WrittenMail
from campaigns.models import Enrollment, InboundMessage, Mailbox
from campaigns.rendering import content_hash
from leadpilot.lib import clock
from leadpilot.lib.errors import DomainError
from leadpilot.orgs.models import Organization
from leads.models import Lead


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
    return Draft.objects.create(
        org=org,
        lead=lead,
        campaign_id=enrollment.campaign_id if enrollment else None,
        enrollment=enrollment,
        in_reply_to=inbound,
        task=task,
        agent_id=task.agent_id if task else None,
        step_number=mail.step if enrollment else None,
        **text_of(mail, written, subject=mail.subject, lead=lead, mailbox=mailbox),
    )


def text_of(
    mail: WrittenMail, written: Written, *, subject: str, lead: Lead, mailbox: Mailbox
) -> dict[str, Any]:
    """Field → value of all that a draft holds of a written mail; the hash binds what will be shown."""
    judged = quality.assess_quality(mail, lead_name=lead.name, company=lead.company)
    return {
        "subject": subject,
        "original_subject": subject,
        "message_body": mail.body,
        "original_body": mail.body,
        "sentences": [sentence.as_json() for sentence in mail.sentences],
        "personalization_context": {"cta": mail.cta, "ps": mail.ps, "notes": list(written.notes)},
        "has_unsupported": any(s.personal and not s.supported for s in mail.sentences),
        "quality_score": judged.score,
        "quality_reasons": list(judged.reasons),
        "ai_model_used": written.model,
        "ai_prompt_version": written.prompt_version,
        "content_hash": content_hash(
            from_email=mailbox.email, to_email=lead.email, subject=subject, body=mail.body
        ),
    }


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
        note(
            draft,
            LogType.APPROVAL,
            f"Waiting for approval: {draft.subject}",
            "draft.submitted",
            reasoning=reason,
        )
    return bool(moved)
