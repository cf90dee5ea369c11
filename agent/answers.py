"""What the conversation's page shows of the answer to it: the one that is ready, was given, or can be written."""

from __future__ import annotations

from dataclasses import dataclass

from agent.engine.queue import OPEN_STATUSES
from agent.models import AgentTask, Draft, DraftStatus, TaskType
from agent.queries import RELATED, DraftPage, draft_page
from agent.services.drafts import LIVE, OPEN
from campaigns.models import InboundMessage, Thread
from leads.models import CLOSED_STATUSES
from leads.services.suppression import find_suppression


@dataclass(frozen=True)
class Answer:
    """`state`: `none` (nothing came), `automatic` (only machines wrote), `suggested`, `given`, `refused`, `open`."""

    thread: Thread
    state: str
    inbound: InboundMessage | None = None
    page: DraftPage | None = None
    refusal: str = ""
    is_being_written: bool = False

    @property
    def author(self) -> str:
        """Who wrote the text, when it was a person."""
        return str(self.page.draft.personalization_context.get("author", "")) if self.page else ""


def answer_to(thread: Thread) -> Answer:
    """The answer to the latest mail of a person in this conversation."""
    mails = InboundMessage.objects.for_org(thread.org_id).filter(thread=thread)
    found = mails.filter(is_automatic=False).order_by("-received_at", "-pk").first()
    if found is None:
        return Answer(thread, "automatic" if mails.exists() else "none")
    draft = _living(found)
    if draft is not None and draft.status not in OPEN:
        return Answer(thread, "given", found, draft_page(draft))
    refusal = _refusal(thread)
    if refusal:
        return Answer(thread, "refused", found, refusal=refusal)
    if draft is not None:
        return Answer(thread, "suggested", found, draft_page(draft))
    return Answer(thread, "open", found, is_being_written=_is_being_written(found))


def _living(found: InboundMessage) -> Draft | None:
    answers = Draft.objects.for_org(found.org_id).filter(
        in_reply_to=found, status__in=[*LIVE, DraftStatus.SENT]
    )
    draft: Draft | None = answers.select_related(*RELATED).first()
    return draft


def _refusal(thread: Thread) -> str:
    """Why nothing may be written to this lead any more; empty when it may."""
    lead = thread.lead
    entry = find_suppression(org=thread.org, email=lead.email)
    if entry is not None:
        return (
            f"{entry.value} is on the suppression list ({entry.get_reason_display().lower()}). "
            "Nothing is sent until a person takes it off."
        )
    if lead.status in CLOSED_STATUSES:
        return f"{lead.name} is {lead.get_status_display().lower()}. Nothing is sent."
    return ""


def _is_being_written(found: InboundMessage) -> bool:
    tasks = AgentTask.objects.for_org(found.org_id).filter(
        inbox_message=found, task_type=TaskType.RESPOND_TO_REPLY, status__in=OPEN_STATUSES
    )
    return bool(tasks.exists())
