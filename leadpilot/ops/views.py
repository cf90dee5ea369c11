"""After a restore: which mailboxes are locked, why, and a person's decision where no Sent folder proves anything."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_POST

from leadpilot.lib.errors import Conflict
from leadpilot.lib.htmx import render_page
from leadpilot.ops import locking
from leadpilot.ops.models import SentCheck
from leadpilot.orgs.access import get_or_404, member_required, role_required
from leadpilot.orgs.requests import OrgRequest


@member_required
@require_GET
def sent_check_list(request: OrgRequest) -> HttpResponse:
    """The organization's locked mailboxes."""
    context = {"locks": locking.waiting(request.org.pk), "may_release": request.membership.may("admin")}
    return render_page(request, "ops/sent_check_list.html", context)


@role_required("admin")
@require_POST
def sent_check_release(request: OrgRequest, pk: UUID) -> HttpResponse:
    """Let a mailbox send although nothing is proved; the reason is kept."""
    lock = get_or_404(SentCheck.objects.for_org(request.org).select_related("org", "mailbox"), pk)
    reason = request.POST.get("reason", "").strip()[:500]
    if not reason:
        messages.error(request, "Say how you know that nothing is sent twice; the reason is kept.")
        return redirect("ops:sent_check_list")
    try:
        locking.release(lock=lock, by=request.user, reason=reason)
        messages.success(request, f"{lock.mailbox.email} may send again once Start is pressed.")
    except Conflict as error:
        messages.error(request, str(error))
    return redirect("ops:sent_check_list")
