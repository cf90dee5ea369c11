"""Answering in the inbox: approve, change or refuse what is suggested, or write it oneself."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from agent import queries
from agent.answers import answer_to
from agent.forms import DecisionForm, DraftForm
from agent.models import Draft
from agent.services import answers, drafts
from campaigns.models import InboundMessage, Thread
from leadpilot.lib.errors import DomainError
from leadpilot.lib.htmx import render_page, wants_fragment
from leadpilot.orgs.access import get_or_404, member_required, role_required
from leadpilot.orgs.requests import OrgRequest

TEMPLATE = "agent/answer.html"


@member_required
@require_GET
def answer_panel(request: OrgRequest, pk: UUID) -> HttpResponse:
    """The answer to a conversation: a fragment of its page, or a page of its own without script."""
    thread = get_or_404(Thread.objects.for_org(request.org).select_related("org", "lead"), pk)
    return _panel(request, thread, editing=bool(request.GET.get("edit")))


def _panel(
    request: OrgRequest,
    thread: Thread,
    *,
    form: DraftForm | None = None,
    editing: bool = False,
    typed: str = "",
    reason: str = "",
    error: str = "",
    status: int = 200,
) -> HttpResponse:
    answer, may_act = answer_to(thread), request.membership.may("member")
    if answer.state == "suggested" and answer.page and may_act and (editing and form is None):
        draft = answer.page.draft
        form = DraftForm(
            initial={"version": draft.version, "subject": draft.subject, "body": draft.message_body}
        )
    context = {
        "answer": answer,
        "thread": thread,
        "may_act": may_act,
        "form": form if answer.state == "suggested" else None,
        "typed": typed,
        "reason": reason,
        "error": error,
        "is_halted": request.org.halted_at is not None,
    }
    return render_page(request, TEMPLATE, context, fragment="panel", status=status)


@role_required("member")
@require_POST
def answer_write(request: OrgRequest, pk: UUID) -> HttpResponse:
    """Answer a mail by hand: the text is approved and leaves as it stands."""
    inbounds = InboundMessage.objects.for_org(request.org).select_related("org", "lead", "thread__lead")
    inbound = get_or_404(inbounds.filter(lead__isnull=False), pk)
    if inbound.thread is None:
        raise Http404
    body = request.POST.get("body", "")
    try:
        draft = answers.send_own_answer(inbound=inbound, body=body, by=request.user)
    except DomainError as error:
        return _panel(request, inbound.thread, typed=body, error=str(error), status=422)
    return _done(request, draft, f"Your answer to {draft.lead.name} is on its way.")


def _answer(request: OrgRequest, pk: UUID) -> Draft:
    answers_only = Draft.objects.for_org(request.org).filter(in_reply_to__thread__isnull=False)
    return get_or_404(answers_only.select_related(*queries.RELATED, "in_reply_to__thread__lead"), pk)


@role_required("member")
@require_POST
def answer_approve(request: OrgRequest, pk: UUID) -> HttpResponse:
    """Approve the version that was shown."""
    draft = _answer(request, pk)

    def approve(form: DecisionForm) -> str:
        drafts.approve_draft(draft=draft, version=form.cleaned_data["version"], by=request.user)
        return f"Approved: {draft.subject}"

    return _decide(request, draft, approve)


@role_required("member")
@require_POST
def answer_reject(request: OrgRequest, pk: UUID) -> HttpResponse:
    """Refuse the version that was shown, with a reason."""
    draft = _answer(request, pk)

    def reject(form: DecisionForm) -> str:
        data = form.cleaned_data
        drafts.reject_draft(draft=draft, version=data["version"], reason=data["reason"], by=request.user)
        return "Rejected. Nothing is sent; write an answer yourself if you like."

    return _decide(request, draft, reject)


def _decide(request: OrgRequest, draft: Draft, act: Callable[[DecisionForm], str]) -> HttpResponse:
    form, thread = DecisionForm(request.POST), _thread_of(draft)
    reason = request.POST.get("reason", "")
    if not form.is_valid():
        field, problems = next(iter(form.errors.items()))
        return _panel(request, thread, error=f"{field}: {problems[0]}", reason=reason, status=422)
    try:
        said = act(form)
    except DomainError as error:
        return _panel(request, thread, error=str(error), reason=reason, status=422)
    return _done(request, draft, said)


@role_required("member")
@require_POST
def answer_edit(request: OrgRequest, pk: UUID) -> HttpResponse:
    """Change the suggested text; with `then=approve` it is approved as it stands now, in the same act."""
    draft = _answer(request, pk)
    form = DraftForm(request.POST)
    if not form.is_valid():
        return _panel(request, _thread_of(draft), form=form, status=422)
    try:
        with transaction.atomic():
            edited = drafts.edit_draft(draft=draft, by=request.user, **form.cleaned_data)
            if request.POST.get("then") == "approve":
                drafts.approve_draft(draft=edited, version=edited.version, by=request.user)
    except DomainError as error:
        form.add_error(error.field if error.field in form.fields else None, str(error))
        return _panel(request, _thread_of(draft), form=form, status=422)
    return _done(request, edited, "Saved." if edited.status in drafts.OPEN else f"Approved: {edited.subject}")


@role_required("member")
@require_POST
def answer_undo(request: OrgRequest, pk: UUID) -> HttpResponse:
    """Take an approved answer back while it is still here."""
    draft = _answer(request, pk)
    try:
        drafts.undo_approval(draft=draft, by=request.user)
    except DomainError as error:
        return _said(request, draft, str(error), tone="danger")
    return _said(request, draft, "Taken back. Nothing was sent.")


def _thread_of(draft: Draft) -> Thread:
    thread: Thread | None = draft.in_reply_to.thread if draft.in_reply_to else None
    assert thread is not None, "only answers get here"
    return thread


def _done(request: OrgRequest, draft: Draft, said: str) -> HttpResponse:
    """The panel as it is now; what was approved can be taken back for a moment."""
    thread = _thread_of(draft)
    if not wants_fragment(request):
        messages.success(request, said)
        return redirect("campaigns:thread", pk=thread.pk)
    draft.refresh_from_db(fields=["status"])
    toast: dict[str, Any] = {"message": said, "tone": "success"}
    if draft.status == "approved":
        toast["action"] = {"label": "Undo", "post": reverse("agent:answer_undo", args=[draft.pk])}
    response = _panel(request, thread)
    response["HX-Trigger"] = json.dumps({"toast": toast, "answer-changed": True})
    return response


def _said(request: OrgRequest, draft: Draft, said: str, tone: str = "success") -> HttpResponse:
    if not wants_fragment(request):
        messages.add_message(request, messages.SUCCESS if tone == "success" else messages.ERROR, said)
        return redirect("campaigns:thread", pk=_thread_of(draft).pk)
    toast = {"message": said, "tone": tone}
    return HttpResponse(
        status=204, headers={"HX-Trigger": json.dumps({"toast": toast, "answer-changed": True})}
    )
