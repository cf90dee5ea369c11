"""The agent's work: a row with a status and a "not before" (seeds 002, section 12.3, and 004)."""

from __future__ import annotations

from django.db import models

from leadpilot.lib import clock
from leadpilot.orgs.tenancy import TenantForeignKey, TenantModel


class TaskType(models.TextChoices):
    FIND_LEADS = "find_leads", "Find leads"
    ENRICH_LEAD = "enrich_lead", "Research a lead"
    GENERATE_SEQUENCE = "generate_sequence", "Write a sequence"
    SEND_MESSAGE = "send_message", "Send a message"
    CHECK_INBOX = "check_inbox", "Check the inbox"
    CLASSIFY_REPLY = "classify_reply", "Read a reply"
    RESPOND_TO_REPLY = "respond_to_reply", "Answer a reply"
    BOOK_MEETING = "book_meeting", "Book a meeting"
    FOLLOW_UP = "follow_up", "Follow up"
    REPORT = "report", "Report"


class TaskStatus(models.TextChoices):
    PENDING = "pending", "Pending"
    RUNNING = "running", "Running"
    AWAITING_APPROVAL = "awaiting_approval", "Awaiting approval"
    COMPLETED = "completed", "Completed"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


class AgentTask(TenantModel):
    """`attempts` is counted at the claim, so a task that kills its worker is parked too; `retry_count` counts
    failures that were reported. `dedupe_key` makes the same work one open task. Only the holder of the lease
    (`lease_owner` and `attempts`) may finish it."""

    agent = TenantForeignKey(
        "agent.Agent", null=True, blank=True, on_delete=models.SET_NULL, related_name="tasks"
    )
    campaign = TenantForeignKey(
        "campaigns.Campaign", null=True, blank=True, on_delete=models.CASCADE, related_name="tasks"
    )
    lead = TenantForeignKey(
        "leads.Lead", null=True, blank=True, on_delete=models.CASCADE, related_name="tasks"
    )
    message = TenantForeignKey(
        "campaigns.Message", null=True, blank=True, on_delete=models.CASCADE, related_name="tasks"
    )
    inbox_message = TenantForeignKey(
        "campaigns.InboundMessage", null=True, blank=True, on_delete=models.CASCADE, related_name="tasks"
    )
    approved_by = models.ForeignKey(
        "orgs.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    task_type = models.CharField(max_length=20, choices=TaskType)
    priority = models.IntegerField(default=0)
    dedupe_key = models.CharField(max_length=120, blank=True)
    input_data = models.JSONField(default=dict, blank=True)
    output_data = models.JSONField(null=True, blank=True)
    status = models.CharField(max_length=18, choices=TaskStatus, default=TaskStatus.PENDING)
    requires_approval = models.BooleanField(default=False)
    rejection_reason = models.TextField(blank=True)
    error_message = models.TextField(blank=True)
    retry_count = models.PositiveSmallIntegerField(default=0)
    max_retries = models.PositiveSmallIntegerField(default=3)
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_owner = models.CharField(max_length=80, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    scheduled_for = models.DateTimeField(default=clock.now)
    approved_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(task_type__in=TaskType.values), name="task_type_known"),
            models.CheckConstraint(
                condition=models.Q(status__in=TaskStatus.values), name="task_status_known"
            ),
            models.CheckConstraint(
                condition=~models.Q(status="running") | models.Q(lease_until__isnull=False),
                name="task_running_has_lease",
            ),
            models.UniqueConstraint(
                fields=["org", "dedupe_key"],
                condition=~models.Q(dedupe_key="")
                & models.Q(status__in=["pending", "running", "awaiting_approval"]),
                name="task_open_once",
            ),
        ]
        indexes = [
            models.Index(
                fields=["org", "-priority", "scheduled_for"],
                condition=models.Q(status="pending"),
                name="task_due",
            ),  # the claim
            models.Index(
                fields=["org", "-priority", "scheduled_for"],
                condition=models.Q(status="pending", attempts__gt=0),
                name="task_again",
            ),  # the claim of what was tried before
            models.Index(
                fields=["lease_until"], condition=models.Q(status="running"), name="task_leased"
            ),  # the reaper
            models.Index(fields=["org", "-created_at"], name="task_recent"),  # the task page
        ]

    def __str__(self) -> str:
        return f"{self.get_task_type_display()} ({self.status})"
