"""One file of leads, from upload to result."""

from __future__ import annotations

from django.db import models

from leadpilot.lib import clock
from leadpilot.orgs.tenancy import TenantForeignKey, TenantModel


class ImportStatus(models.TextChoices):
    UPLOADED = "uploaded", "Uploaded"
    RUNNING = "running", "Running"
    COMPLETED = "completed", "Completed"
    FAILED = "failed", "Failed"


class LeadImport(TenantModel):
    """`mapping` is {column title: lead field, "custom" or ""}.

    `content` is the file until it has been read; without content the file was read by the command line. `processed` and
    the counts move with each batch, in its transaction, so that another worker can go on where one died.
    """

    created_by = models.ForeignKey("orgs.User", null=True, on_delete=models.SET_NULL, related_name="+")
    file_name = models.CharField(max_length=255)
    content = models.BinaryField(null=True)
    encoding = models.CharField(max_length=40, blank=True)
    delimiter = models.CharField(max_length=4, blank=True)
    mapping = models.JSONField(default=dict)
    update_existing = models.BooleanField(default=True)
    status = models.CharField(max_length=10, choices=ImportStatus, default=ImportStatus.UPLOADED)
    failure = models.TextField(blank=True)
    total = models.PositiveIntegerField(default=0)
    processed = models.PositiveIntegerField(default=0)
    created = models.PositiveIntegerField(default=0)
    updated = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    rejected = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    started_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=ImportStatus.values), name="import_status_known"
            )
        ]
        indexes = [models.Index(fields=["org", "-created_at"], name="import_recent")]  # the import page

    def __str__(self) -> str:
        return self.file_name


class ImportProblem(TenantModel):
    """Why a row was not taken, or a value of it; `row` is its number in the spreadsheet."""

    class Outcome(models.TextChoices):
        REJECTED = "rejected", "Rejected"
        SKIPPED = "skipped", "Skipped"

    lead_import = TenantForeignKey(LeadImport, on_delete=models.CASCADE, related_name="problems")
    outcome = models.CharField(max_length=8, choices=Outcome)
    row = models.PositiveIntegerField()
    field = models.CharField(max_length=40)
    value = models.TextField(blank=True)
    message = models.TextField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(outcome__in=["rejected", "skipped"]), name="import_problem_outcome_known"
            )
        ]
        indexes = [
            models.Index(fields=["org", "lead_import", "row"], name="problems_of_import")
        ]  # result, download

    def __str__(self) -> str:
        return f"row {self.row}: {self.message}"
