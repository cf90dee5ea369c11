"""What the shell and a lead's page read: unread threads, mailboxes with their day, the timeline. Nothing here writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.urls import NoReverseMatch, reverse

from campaigns import windows
from campaigns.models import (
    Enrollment,
    InboundMessage,
    Mailbox,
    MailboxStatus,
    MessageEvent,
    MessageStatus,
    Quota,
    Thread,
)
from campaigns.services import quota
from leadpilot.lib import clock
from leadpilot.orgs.models import Organization
from leads.models import Lead
from leads.queries import TimelineItem

WAITING = (MessageStatus.HELD, MessageStatus.QUEUED, MessageStatus.CLAIMED, MessageStatus.DEFERRED)


def unread_count(org: Organization) -> int:
    """Threads with something new, for the navigation."""
    return _awake(Thread.objects.for_org(org)).filter(unread=True, is_open=True).count()


def _awake(threads: QuerySet[Thread]) -> QuerySet[Thread]:
    return threads.filter(Q(snoozed_until=None) | Q(snoozed_until__lte=clock.now()))


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
