"""The unified inbox: conversations beside what is known of the person."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_GET, require_POST

from campaigns import listings
from campaigns.forms import ClassificationForm
from campaigns.models import Classification, InboundMessage, Mailbox, Thread
from campaigns.services import inbound as inbounds
from campaigns.services import threads
from campaigns.windows import zone_of
from leadpilot.lib import clock
from leadpilot.lib.errors import DomainError
from leadpilot.lib.htmx import render_page
from leadpilot.orgs.access import get_or_404, member_required, role_required
from leadpilot.orgs.models import Membership, Role, User
from leadpilot.orgs.requests import OrgRequest

TEMPLATE = "campaigns/inbox.html"
PAGE = 30
PARTS = {"inbox-list": "list", "turns": "turns"}  # the element that refreshes: its fragment
STATES = (
    ("open", "Open"),
    ("mine", "Mine"),
    ("unread", "Unread"),
    ("snoozed", "Snoozed"),
    ("closed", "Closed"),
)
NAPS = (("1", "Until tomorrow, 9:00"), ("3", "For three days"), ("7", "For a week"))


def _thread(request: OrgRequest, pk: UUID) -> Thread:
    return get_or_404(
        Thread.objects.for_org(request.org).select_related("lead", "mailbox", "campaign", "assigned_to"), pk
    )


@member_required
@require_GET
def inbox(request: OrgRequest) -> HttpResponse:
    """Conversations with answers."""
    return _page(request, None)


@member_required
@require_GET
def thread(request: OrgRequest, pk: UUID) -> HttpResponse:
    """One conversation; a member who opens it has read it."""
    chosen = _thread(request, pk)
    if chosen.unread and request.membership.may("member") and not _part(request):
        threads.mark_read(thread=chosen)
    return _page(request, chosen)


def _part(request: OrgRequest) -> str:
    """Which part of the page refreshes by itself: nobody opened anything then."""
    target = request.htmx.target if request.htmx else None
    return PARTS.get(target or "", "")


def _page(request: OrgRequest, chosen: Thread | None, *, error: str = "", status: int = 200) -> HttpResponse:
    org, asked = request.org, _asked(request)
    found = listings.thread_list(org, user=request.user, **asked)
    context: dict[str, Any] = {
        "page": Paginator(found, PAGE).get_page(request.GET.get("page")),
        "asked": asked,
        "states": STATES,
        "kinds": Classification.choices,
        "mailboxes": Mailbox.objects.for_org(org).order_by("email"),
        "thread": chosen,
        "error": error,
        "naps": NAPS,
        "is_asleep": bool(chosen and chosen.snoozed_until and chosen.snoozed_until > clock.now()),
        "may_act": request.membership.may("member"),
        "here": _here(chosen),
        "query": request.GET.urlencode() if request.method == "GET" else "",
    }
    if chosen is not None:
        enrollment, steps = listings.lead_steps(chosen.lead)
        context |= {
            "turns": listings.conversation(chosen),
            "enrollment": enrollment,
            "steps": steps,
            "members": _members(request),
        }
    return render_page(request, TEMPLATE, context, fragment=_part(request) or "split", status=status)


def _here(chosen: Thread | None) -> str:
    """Where the page's parts refresh from: not the request's own address, which may be where something was posted."""
    return reverse("campaigns:thread", args=[chosen.pk]) if chosen else reverse("campaigns:inbox")


def _members(request: OrgRequest) -> list[User]:
    """Who may be given a conversation."""
    rows = Membership.objects.filter(org=request.org).exclude(role=Role.VIEWER).select_related("user")
    return sorted((row.user for row in rows), key=lambda user: user.display_name.lower())


def _asked(request: OrgRequest) -> dict[str, str]:
    state, kind = request.GET.get("state", "open"), request.GET.get("kind", "")
    return {
        "q": request.GET.get("q", "").strip(),
        "state": state if state in dict(STATES) else "open",
        "kind": kind if kind in Classification.values else "",
        "mailbox": listings.uuid_or_empty(request.GET.get("mailbox", "")),
        "campaign": listings.uuid_or_empty(request.GET.get("campaign", "")),
    }


def _inbound(request: OrgRequest, pk: UUID) -> InboundMessage:
    return get_or_404(InboundMessage.objects.for_org(request.org).select_related("thread", "lead"), pk)


@role_required("member")
@require_POST
def inbound_classify(request: OrgRequest, pk: UUID) -> HttpResponse:
    """Correct the class of an answer by hand."""
    inbound = _inbound(request, pk)
    form = ClassificationForm(request.POST)
    if not form.is_valid():
        said = f"“{request.POST.get('classification', '')[:40]}” is not a class; choose one from the list."
        return _page(request, inbound.thread, error=said, status=422)
    done = inbounds.correct_classification(
        inbound=inbound, classification=form.cleaned_data["classification"], by=request.user
    )
    messages.success(request, " ".join(["Corrected.", *done]))
    if inbound.thread_id is None:
        return redirect("campaigns:inbox")
    return redirect("campaigns:thread", pk=inbound.thread_id)


@role_required("member")
@require_POST
def thread_state(request: OrgRequest, pk: UUID) -> HttpResponse:
    """Close a conversation, or open it again."""
    chosen = _thread(request, pk)
    threads.set_open(thread=chosen, is_open=not chosen.is_open)
    messages.success(request, "Opened again." if chosen.is_open else "Closed.")
    return redirect("campaigns:inbox") if not chosen.is_open else redirect("campaigns:thread", pk=pk)


@role_required("member")
@require_POST
def thread_unread(request: OrgRequest, pk: UUID) -> HttpResponse:
    """Mark a conversation as new again and go back to the list."""
    threads.mark_unread(thread=_thread(request, pk))
    return redirect("campaigns:inbox")


@role_required("member")
@require_POST
def thread_assign(request: OrgRequest, pk: UUID) -> HttpResponse:
    """Give a conversation to a member (`to`, a user's id), or to nobody when it is empty."""
    chosen, to = _thread(request, pk), request.POST.get("to", "")
    user = next((member for member in _members(request) if str(member.pk) == to), None)
    if to and user is None:
        return _page(request, chosen, error="Choose a member of your organization.", status=422)
    try:
        threads.assign_thread(thread=chosen, to=user)
    except DomainError as error:
        return _page(request, chosen, error=str(error), status=422)
    messages.success(request, f"Given to {user.display_name}." if user else "It belongs to nobody now.")
    return redirect("campaigns:thread", pk=pk)


@role_required("member")
@require_POST
def thread_snooze(request: OrgRequest, pk: UUID) -> HttpResponse:
    """Out of sight for `days` (of NAPS), until 9:00 in the organization's time zone; anything else wakes it."""
    chosen = _thread(request, pk)
    days = request.POST.get("days", "")
    morning = clock.now().astimezone(zone_of(request.org.time_zone)).replace(hour=9, minute=0, second=0)
    until = morning + timedelta(days=int(days)) if days in dict(NAPS) else None
    threads.snooze_thread(thread=chosen, until=until)
    messages.success(request, f"Back on {until:%A, %d %B, %H:%M}." if until else "It is awake again.")
    return redirect("campaigns:inbox")


@xframe_options_sameorigin
@member_required
@require_GET
def inbound_html(request: OrgRequest, pk: UUID) -> HttpResponse:
    """The sanitised HTML of an answer, for a sandboxed frame: no script, nothing from elsewhere."""
    inbound = _inbound(request, pk)
    response = render(request, "campaigns/inbound_html.html", {"html": inbound.body_html})
    response["Content-Security-Policy"] = "default-src 'none'; img-src data:; frame-ancestors 'self'; sandbox"
    return response
