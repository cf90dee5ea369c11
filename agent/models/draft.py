"""A proposal that people and the gate look at (seed 004's `agent_outreach_drafts`)."""

from __future__ import annotations

from django.db import models

from leadpilot.lib import clock
from leadpilot.orgs.tenancy import TenantForeignKey, TenantModel


class DraftStatus(models.TextChoices):
    DRAFT = "draft", "Draft"
    PENDING_APPROVAL = "pending_approval", "Waiting for approval"
    APPROVED = "approved", "Approved"
    SENT = "sent", "Sent"
    REJECTED = "rejected", "Rejected"
    WITHDRAWN = "withdrawn", "Withdrawn"


class Draft(TenantModel):
    """`sentences` is the grounding: a list of {"text", "fact_ids", "supported", "personal"} that, joined, is the body.

    `version` grows with each edit; approving names the version that was seen, and `content_hash`
    (`campaigns.rendering.content_hash`) binds subject, body, sender and recipient."""

    agent = TenantForeignKey(
        "agent.Agent", null=True, blank=True, on_delete=models.SET_NULL, related_name="drafts"
    )
    task = TenantForeignKey(
        "agent.AgentTask", null=True, blank=True, on_delete=models.SET_NULL, related_name="drafts"
    )
    lead = TenantForeignKey("leads.Lead", on_delete=models.CASCADE, related_name="drafts")
    campaign = TenantForeignKey(
        "campaigns.Campaign", null=True, blank=True, on_delete=models.CASCADE, related_name="drafts"
    )
    enrollment = TenantForeignKey(
        "campaigns.Enrollment", null=True, blank=True, on_delete=models.CASCADE, related_name="drafts"
    )
    message = TenantForeignKey(
        "campaigns.Message", null=True, blank=True, on_delete=models.SET_NULL, related_name="drafts"
    )
    in_reply_to = TenantForeignKey(
        "campaigns.InboundMessage", null=True, blank=True, on_delete=models.CASCADE, related_name="drafts"
    )
    decided_by = models.ForeignKey(
        "orgs.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    channel = models.CharField(
        max_length=10,
        choices=[("email", "Email"), ("linkedin", "LinkedIn"), ("other", "Other")],
        default="email",
    )
    step_number = models.PositiveSmallIntegerField(null=True, blank=True)
    subject = models.CharField(max_length=300, blank=True)
    message_body = models.TextField()
    original_subject = models.CharField(max_length=300, blank=True)
    original_body = models.TextField(blank=True)
    sentences = models.JSONField(default=list, blank=True)
    personalization_context = models.JSONField(default=dict, blank=True)
    quality_score = models.FloatField(null=True, blank=True)
    quality_reasons = models.JSONField(default=list, blank=True)
    has_unsupported = models.BooleanField(default=False)
    version = models.PositiveSmallIntegerField(default=1)
    content_hash = models.CharField(max_length=64, blank=True)
    ai_model_used = models.CharField(max_length=80, blank=True)
    ai_prompt_version = models.CharField(max_length=40, blank=True)
    status = models.CharField(max_length=16, choices=DraftStatus, default=DraftStatus.DRAFT)
    rejection_reason = models.TextField(blank=True)
    withdrawn_reason = models.TextField(blank=True)
    approved_at = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=DraftStatus.values), name="draft_status_known"
            ),
            models.UniqueConstraint(
                fields=["org", "enrollment", "step_number"],
                condition=models.Q(status__in=["draft", "pending_approval", "approved", "sent"]),
                name="draft_one_open_a_step",
            ),
            models.UniqueConstraint(
                fields=["org", "in_reply_to"],
                condition=models.Q(status__in=["draft", "pending_approval", "approved", "sent"]),
                name="draft_one_open_an_answer",
            ),
        ]
        indexes = [
            models.Index(
                fields=["org", "created_at"],
                condition=models.Q(status="pending_approval"),
                name="draft_pending",
            ),  # the approval queue
            models.Index(fields=["org", "lead", "-created_at"], name="draft_of_lead"),  # lead detail
            models.Index(
                fields=["org", "status"],
                condition=models.Q(status__in=["draft", "pending_approval", "approved"]),
                name="draft_open",
            ),  # what bookkeeping may still move; the many that were sent are not looked at
        ]

    def __str__(self) -> str:
        return self.subject or self.message_body[:60]
