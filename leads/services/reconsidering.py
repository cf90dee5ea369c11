"""A skipped lead is looked at again when something new is known about them (seed 000, section 2.2)."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.db import transaction

from leadpilot.orgs import services as orgs
from leadpilot.orgs.models import Organization, User
from leads.models import TRANSITIONS, Lead, LeadStatus

RECONSIDERED = "Something new is known: looked at again."


@transaction.atomic
def reconsider(*, org: Organization, lead_ids: Collection[UUID], by: User | None = None) -> int:
    """Those of these leads that were skipped are new again, so that they are researched anew; returns how many.

    All others stay as they are: who is closed, written to or being researched is not touched.
    """
    sources = [status for status, targets in TRANSITIONS.items() if LeadStatus.NEW in targets]
    skipped = Lead.objects.for_org(org).filter(pk__in=lead_ids, status__in=sources)
    found = dict(skipped.select_for_update(of=("self",)).order_by("pk").values_list("pk", "skip_reason"))
    Lead.objects.for_org(org).filter(pk__in=found).update(status=LeadStatus.NEW, skip_reason="")
    orgs.record_many(
        org=org,
        actor=by,
        action="lead.reconsidered",
        message=RECONSIDERED,
        subject_type=Lead._meta.label_lower,
        details={pk: {"was_skipped_because": reason} for pk, reason in found.items()},
    )
    return len(found)
