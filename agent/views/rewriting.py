"""Have one draft written again; the page shows the new text when it comes."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.views.decorators.http import require_POST

from agent.forms import DecisionForm
from agent.services.rewriting import ask_for_rewrite
from agent.views.approvals import done, draft_of, page
from leadpilot.lib.errors import DomainError
from leadpilot.orgs.access import role_required
from leadpilot.orgs.requests import OrgRequest


@role_required("member")
@require_POST
def approval_rewrite(request: OrgRequest, pk: UUID) -> HttpResponse:
    """Ask for another text of the version that was shown; `reason` says what should be different."""
    draft = draft_of(request, pk)
    form = DecisionForm(request.POST)
    if not form.is_valid():
        field, problems = next(iter(form.errors.items()))
        return page(request, draft, error=f"{field}: {problems[0]}", status=422)
    try:
        ask_for_rewrite(
            draft=draft,
            version=form.cleaned_data["version"],
            feedback=form.cleaned_data["reason"],
            by=request.user,
        )
    except DomainError as error:
        return page(request, draft_of(request, pk), error=str(error), status=422)
    return done(request, draft, "It is being written again.", stay=True)
