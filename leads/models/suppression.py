"""Addresses and domains that are never written to."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Lower

from leadpilot.lib import clock
from leadpilot.orgs.tenancy import TenantModel


class SuppressionReason(models.TextChoices):
    UNSUBSCRIBED = "unsubscribed", "Unsubscribed"
    BOUNCED = "bounced", "Bounced"
    COMPLAINED = "complained", "Complained"
    MANUAL = "manual", "Added by a person"
    IMPORTED = "imported", "Imported"
    ERASED = "erased", "Erased"


class Suppression(TenantModel):
    """`value` is a full address (kind `email`) or a domain with all below it (kind `domain`), in lower case."""

    class Kind(models.TextChoices):
        EMAIL = "email", "Address"
        DOMAIN = "domain", "Domain"

    kind = models.CharField(max_length=6, choices=Kind, default=Kind.EMAIL)
    value = models.CharField(max_length=254)
    reason = models.CharField(max_length=12, choices=SuppressionReason)
    origin = models.CharField(max_length=200, blank=True)
    created_by = models.ForeignKey(
        "orgs.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["org", "kind", "value"], name="suppression_once"),
            models.CheckConstraint(condition=models.Q(value=Lower("value")), name="suppression_lower_case"),
            models.CheckConstraint(
                condition=models.Q(reason__in=SuppressionReason.values), name="suppression_reason_known"
            ),
            models.CheckConstraint(
                condition=models.Q(kind__in=["email", "domain"]), name="suppression_kind_known"
            ),
        ]

    def __str__(self) -> str:
        return self.value
