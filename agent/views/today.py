"""Today: what waits for a person, what the agent did, and what comes next."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import F
from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_GET

from agent.models import AgentLog, Draft, DraftStatus, LogType
from agent.status import agent_status, unread_threads, waiting_for_approval
from campaigns.models import InboundMessage, Message, MessageStatus
from leadpilot.lib import clock
from leadpilot.lib.htmx import render_page
from leadpilot.orgs.access import member_required
from leadpilot.orgs.models import Organization
from leadpilot.orgs.requests import OrgRequest
from leadpilot.orgs.views import notes_context
from leads.models import Lead, LeadStatus


@member_required
@require_GET
def today(request: OrgRequest) -> HttpResponse:
    """The first page after signing in; its live part is fetched again every few seconds."""
    return render_page(request, "agent/today.html", _context(request), fragment="live")


def _context(request: OrgRequest) -> dict[str, Any]:
    org = request.org
    since = start_of_day(org)
    sent = Message.objects.for_org(org).filter(status=MessageStatus.SENT, sent_at__gte=since)
    replies = InboundMessage.objects.for_org(org).filter(received_at__gte=since, is_automatic=False)
    unknown = Message.objects.for_org(org).filter(status=MessageStatus.UNKNOWN).count()
    return {
        **notes_context(request),
        "status": agent_status(request),
        "lead_count": Lead.objects.for_org(org).count(),
        "tiles": _tiles(org, sent.count(), replies.count()),
        "unknown": unknown,
        "drafts": Draft.objects.for_org(org)
        .filter(status=DraftStatus.PENDING_APPROVAL)
        .select_related("lead")
        .order_by(F("in_reply_to_id").desc(nulls_last=True), "step_number", "created_at")[:6],
        "answers": InboundMessage.objects.for_org(org)
        .filter(thread__unread=True)
        .select_related("lead", "thread")
        .order_by("-received_at")[:6],
        "queued": Message.objects.for_org(org)
        .filter(status__in=[MessageStatus.QUEUED, MessageStatus.DEFERRED, MessageStatus.HELD])
        .select_related("lead")
        .order_by("scheduled_for")[:6],
        "logs": AgentLog.objects.for_org(org)
        .exclude(log_type=LogType.OBSERVATION)
        .exclude(action_type="draft.submitted")
        .select_related("lead", "agent", "actor")
        .order_by("-created_at")[:12],
    }


def _tiles(org: Organization, sent: int, replies: int) -> list[dict[str, Any]]:
    leads = reverse("leads:lead_list")
    researched = Lead.objects.for_org(org).filter(researched_at__gte=start_of_day(org)).count()
    skipped = Lead.objects.for_org(org).filter(status=LeadStatus.SKIPPED).count()
    waiting = waiting_for_approval(org)
    return [
        {
            "label": "Waiting for you",
            "value": waiting,
            "href": reverse("agent:approval_list"),
            "tone": "accent" if waiting else "",
            "hint": "drafts to approve",
        },
        {
            "label": "Unread answers",
            "value": unread_threads(org),
            "href": reverse("campaigns:inbox"),
            "hint": "inbox",
        },
        {
            "label": "Sent today",
            "value": sent,
            "href": reverse("campaigns:message_list") + "?status=sent&sent=today",
            "hint": "",
        },
        {
            "label": "Answers today",
            "value": replies,
            "href": reverse("campaigns:inbox"),
            "hint": "from people",
        },
        {
            "label": "Researched today",
            "value": researched,
            "href": f"{leads}?status=all&researched=today",
            "hint": "leads",
        },
        {
            "label": "Skipped",
            "value": skipped,
            "href": f"{leads}?status=skipped",
            "hint": "too little to write",
        },
    ]


def start_of_day(org: Organization) -> datetime:
    """Midnight of the organization's day, aware."""
    return clock.now().astimezone(ZoneInfo(org.time_zone)).replace(hour=0, minute=0, second=0, microsecond=0)
