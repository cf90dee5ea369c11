"""One lead on its way through one campaign."""

from __future__ import annotations

from django.db import models

from leadpilot.lib import clock
from leadpilot.orgs.tenancy import TenantForeignKey, TenantModel


class EnrollmentStatus(models.TextChoices):
    ACTIVE = "active", "Active"
    PAUSED = "paused", "Paused"
    COMPLETED = "completed", "Completed"
    STOPPED = "stopped", "Stopped"


class StopReason(models.TextChoices):
    REPLIED = "replied", "The lead answered"
    BOUNCED = "bounced", "The address bounced"
    UNSUBSCRIBED = "unsubscribed", "The lead unsubscribed"
    SUPPRESSED = "suppressed", "The address is on the suppression list"
    MEETING = "meeting", "A meeting was booked"
    REJECTED = "rejected", "A person rejected the sequence"
    REMOVED = "removed", "A person removed the lead"
    ARCHIVED = "archived", "The lead or the campaign was archived"
    RULE = "rule", "A rule stopped it"
    REFUSED = "refused", "The mail was refused"


class Enrollment(TenantModel):
    """`next_step` is the number of the step to send next; `next_step_at` when it is due; `next_reason` says why then.
    `resumed_at` is when a pause last ended: answers older than that stop nothing any more.
    """

    campaign = TenantForeignKey("campaigns.Campaign", on_delete=models.CASCADE, related_name="enrollments")
    lead = TenantForeignKey("leads.Lead", on_delete=models.CASCADE, related_name="enrollments")
    mailbox = TenantForeignKey(
        "campaigns.Mailbox", null=True, blank=True, on_delete=models.SET_NULL, related_name="enrollments"
    )
    status = models.CharField(max_length=10, choices=EnrollmentStatus, default=EnrollmentStatus.ACTIVE)
    stop_reason = models.CharField(max_length=12, choices=StopReason, blank=True)
    stop_note = models.TextField(blank=True)
    next_step = models.PositiveSmallIntegerField(default=1)
    next_step_at = models.DateTimeField(null=True, blank=True)
    next_reason = models.TextField(blank=True)
    resumed_at = models.DateTimeField(null=True, blank=True)
    enrolled_at = models.DateTimeField(default=clock.now, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["org", "campaign", "lead"], name="enrollment_once"),
            models.UniqueConstraint(
                fields=["org", "lead"],
                condition=models.Q(status__in=["active", "paused"]),
                name="enrollment_one_running",
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=EnrollmentStatus.values), name="enrollment_status_known"
            ),
            models.CheckConstraint(
                condition=models.Q(status="stopped", stop_reason__in=StopReason.values)
                | (~models.Q(status="stopped") & models.Q(stop_reason="")),
                name="enrollment_stop_has_reason",
            ),
        ]
        indexes = [
            models.Index(
                fields=["org", "next_step_at"], condition=models.Q(status="active"), name="enrollment_due"
            ),  # the sequencer
            models.Index(
                fields=["org", "campaign", "status"], name="enrollment_of_campaign"
            ),  # campaign detail
        ]

    def __str__(self) -> str:
        return f"{self.lead_id} in {self.campaign_id}"
