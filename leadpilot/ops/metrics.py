"""`GET /metrics` for Prometheus: closed unless METRICS_TOKEN is set, read from the database at each scrape."""

from __future__ import annotations

import hmac
from collections.abc import Iterable

from django.conf import settings
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from leadpilot.ops import counts
from leadpilot.orgs.access import public
from leadpilot.version import VERSION


class _Figures(Collector):
    def collect(self) -> Iterable[Metric]:
        yield InfoMetricFamily("leadpilot_build", "Which LeadPilot answers.", value={"version": VERSION})
        yield from counts.count()

    def describe(self) -> Iterable[Metric]:
        return ()  # so that registering asks the database nothing


@public
@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """The figures of the whole installation, for `Authorization: Bearer METRICS_TOKEN`.

    Without the setting there is no such page; without the right token 401; 503 while the database is away.
    """
    if not settings.METRICS_TOKEN:
        raise Http404
    if not _is_allowed(request.headers.get("Authorization", "")):
        return HttpResponse(
            "A bearer token is needed: METRICS_TOKEN of this installation.\n",
            status=401,
            content_type="text/plain; charset=utf-8",
            headers={"WWW-Authenticate": 'Bearer realm="metrics"'},
        )
    registry = CollectorRegistry()
    registry.register(_Figures())
    try:
        return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
    except DatabaseError:
        response = HttpResponse(
            "The database does not answer.\n", status=503, content_type="text/plain; charset=utf-8"
        )
        response._has_been_logged = True  # type: ignore[attr-defined]  # asked again and again; readyz says the same
        return response


def _is_allowed(header: str) -> bool:
    """The comparison takes as long for a token that is nearly right as for one that is not."""
    scheme, _, token = header.partition(" ")
    given = hmac.compare_digest(token.strip().encode(), settings.METRICS_TOKEN.encode())
    return scheme.lower() == "bearer" and given
