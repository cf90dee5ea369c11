"""Counters that make a cap exact under concurrency."""

from __future__ import annotations

from django.db import models

from leadpilot.orgs.tenancy import TenantModel


class Quota(TenantModel):
    """How much of a cap is used on one local day (or hour): raised only by a conditional upsert, given back when
    nothing was sent. `scope` says what is counted: `org`, `mailbox:<id>`, `campaign:<id>`, `leads`, `actions`."""

    scope = models.CharField(max_length=60)
    period = models.CharField(max_length=13)
    used = models.PositiveIntegerField(default=0)
    cap = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Of a registered cap, as it was set last; the others stand on rows of their own.",
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["org", "scope", "period"], name="quota_once")]

    def __str__(self) -> str:
        return f"{self.scope} {self.period}: {self.used}"
