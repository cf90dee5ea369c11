"""What calls to the model took, for the books."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from uuid import UUID

from agent.llm import Spent
from leads.models import ApiUsage


def record_usage(*, org_id: UUID, lead_id: UUID | None, spent: Iterable[Spent]) -> None:
    """Keep one row a call, also for a call that came to nothing. Inside the caller's transaction."""
    ApiUsage.objects.bulk_create(
        ApiUsage(
            org_id=org_id,
            lead_id=lead_id,
            service="model",
            endpoint=f"{call.purpose} {call.model}".strip()[:200],
            tokens_used=call.tokens_used,
            cost_cents=Decimal(str(round(call.cost_cents, 6))),
            response_time_ms=call.elapsed_ms,
            error=call.error,
        )
        for call in spent
    )
