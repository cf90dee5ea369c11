"""Whether this process is up (`/healthz`) and whether LeadPilot can work (`/readyz`)."""

from __future__ import annotations

from datetime import timedelta

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models.functions import Now
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from leadpilot.lib import canary
from leadpilot.orgs.access import public
from leadpilot.orgs.models import RecurringJob
from leadpilot.schedules import DISPATCHER


@public
@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """200 as long as this process answers; asks nothing of anyone else."""
    return JsonResponse({"status": "ok"})


@public
@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when the database answers, its migrations are applied and a worker lives; else 503 that says which
    is not.
    """
    checks = {"database": "unknown", "migrations": "unknown", "worker": "unknown"}
    try:
        connection.ensure_connection()
        checks["database"] = "ok"
        checks["migrations"] = "ok" if _migrated() else "Some are not applied: manage.py migrate."
        if checks["migrations"] == "ok":
            alive = _worker_alive()
            checks["worker"] = "ok" if alive else f"No sign of life for {canary.SILENCE:.0f} seconds."
    except DatabaseError:
        checks["database"] = "It does not answer."
    ready = set(checks.values()) == {"ok"}
    body = {"status": "ready" if ready else "unavailable", "checks": checks}
    response = JsonResponse(body, status=200 if ready else 503)
    response._has_been_logged = True  # type: ignore[attr-defined]  # asked every second, it is no error to log
    return response


_applied: set[bool] = set()


def _migrated() -> bool:
    """Whether all migrations are applied; asked until it is so, since a newer schema cannot come under a
    running process.
    """
    if not _applied:
        executor = MigrationExecutor(connection)
        if not executor.migration_plan(executor.loader.graph.leaf_nodes()):
            _applied.add(True)
    return bool(_applied)


def _worker_alive() -> bool:
    """A worker on any machine ran the dispatcher lately, or one on this machine is busy with a long job."""
    fresh = Now() - timedelta(seconds=canary.SILENCE)
    if RecurringJob.objects.filter(name=DISPATCHER, last_started_at__gt=fresh).exists():
        return True
    return canary.busy_here()
