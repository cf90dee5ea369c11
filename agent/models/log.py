"""What the agent decided, did and saw; written once, never changed (seeds 002, section 12.3, and 004)."""

from __future__ import annotations

from django.db import models

from leadpilot.lib import clock
from leadpilot.orgs.tenancy import TenantForeignKey, TenantModel


class LogType(models.TextChoices):
    DECISION = "decision", "Decision"
    ACTION = "action", "Action"
    OBSERVATION = "observation", "Observation"
    LEARNING = "learning", "Learning"
    ERROR = "error", "Error"
    APPROVAL = "approval", "Approval"
    RULE_TRIGGERED = "rule_triggered", "Rule"


class AgentLog(TenantModel):
    agent = TenantForeignKey(
        "agent.Agent", null=True, blank=True, on_delete=models.SET_NULL, related_name="logs"
    )
    task = TenantForeignKey(
        "agent.AgentTask", null=True, blank=True, on_delete=models.SET_NULL, related_name="logs"
    )
    lead = TenantForeignKey(
        "leads.Lead", null=True, blank=True, on_delete=models.CASCADE, related_name="logs"
    )
    actor = models.ForeignKey("orgs.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    log_type = models.CharField(max_length=14, choices=LogType)
    action_type = models.CharField(max_length=40, blank=True)
    message = models.TextField()
    details = models.JSONField(default=dict, blank=True)
    reasoning = models.TextField(blank=True)
    confidence = models.FloatField(null=True, blank=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(log_type__in=LogType.values), name="log_type_known")
        ]
        indexes = [
            models.Index(fields=["org", "-created_at"], name="log_recent"),  # recent activity
            models.Index(fields=["org", "lead", "-created_at"], name="log_of_lead"),  # timeline
            models.Index(fields=["org", "task"], name="log_of_task"),  # task detail
        ]

    def __str__(self) -> str:
        return self.message


class Decision(TenantModel):
    """The situation a gate saw, its verdict and its trace: the "why" of every automatic act."""

    task = TenantForeignKey(
        "agent.AgentTask", null=True, blank=True, on_delete=models.SET_NULL, related_name="decisions"
    )
    lead = TenantForeignKey(
        "leads.Lead", null=True, blank=True, on_delete=models.CASCADE, related_name="decisions"
    )
    draft = TenantForeignKey(
        "agent.Draft", null=True, blank=True, on_delete=models.CASCADE, related_name="decisions"
    )
    message = TenantForeignKey(
        "campaigns.Message", null=True, blank=True, on_delete=models.CASCADE, related_name="decisions"
    )
    actor = models.ForeignKey("orgs.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    action = models.CharField(max_length=40)
    situation = models.JSONField(default=dict)
    outcome = models.CharField(
        max_length=8, choices=[(o, o.title()) for o in ("allow", "deny", "defer", "ask", "escalate")]
    )
    reasons = models.JSONField(default=list)
    until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        indexes = [
            models.Index(fields=["org", "lead", "-created_at"], name="decision_of_lead")
        ]  # the why of a lead

    def __str__(self) -> str:
        return f"{self.action}: {self.outcome}"
