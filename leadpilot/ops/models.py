"""What a restore leaves to be done: each mailbox's Sent folder has to be compared with the restored rows."""

from __future__ import annotations

from django.db import models

from leadpilot.lib import clock
from leadpilot.orgs.tenancy import TenantForeignKey, TenantModel


class SentCheckStatus(models.TextChoices):
    WAITING = "waiting", "Not compared yet"
    COMPARED = "compared", "Compared"
    RELEASED = "released", "Released by a person"


class SentCheck(TenantModel):
    """While one waits, nothing of its organization leaves. `bookmark` is how far the mailbox was read at the backup,
    `problem` why Sent could not prove anything; `found` and `unknown_found` count mails that had left since.
    """

    mailbox = TenantForeignKey("campaigns.Mailbox", on_delete=models.CASCADE, related_name="sent_checks")
    finished_by = models.ForeignKey(
        "orgs.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    status = models.CharField(max_length=8, choices=SentCheckStatus, default=SentCheckStatus.WAITING)
    problem = models.TextField(blank=True)
    bookmark = models.JSONField(default=dict, blank=True)
    found = models.PositiveIntegerField(default=0)
    unknown_found = models.PositiveIntegerField(default=0)
    backup_at = models.DateTimeField()
    tried_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["org", "mailbox"], condition=models.Q(status="waiting"), name="sent_check_once"
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=SentCheckStatus.values), name="sent_check_status_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.mailbox_id}: {self.get_status_display()}"
