"""What we say, to whom and when: a campaign and its steps (seed 000, sections 2.1 and 6.3)."""

from __future__ import annotations

from datetime import time

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from leadpilot.lib import clock
from leadpilot.orgs.tenancy import TenantForeignKey, TenantModel

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def working_days() -> list[str]:
    """Monday to Friday."""
    return list(WEEKDAYS[:5])


class CampaignStatus(models.TextChoices):
    DRAFT = "draft", "Draft"
    ACTIVE = "active", "Active"
    PAUSED = "paused", "Paused"
    COMPLETED = "completed", "Completed"
    ARCHIVED = "archived", "Archived"


class ApprovalMode(models.TextChoices):
    EVERY = "every", "Approve every mail"
    AUTOMATIC = "automatic", "Send what the gate allows"


class Campaign(TenantModel):
    """The sending window (`window_days`, start and end) is in the lead's own time zone."""

    class Kind(models.TextChoices):
        IMMEDIATE = "immediate", "Immediate"
        SCHEDULED = "scheduled", "Scheduled"
        DRIP = "drip", "Drip"

    mailboxes = models.ManyToManyField("campaigns.Mailbox", through="campaigns.CampaignMailbox", blank=True)
    created_by = models.ForeignKey(
        "orgs.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    goal = models.TextField(blank=True)
    offer = models.TextField(blank=True)
    tone = models.CharField(max_length=60, blank=True)
    audience = models.TextField(blank=True)
    call_to_action = models.CharField(max_length=200, blank=True)
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.DRIP)
    status = models.CharField(max_length=10, choices=CampaignStatus, default=CampaignStatus.DRAFT)
    approval_mode = models.CharField(max_length=10, choices=ApprovalMode, default=ApprovalMode.EVERY)
    enroll_automatically = models.BooleanField(default=True)
    window_days = ArrayField(
        models.CharField(max_length=9, choices=[(d, d.title()) for d in WEEKDAYS]), default=working_days
    )
    window_start = models.TimeField(default=time(9))
    window_end = models.TimeField(default=time(17))
    daily_cap = models.PositiveIntegerField(default=100)
    scheduled_for = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=CampaignStatus.values), name="campaign_status_known"
            ),
            models.CheckConstraint(
                condition=models.Q(kind__in=["immediate", "scheduled", "drip"]), name="campaign_kind_known"
            ),
            models.CheckConstraint(
                condition=models.Q(window_end__gt=models.F("window_start")), name="campaign_window_forward"
            ),
        ]
        indexes = [
            models.Index(fields=["org", "status", "-created_at"], name="campaign_by_status")
        ]  # the list

    def __str__(self) -> str:
        return self.name


class CampaignMailbox(TenantModel):
    """The pool of mailboxes a campaign sends from."""

    campaign = TenantForeignKey(Campaign, on_delete=models.CASCADE, related_name="pool")
    mailbox = TenantForeignKey("campaigns.Mailbox", on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["org", "campaign", "mailbox"], name="campaign_mailbox_once")
        ]


class StepType(models.TextChoices):
    INTRODUCTION = "introduction", "Introduction"
    VALUE_PROPOSITION = "value_proposition", "Value proposition"
    CASE_STUDY = "case_study", "Case study"
    SOFT_REMINDER = "soft_reminder", "Soft reminder"
    BREAKUP = "breakup", "Break-up"


class SequenceStep(TenantModel):
    """One mail of the sequence; `delay_days` are business days after the step before it."""

    campaign = TenantForeignKey(Campaign, on_delete=models.CASCADE, related_name="steps")
    number = models.PositiveSmallIntegerField(validators=[MinValueValidator(1), MaxValueValidator(5)])
    channel = models.CharField(
        max_length=10,
        choices=[(c, c.title()) for c in ("email", "whatsapp", "sms", "linkedin", "manual")],
        default="email",
    )
    delay_days = models.PositiveSmallIntegerField(default=3)
    type = models.CharField(max_length=20, choices=StepType)
    tone = models.CharField(max_length=30)
    personalization_depth = models.CharField(
        max_length=6, choices=[("high", "High"), ("medium", "Medium"), ("low", "Low")]
    )
    length = models.CharField(
        max_length=10, choices=[("very_short", "Very short"), ("short", "Short"), ("medium", "Medium")]
    )
    instructions = models.TextField(blank=True)

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["org", "campaign", "number"], name="step_number_once"),
            models.CheckConstraint(condition=models.Q(number__range=(1, 5)), name="step_number_range"),
        ]

    def __str__(self) -> str:
        return f"Step {self.number}: {self.get_type_display()}"
