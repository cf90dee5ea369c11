"""How the agent of an organization behaves (seed 002, section 12.3), and its crew (seed 004)."""

from __future__ import annotations

from datetime import time

from django.contrib.postgres.fields import ArrayField
from django.db import models

from campaigns.models.campaign import WEEKDAYS, working_days
from leadpilot.lib import clock
from leadpilot.lib.secrets import HasSecrets, SecretField
from leadpilot.orgs.tenancy import TenantModel


class ConfigStatus(models.TextChoices):
    IDLE = "idle", "Idle"
    RUNNING = "running", "Running"
    PAUSED = "paused", "Stopped"
    ERROR = "error", "Error"


def default_approvals() -> list[str]:
    """What a person has to approve unless they say otherwise."""
    return ["send_message", "book_meeting"]


class AgentConfig(HasSecrets, TenantModel):
    """One an organization. `name` to `notify_slack_webhook` are the seed's fields with its defaults."""

    name = models.CharField(max_length=100, default="LeadPilot Agent")
    is_enabled = models.BooleanField(default=False)
    status = models.CharField(max_length=8, choices=ConfigStatus, default=ConfigStatus.IDLE)
    status_reason = models.TextField(blank=True)
    llm_provider = models.CharField(max_length=40, default="anthropic")
    llm_model = models.CharField(max_length=80, blank=True)
    temperature = models.FloatField(default=0.7)
    schedule_enabled = models.BooleanField(default=True)
    schedule_timezone = models.CharField(max_length=64, default="UTC")
    schedule_days = ArrayField(
        models.CharField(max_length=9, choices=[(d, d.title()) for d in WEEKDAYS]), default=working_days
    )
    schedule_start_time = models.TimeField(default=time(9))
    schedule_end_time = models.TimeField(default=time(17))
    max_leads_per_day = models.PositiveIntegerField(default=50)
    max_messages_per_day = models.PositiveIntegerField(default=100)
    max_actions_per_hour = models.PositiveIntegerField(default=20)
    auto_respond_to_positive = models.BooleanField(default=False)
    auto_respond_to_questions = models.BooleanField(default=True)
    auto_book_meetings = models.BooleanField(default=False)
    require_approval_for = ArrayField(models.CharField(max_length=40), default=default_approvals, blank=True)
    minimum_confidence = models.FloatField(default=0.6)
    score_threshold = models.PositiveSmallIntegerField(default=45)
    score_weights = models.JSONField(default=dict, blank=True)
    notify_on_positive_reply = models.BooleanField(default=True)
    notify_on_meeting_booked = models.BooleanField(default=True)
    notify_on_error = models.BooleanField(default=True)
    notify_email = models.EmailField(blank=True)
    notify_slack_webhook = SecretField(blank=True)  # whoever knows it can write into the channel
    created_at = models.DateTimeField(default=clock.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["org"], name="agent_config_once"),
            models.CheckConstraint(
                condition=models.Q(status__in=ConfigStatus.values), name="agent_config_status_known"
            ),
            models.CheckConstraint(
                condition=models.Q(minimum_confidence__range=(0, 1)), name="agent_config_confidence_range"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class AgentType(models.TextChoices):
    SCOUT = "scout", "Scout"
    RESEARCH = "research", "Researcher"
    OUTREACH = "outreach", "Writer"
    SENDER = "sender", "Sender"
    READER = "reader", "Reader"
    FOLLOWUP = "followup", "Follow-up"
    BOOKER = "booker", "Booker"
    PLANNING = "planning", "Planner"
    LEARNER = "learner", "Learner"


class Agent(TenantModel):
    """One of the crew (seed 004's `ai_agents`)."""

    class Status(models.TextChoices):
        IDLE = "idle", "Idle"
        ACTIVE = "active", "Active"
        WAITING_APPROVAL = "waiting_approval", "Waiting for approval"
        PAUSED = "paused", "Paused"
        ERROR = "error", "Error"

    agent_type = models.CharField(max_length=10, choices=AgentType)
    name = models.CharField(max_length=80)
    status = models.CharField(max_length=16, choices=Status, default=Status.IDLE)
    config = models.JSONField(default=dict, blank=True)
    capabilities = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    last_active_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["org", "agent_type"], name="agent_type_once"),
            models.CheckConstraint(
                condition=models.Q(agent_type__in=AgentType.values), name="agent_type_known"
            ),
        ]

    def __str__(self) -> str:
        return self.name
