"""The diary as a CSV file, a piece at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, cast
from uuid import UUID

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.db.models import Q
from django.http import HttpResponse, StreamingHttpResponse
from django.views.decorators.http import require_GET

from agent import queries
from agent.models import AgentLog
from leadpilot.lib import clock
from leadpilot.orgs.access import role_required
from leadpilot.orgs.requests import OrgRequest
from leadpilot.orgs.tenancy import org_context
from leads.importing.export import csv_lines

PIECE = 1000
HEADER = ("when", "kind", "action", "what", "reason", "lead", "address", "by", "confidence")


@role_required("admin")
@require_GET
def activity_export(request: OrgRequest) -> HttpResponse:
    """What the activity page shows under its filters, all of it; cells that look like formulas are made harmless."""
    asked = {"kind": request.GET.get("type", ""), "q": request.GET.get("q", "").strip()}
    pieces: Any = _pieces(request.org.pk, asked)
    if isinstance(request, ASGIRequest):
        pieces = _asynchronous(pieces)
    response = StreamingHttpResponse(pieces, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="activity-{clock.now():%Y-%m-%d}.csv"'
    return cast(HttpResponse, response)  # to the decorators it is one


def _pieces(org_id: UUID, asked: dict[str, str]) -> Iterator[str]:
    """Lines of the file; each piece is read in a transaction of its own, since the request's is over by then."""
    after: tuple[Any, UUID] | None = None
    while True:
        with org_context(org_id):
            logs = queries.log_list(org_id, **asked).select_related("lead", "actor", "agent")
            if after is not None:
                when, pk = after
                logs = logs.filter(Q(created_at__lt=when) | Q(created_at=when, pk__lt=pk))
            found = list(logs[:PIECE])
        lines = csv_lines(HEADER, [_row(log) for log in found])
        if after is not None:
            next(lines)  # the header stands at the top alone
        yield "".join(lines)
        if len(found) < PIECE:
            return
        after = (found[-1].created_at, found[-1].pk)


def _row(log: AgentLog) -> tuple[Any, ...]:
    who = log.actor.display_name if log.actor else log.agent.name if log.agent else "LeadPilot"
    return (
        log.created_at.isoformat(timespec="seconds"),
        log.get_log_type_display(),
        log.action_type,
        log.message,
        log.reasoning,
        log.lead.name if log.lead else "",
        log.lead.email if log.lead else "",
        who,
        log.confidence,
    )


async def _asynchronous(pieces: Iterator[str]) -> AsyncIterator[str]:
    """The same under ASGI, where a plain iterator would be read whole before the first byte leaves."""
    following = sync_to_async(lambda: next(pieces, None))
    while (piece := await following()) is not None:
        yield piece
