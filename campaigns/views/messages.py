"""Everything that leaves or left, with its reasons; and the mails whose fate a person has to settle."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from campaigns import listings
from campaigns.models import Campaign, Message, MessageStatus
from campaigns.services import outbox
from leadpilot.lib.errors import DomainError
from leadpilot.lib.htmx import render_page
from leadpilot.orgs.access import get_or_404, member_required, role_required
from leadpilot.orgs.days import TODAY
from leadpilot.orgs.requests import OrgRequest

STATUSES = ((listings.WAITING, "Waiting to leave"), *MessageStatus.choices)


@member_required
@require_GET
def message_list(request: OrgRequest) -> HttpResponse:
    """Messages by status."""
    status = request.GET.get("status", "")
    asked = {
        "q": request.GET.get("q", "").strip(),
        "status": status if status in dict(STATUSES) else "",
        "campaign": listings.uuid_or_empty(request.GET.get("campaign", "")),
        "mailbox": listings.uuid_or_empty(request.GET.get("mailbox", "")),
        "sent": TODAY if request.GET.get("sent") == TODAY else "",
    }
    rows = listings.message_list(request.org, **asked).prefetch_related("send_attempts")
    unknown = Message.objects.for_org(request.org).filter(status=MessageStatus.UNKNOWN).count()
    context = {
        "unknown": unknown if asked["status"] != MessageStatus.UNKNOWN else 0,
        "page": Paginator(rows, 40).get_page(request.GET.get("page")),
        "asked": asked,
        "statuses": STATUSES,
        "campaigns": Campaign.objects.for_org(request.org).order_by("name"),
        "may_act": request.membership.may("member"),
    }
    return render_page(request, "campaigns/message_list.html", context, fragment="table")


@role_required("member")
@require_POST
def message_settle(request: OrgRequest, pk: UUID) -> HttpResponse:
    """Say what became of a mail whose answer was lost: `outcome` is `sent` or `not_sent`."""
    message = get_or_404(Message.objects.for_org(request.org).select_related("lead", "mailbox"), pk)
    outcome = request.POST.get("outcome", "")
    back = f"{reverse('campaigns:message_list')}?status=unknown"
    if outcome not in ("sent", "not_sent"):
        messages.error(request, f"outcome: “{outcome[:40]}” is neither sent nor not_sent.")
        return redirect(back)
    try:
        outbox.settle_unknown(
            message=message,
            sent=outcome == "sent",
            by=request.user,
            note=f"{request.user.display_name} looked and decided: {outcome.replace('_', ' ')}.",
        )
        messages.success(request, "Settled. It is never sent again.")
    except DomainError as error:
        messages.error(request, str(error))
    return redirect(back)


@role_required("member")
@require_POST
def message_cancel(request: OrgRequest, pk: UUID) -> HttpResponse:
    """Take an approved mail back before it leaves."""
    message = get_or_404(Message.objects.for_org(request.org), pk)
    try:
        outbox.cancel_message(message=message, reason="Taken back by a person.", by=request.user)
        messages.success(request, "Taken back. It was not sent.")
    except DomainError as error:
        messages.error(request, str(error))
    return redirect("campaigns:message_list")
