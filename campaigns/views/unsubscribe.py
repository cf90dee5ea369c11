"""The public page behind the link in each mail: GET shows it, POST opts out, also as one click (RFC 8058)."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from campaigns.models import Message
from campaigns.services import unsubscribe as service
from leadpilot.orgs.access import public
from leadpilot.orgs.models import Organization
from leadpilot.orgs.tenancy import org_context
from leads.models import Lead, LeadStatus


@public
@csrf_exempt  # mail programs post without a cookie; the signed token is the proof
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Show what the link does, or do it. A forged link is not found; a person who was deleted is told it is done."""
    try:
        link = service.read_token(token)
    except service.BadToken as error:
        raise Http404 from error
    with org_context(link.org_id):
        org = Organization.objects.filter(pk=link.org_id).first()
        if org is None:
            raise Http404
        lead = Lead.objects.for_org(link.org_id).select_related("org").filter(pk=link.lead_id).first()
        done = lead is None or lead.status == LeadStatus.UNSUBSCRIBED
        if request.method == "POST" and lead is not None:
            messages = Message.objects.for_org(link.org_id).filter(lead=lead)
            message = messages.filter(pk=link.message_id).first() if link.message_id else None
            one_click = request.POST.get("List-Unsubscribe") == "One-Click"
            origin = "one click in the mail program" if one_click else "the link in the mail"
            service.unsubscribe(lead=lead, origin=origin, message=message)
            if one_click:
                return HttpResponse("You are unsubscribed.", content_type="text/plain; charset=utf-8")
            done = True
        context = {"sender": org.name, "address": masked(lead.email) if lead else "", "done": done}
        response = render(request, "campaigns/unsubscribe.html", context)
    response["X-Robots-Tag"] = "noindex, nofollow"
    response["Referrer-Policy"] = "no-referrer"
    return response


def masked(email: str) -> str:
    """An address its owner recognises and a stranger cannot use: a…@example.com."""
    local, _, domain = email.partition("@")
    return f"{local[:1]}…@{domain}"
