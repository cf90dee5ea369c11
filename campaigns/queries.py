"""What the pages read: the inbox, threads, campaigns, mailboxes, a lead's timeline. Nothing here writes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.urls import NoReverseMatch, reverse

from campaigns import clearance, windows
from campaigns.models import (
    Campaign,
    Enrollment,
    EnrollmentStatus,
    InboundMessage,
    Mailbox,
    MailboxStatus,
    Message,
    MessageEvent,
    MessageStatus,
    Quota,
    Thread,
)
from campaigns.services import quota
from leadpilot.lib import clock
from leadpilot.lib.verdict import Verdict
from leadpilot.orgs.models import Organization
from leads.models import Lead
from leads.queries import TimelineItem

WAITING = (MessageStatus.HELD, MessageStatus.QUEUED, MessageStatus.CLAIMED, MessageStatus.DEFERRED)
INBOX_VIEWS = {
    "open": "Open",
    "unread": "Unread",
    "mine": "Mine",
    "snoozed": "Snoozed",
    "automatic": "Automatic",
    "all": "All",
}


def unread_count(org: Organization) -> int:
    """Threads with something new, for the navigation."""
    return _awake(Thread.objects.for_org(org)).filter(unread=True, is_open=True).count()


def _awake(threads: QuerySet[Thread]) -> QuerySet[Thread]:
    return threads.filter(Q(snoozed_until=None) | Q(snoozed_until__lte=clock.now()))


def inbox_threads(
    org: Organization, *, view: str = "open", user: Any = None, search: str = "", classification: str = ""
) -> QuerySet[Thread]:
    """Threads in which something came back, newest first, with lead and mailbox and the last mail's
    `last_text`, `last_class` and `last_from`. `view` is a key of INBOX_VIEWS."""
    inbound = InboundMessage.objects.for_org(org).filter(thread=OuterRef("pk"))
    last = inbound.order_by("-received_at")
    threads = (
        Thread.objects.for_org(org)
        .filter(Exists(inbound))
        .select_related("lead", "mailbox", "campaign", "assigned_to")
        .annotate(
            last_text=Subquery(last.values("new_text")[:1]),
            last_class=Subquery(last.values("classification")[:1]),
            last_sentiment=Subquery(last.values("sentiment")[:1]),
            last_from=Subquery(last.values("from_email")[:1]),
            last_received_at=Subquery(last.values("received_at")[:1]),
            has_person=Exists(inbound.filter(is_automatic=False)),
        )
    )
    if view == "snoozed":
        threads = threads.filter(snoozed_until__gt=clock.now())
    elif view != "all":
        threads = _awake(threads).filter(is_open=True, has_person=view != "automatic")
    if view == "unread":
        threads = threads.filter(unread=True)
    if view == "mine":
        threads = threads.filter(assigned_to=user)
    if classification:
        threads = threads.filter(last_class=classification)
    if search.strip():
        words = search.strip()[:100]
        match = Q(lead__name__icontains=words) | Q(lead__email__icontains=words) | Q(subject__icontains=words)
        threads = threads.filter(match | Q(Exists(inbound.filter(new_text__icontains=words))))
    return threads.order_by("-last_message_at", "-pk")


@dataclass(frozen=True)
class ThreadItem:
    """One mail of a thread, in either direction: exactly one of `message` and `inbound` is set."""

    when: datetime
    message: Message | None = None
    inbound: InboundMessage | None = None


def thread_items(thread: Thread) -> list[ThreadItem]:
    """A thread's mails in the order they happened; of ours also those that wait or failed, cancelled ones not."""
    ours = (
        Message.objects.for_org(thread.org_id).filter(thread=thread).exclude(status=MessageStatus.CANCELLED)
    )
    items = [ThreadItem(m.sent_at or m.scheduled_for or m.created_at, message=m) for m in ours.defer("raw")]
    theirs = InboundMessage.objects.for_org(thread.org_id).filter(thread=thread)
    items += [ThreadItem(i.received_at, inbound=i) for i in theirs]
    return sorted(items, key=lambda item: item.when)


def campaign_list(org: Organization, *, status: str = "", search: str = "") -> QuerySet[Campaign]:
    """Campaigns, newest first, with `enrolled`, `active`, `sent`, `replied` and `bounced` as numbers."""
    rows = Campaign.objects.for_org(org)
    if status:
        rows = rows.filter(status=status)
    else:
        rows = rows.exclude(status="archived")
    if search.strip():
        rows = rows.filter(name__icontains=search.strip()[:100])
    messages = Message.objects.for_org(org).filter(campaign=OuterRef("pk")).order_by().values("campaign")
    enrollments = (
        Enrollment.objects.for_org(org).filter(campaign=OuterRef("pk")).order_by().values("campaign")
    )
    return rows.annotate(
        enrolled=_number(enrollments),
        active=_number(enrollments.filter(status=EnrollmentStatus.ACTIVE)),
        sent=_number(messages.filter(status=MessageStatus.SENT)),
        replied=_number(messages.filter(replied=True)),
        bounced=_number(messages.filter(bounced=True)),
    ).order_by("-created_at", "-pk")


def _number(rows: QuerySet[Any]) -> Subquery:
    return Subquery(rows.annotate(n=Count("pk")).values("n"))


def enrollments_of(campaign: Campaign, *, status: str = "") -> QuerySet[Enrollment]:
    """Who is in a campaign, what comes next and why, the next to act first."""
    rows = (
        Enrollment.objects.for_org(campaign.org_id)
        .filter(campaign=campaign)
        .select_related("lead", "mailbox")
    )
    if status:
        rows = rows.filter(status=status)
    return rows.order_by("next_step_at", "-enrolled_at", "pk")


def sequence_of(lead: Lead) -> list[Enrollment]:
    """A lead's sequences, newest first, each with its campaign and `mails` (all its messages in order)."""
    rows = list(
        Enrollment.objects.for_org(lead.org_id)
        .filter(lead=lead)
        .select_related("campaign", "mailbox")
        .order_by("-enrolled_at")
    )
    mails = Message.objects.for_org(lead.org_id).filter(enrollment__in=rows).defer("raw")
    grouped: dict[Any, list[Message]] = {}
    for message in mails.order_by("email_sequence", "revision", "created_at"):
        grouped.setdefault(message.enrollment_id, []).append(message)
    for row in rows:
        row.mails = grouped.get(row.pk, [])  # type: ignore[attr-defined]
    return rows


def outbox_list(org: Organization, *, status: str = "") -> QuerySet[Message]:
    """What waits to leave, or everything with one status; the next to leave first."""
    rows = Message.objects.for_org(org).select_related("lead", "campaign", "mailbox").defer("raw")
    rows = rows.filter(status=status) if status else rows.filter(status__in=WAITING)
    return rows.order_by("scheduled_for", "pk")


def unknown_messages(org: Organization) -> QuerySet[Message]:
    """Messages whose answer was lost and that a person may have to decide, with their attempts at hand."""
    rows = Message.objects.for_org(org).filter(status=MessageStatus.UNKNOWN)
    return (
        rows.select_related("lead", "campaign", "mailbox")
        .prefetch_related("send_attempts")
        .order_by("-created_at")
    )


def why_waiting(message: Message) -> Verdict:
    """What the second gate says about a message right now, with every reason."""
    return clearance.clear(message, clock.now())


@dataclass(frozen=True)
class MailboxDay:
    """A mailbox with today's figures; `waiting` messages stand in its queue."""

    mailbox: Mailbox
    cap: int
    used: int
    waiting: int

    @property
    def left(self) -> int:
        return max(0, self.cap - self.used)


def mailbox_list(org: Organization) -> list[MailboxDay]:
    """Mailboxes with what they may send today, have sent, and have waiting; those that need attention first."""
    now = clock.now()
    zone = windows.zone_of(org.time_zone)
    day = windows.local_day(now, zone)
    counters = dict(
        Quota.objects.for_org(org)
        .filter(period=day, scope__startswith="mailbox:")
        .values_list("scope", "used")
    )
    rows = Mailbox.objects.for_org(org).annotate(
        waiting=Count("messages", filter=Q(messages__status__in=WAITING))
    )
    found = [
        MailboxDay(
            m, quota.ramped_cap(m, now.astimezone(zone).date()), counters.get(f"mailbox:{m.pk}", 0), m.waiting
        )
        for m in rows.order_by("email")
    ]
    return sorted(found, key=lambda each: each.mailbox.status == MailboxStatus.CONNECTED)


_ICONS = {
    "sent": ("send", ""),
    "replied": ("reply", "success"),
    "bounced": ("mail-x", "danger"),
    "refused": ("mail-x", "danger"),
    "unknown": ("circle-help", "warning"),
    "deferred": ("clock", "warning"),
    "unsubscribed": ("bell-off", "danger"),
    "complained": ("flag", "danger"),
    "cancelled": ("undo-2", ""),
    "approved": ("check", ""),
}
_TIMELINE_KINDS = tuple(_ICONS)


def timeline_messages(lead: Lead) -> list[TimelineItem]:
    """What happened to the mails to a lead."""
    events = (
        MessageEvent.objects.for_org(lead.org_id)
        .filter(message__lead=lead, kind__in=_TIMELINE_KINDS)
        .select_related("message")
        .defer("message__raw")
        .order_by("-happened_at")[:100]
    )
    return [
        TimelineItem(
            event.happened_at,
            f"mail_{event.kind}",
            f"{event.get_kind_display()}: {event.message.subject}",
            str(event.data.get("said") or event.data.get("reason") or ""),
            url=_thread_url(event.message.thread_id),
            icon=_ICONS[event.kind][0],
            tone=_ICONS[event.kind][1],
        )
        for event in events
    ]


def timeline_inbound(lead: Lead) -> list[TimelineItem]:
    """What a lead wrote to us."""
    rows = InboundMessage.objects.for_org(lead.org_id).filter(lead=lead).order_by("-received_at")[:50]
    return [
        TimelineItem(
            mail.received_at,
            "reply",
            ("Automatic answer: " if mail.is_automatic else "Answer: ") + mail.subject,
            mail.new_text[:400],
            url=_thread_url(mail.thread_id),
            icon="inbox",
            tone="" if mail.is_automatic else "accent",
        )
        for mail in rows
    ]


def timeline_enrollments(lead: Lead) -> list[TimelineItem]:
    """When a lead entered and left campaigns."""
    items = []
    for row in Enrollment.objects.for_org(lead.org_id).filter(lead=lead).select_related("campaign"):
        items.append(
            TimelineItem(row.enrolled_at, "enrolled", f"Enrolled in “{row.campaign}”", icon="user-plus")
        )
        if row.finished_at:
            title = f"The sequence of “{row.campaign}” was {row.get_status_display().lower()}"
            note = row.stop_note or row.get_stop_reason_display() or row.next_reason
            items.append(TimelineItem(row.finished_at, "sequence_over", title, note, icon="circle-stop"))
    return items


def _thread_url(thread_id: Any) -> str:
    try:
        return reverse("campaigns:thread", args=[thread_id]) if thread_id else ""
    except NoReverseMatch:
        return ""
