"""Pages as they were when they were read."""

from __future__ import annotations

import re
from uuid import UUID

from django.http import HttpResponse
from django.views.decorators.http import require_GET

from leadpilot.lib.htmx import render_page
from leadpilot.orgs.access import get_or_404, member_required
from leadpilot.orgs.requests import OrgRequest
from leads.models import Fact, Page


@member_required
@require_GET
def page_detail(request: OrgRequest, pk: UUID) -> HttpResponse:
    """The stored text of one page; `?fact=ID` marks the words that fact rests on."""
    page = get_or_404(Page.objects.for_org(request.org).select_related("company", "lead"), pk)
    fact = _fact(request, page)
    before, quote, after = around(page.text, fact.quote if fact else "")
    context = {"page": page, "fact": fact, "before": before, "quote": quote, "after": after}
    return render_page(request, "leads/page_detail.html", context)


def _fact(request: OrgRequest, page: Page) -> Fact | None:
    try:
        wanted = UUID(request.GET.get("fact", ""))
    except ValueError:
        return None
    return Fact.objects.for_org(request.org).filter(pk=wanted, page=page).first()


def around(text: str, quote: str) -> tuple[str, str, str]:
    """A text cut into what stands before a quote, the quote, and the rest; all of it before when it is not found.

    Line breaks and runs of spaces in either do not matter.
    """
    words = quote.split()
    if not words:
        return text, "", ""
    start = text.find(quote)
    end = start + len(quote)
    if start < 0:
        match = re.search(r"\s+".join(map(re.escape, words)), text)
        if match is None:
            return text, "", ""
        start, end = match.span()
    return text[:start], text[start:end], text[end:]
