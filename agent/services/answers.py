"""Answers that people write by hand: a draft of their own, approved through the gate in the same act (SPEC IN-3)."""

from __future__ import annotations

from django.db import transaction

from agent.models import Draft, DraftStatus, LogType
from agent.services import drafts, revisions
from agent.services.log import log
from agent.writers import Sentence, Written, WrittenMail
from agent.writers.answers import reply_subject
from campaigns.models import InboundMessage
from leadpilot.lib.errors import Conflict, DomainError
from leadpilot.orgs.models import User

LONGEST = 20_000  # characters


@transaction.atomic
def send_own_answer(*, inbound: InboundMessage, body: str, by: User) -> Draft:
    """Answer a person's mail with one's own words: exactly these are approved and leave. A suggestion that waits gives
    way to it.

    Raises DomainError (field `body`) for an empty or endless text, Conflict when there is an answer already or the
    person wrote again meanwhile, and DomainError with the gate's reasons when nothing may be sent to them.
    """
    body = body.replace("\r\n", "\n").strip() + "\n"
    if not body.strip():
        raise DomainError("Write something first.", field="body")
    if len(body) > LONGEST:
        raise DomainError(f"That is longer than {LONGEST} characters; shorten it.", field="body")
    rows = InboundMessage.objects.for_org(inbound.org_id).filter(pk=inbound.pk)
    found: InboundMessage = rows.select_for_update(of=("self",), no_key=True).get()
    _refuse_second(found)
    drafts.withdraw_answer(inbound=found, reason=f"{by.display_name} wrote the answer by hand.")
    draft = drafts.create_answer(org=found.org, inbound=found, written=_by_hand(found, body))
    draft.personalization_context = {**draft.personalization_context, "author": by.display_name}
    draft.save(update_fields=["personalization_context", "updated_at"])
    log(
        org=found.org_id,
        log_type=LogType.ACTION,
        action_type="write_answer",
        actor=by,
        lead=found.lead_id,
        message=f"{by.display_name} wrote an answer to {draft.lead.name}.",
        details={"draft": str(draft.pk)},
    )
    return drafts.approve_draft(draft=draft, version=draft.version, by=by)


def _refuse_second(found: InboundMessage) -> None:
    given = Draft.objects.for_org(found.org_id).filter(
        in_reply_to=found, status__in=[DraftStatus.APPROVED, DraftStatus.SENT]
    )
    first = given.select_related("decided_by").first()
    if first is not None:
        who = first.decided_by.display_name if first.decided_by else "The agent"
        raise Conflict(f"{who} has answered this already. Nothing was sent twice; your text is below.")
    newer = InboundMessage.objects.for_org(found.org_id).filter(
        thread=found.thread, is_automatic=False, received_at__gt=found.received_at
    )
    if newer.exists():
        raise Conflict(f"{found.from_name or found.from_email} wrote again meanwhile. Read that first.")


def _by_hand(found: InboundMessage, body: str) -> Written:
    pieces = tuple(Sentence(piece["text"], note=piece["note"]) for piece in revisions.regroup([], body))
    mail = WrittenMail(step=0, subject=reply_subject(found.subject), sentences=pieces)
    return Written(mails=(mail,), model="", prompt_version="")
