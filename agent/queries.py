"""What the agent's pages read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import F, Q, QuerySet
from django.urls import reverse

from agent.models import AgentLog, Draft, DraftStatus, LogType
from agent.services.drafts import mailbox_of
from campaigns.rendering import compose
from leadpilot.lib.errors import DomainError
from leads.models import Fact

RELATED = (
    "lead",
    "campaign",
    "enrollment__mailbox",
    "in_reply_to__mailbox",
    "agent",
    "decided_by",
    "message",
    "org",
)
PREVIEW = 140  # characters
FILTERS = {
    "pending": (DraftStatus.PENDING_APPROVAL,),
    "approved": (DraftStatus.APPROVED, DraftStatus.SENT),
    "rejected": (DraftStatus.REJECTED, DraftStatus.WITHDRAWN),
}


def draft_list(
    org: Any, *, state: str = "pending", q: str = "", campaign: str = "", agent: str = "", lead: str = ""
) -> QuerySet[Draft]:
    """Drafts of a state; those that wait come oldest first and each lead's steps together, decided ones newest first."""
    drafts = (
        Draft.objects.for_org(org)
        .filter(status__in=FILTERS.get(state, FILTERS["pending"]))
        .select_related(*RELATED)
    )
    if q:
        words = Q(lead__name__icontains=q) | Q(lead__company__icontains=q) | Q(subject__icontains=q)
        drafts = drafts.filter(words | Q(lead__email__icontains=q))
    for field, value in (("campaign_id", campaign), ("agent_id", agent), ("lead_id", lead)):
        if value:
            drafts = drafts.filter(**{field: value})
    if state == "pending":
        # Answers first, since a person waits for them.
        return drafts.order_by(
            F("in_reply_to_id").desc(nulls_last=True), "enrollment_id", "step_number", "created_at", "pk"
        )
    return drafts.order_by("-updated_at", "pk")


def log_list(org: Any, *, kind: str = "", q: str = "") -> QuerySet[AgentLog]:
    """The diary, newest first; `kind` is a log type, `q` words of the line. An unknown kind is no filter."""
    logs = AgentLog.objects.for_org(org)
    if kind in LogType.values:
        logs = logs.filter(log_type=kind)
    if q:
        logs = logs.filter(message__icontains=q.replace("\0", ""))
    return logs.order_by("-created_at", "-pk")


def with_previews(drafts: Iterable[Draft]) -> list[Draft]:
    """The drafts, each with `preview`: how its text begins after the greeting."""
    shown = list(drafts)
    for draft in shown:
        text = " ".join(draft.message_body.split("\n\n", 1)[-1].split())
        draft.preview = text[:PREVIEW]  # type: ignore[attr-defined]
    return shown


@dataclass(frozen=True)
class Span:
    """A sentence as the preview shows it."""

    text: str
    support: str = ""
    refs: tuple[int, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Evidence:
    """A numbered fact beside the mail."""

    number: int
    fact: Fact

    @property
    def url(self) -> str:
        """The stored page with the quote marked in it."""
        return f"{reverse('leads:page_detail', args=[self.fact.page_id])}?fact={self.fact.pk}"


@dataclass(frozen=True)
class DraftPage:
    """A draft with everything a person needs to decide."""

    draft: Draft
    paragraphs: list[list[Span]]
    evidence: list[Evidence]
    sender: str
    footer: str
    problem: str


def draft_page(draft: Draft) -> DraftPage:
    """The mail as it will leave, beside the facts its sentences rest on."""
    ids = list(dict.fromkeys(fact_id for s in draft.sentences for fact_id in s.get("fact_ids", [])))
    facts = {
        str(f.pk): f for f in Fact.objects.for_org(draft.org_id).filter(pk__in=ids).select_related("page")
    }
    numbers = {fact_id: number for number, fact_id in enumerate((i for i in ids if i in facts), 1)}
    sender, footer, problem = _surroundings(draft)
    return DraftPage(
        draft=draft,
        paragraphs=paragraphs_of(draft.sentences, numbers),
        evidence=[Evidence(number, facts[fact_id]) for fact_id, number in numbers.items()],
        sender=sender,
        footer=footer,
        problem=problem,
    )


def paragraphs_of(sentences: Sequence[dict[str, Any]], numbers: dict[str, int]) -> list[list[Span]]:
    """The body's pieces as paragraphs of spans; `numbers` gives a fact's place in the list of evidence."""
    paragraphs: list[list[Span]] = [[]]
    for sentence in sentences:
        support = ""
        if sentence.get("personal"):
            support = "supported" if sentence.get("supported") else "unsupported"
        refs = tuple(numbers[i] for i in sentence.get("fact_ids", []) if i in numbers)
        for index, part in enumerate(sentence["text"].split("\n\n")):
            if index:
                paragraphs.append([])
            if part.strip():
                paragraphs[-1].append(Span(part.strip(), support, refs, sentence.get("note", "")))
    return [paragraph for paragraph in paragraphs if paragraph]


def _surroundings(draft: Draft) -> tuple[str, str, str]:
    """Sender line and foot as they will leave, and what stands in the way of showing them."""
    try:
        mailbox = mailbox_of(draft)
        composed = compose(
            org=draft.org,
            mailbox=mailbox,
            lead=draft.lead,
            subject=draft.subject,
            body=draft.message_body,
            unsubscribe_url="(their own link)" if draft.in_reply_to_id is None else "",
        )
    except DomainError as error:
        return "", "", str(error)
    footer = composed.text.removeprefix(draft.message_body.strip()).strip()
    return f"{mailbox.from_name} <{mailbox.email}>", footer, ""
