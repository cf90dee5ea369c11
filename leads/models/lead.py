"""A person we may write to (seed 000, section 4.1)."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Lower

from leadpilot.lib import clock
from leadpilot.orgs.tenancy import TenantForeignKey, TenantModel, TenantQuerySet


class LeadStatus(models.TextChoices):
    NEW = "new", "New"
    RESEARCHING = "researching", "Researching"
    RESEARCHED = "researched", "Researched"
    SKIPPED = "skipped", "Skipped"
    EMAILED = "emailed", "Emailed"
    REPLIED = "replied", "Replied"
    MEETING = "meeting", "Meeting"
    UNSUBSCRIBED = "unsubscribed", "Unsubscribed"
    BOUNCED = "bounced", "Bounced"
    ARCHIVED = "archived", "Archived"


# From → to, before the first mail; who is skipped is looked at again when something new is known, or when a person asks.
# Later statuses are reached from any open one; closed ones are left by no one.
TRANSITIONS: dict[str, tuple[str, ...]] = {
    LeadStatus.NEW: (LeadStatus.RESEARCHING, LeadStatus.SKIPPED),
    LeadStatus.RESEARCHING: (LeadStatus.RESEARCHED, LeadStatus.SKIPPED),
    LeadStatus.RESEARCHED: (LeadStatus.RESEARCHING, LeadStatus.SKIPPED),
    LeadStatus.SKIPPED: (LeadStatus.RESEARCHING, LeadStatus.RESEARCHED, LeadStatus.NEW),
}
# Once here, the machine writes to this person no more.
CLOSED_STATUSES = (LeadStatus.UNSUBSCRIBED, LeadStatus.BOUNCED, LeadStatus.ARCHIVED)

EMAIL_PATTERN = r"^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}$"


class LeadQuerySet(TenantQuerySet["Lead"]):
    def open(self) -> LeadQuerySet:
        """Leads the machine may still act on."""
        return self.exclude(status__in=CLOSED_STATUSES)


class Lead(TenantModel):
    company_profile = TenantForeignKey(
        "leads.Company", null=True, blank=True, on_delete=models.SET_NULL, related_name="leads"
    )
    owner = models.ForeignKey("orgs.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    lead_import = TenantForeignKey(
        "leads.LeadImport",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="leads",
        db_index=False,
    )
    name = models.CharField(max_length=100)
    email = models.EmailField(max_length=254)
    company = models.CharField(max_length=200, blank=True)
    title = models.CharField(max_length=200, blank=True)
    linkedin_url = models.URLField(max_length=500, blank=True)
    website_url = models.URLField(max_length=500, blank=True)
    ig_url = models.URLField(max_length=500, blank=True)
    twitter_url = models.URLField(max_length=500, blank=True)
    phone = models.CharField(max_length=40, blank=True)
    whatsapp = models.CharField(max_length=40, blank=True)
    location = models.CharField(max_length=200, blank=True)
    time_zone = models.CharField(max_length=64, blank=True)
    tags = ArrayField(models.CharField(max_length=60), default=list, blank=True)
    source = models.CharField(max_length=120, blank=True)
    custom_fields = models.JSONField(default=dict, blank=True)
    lawful_basis = models.CharField(max_length=60, blank=True)
    consent_source = models.CharField(max_length=200, blank=True)
    status = models.CharField(max_length=12, choices=LeadStatus, default=LeadStatus.NEW)
    skip_reason = models.TextField(blank=True)
    score = models.PositiveSmallIntegerField(default=0)
    score_breakdown = models.JSONField(default=dict, blank=True)
    relationship_strength = models.FloatField(default=0)
    last_interaction_at = models.DateTimeField(null=True, blank=True)
    researched_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = LeadQuerySet.as_manager()  # type: ignore[misc]

    class Meta:
        constraints = [
            models.UniqueConstraint("org", Lower("email"), name="lead_email_once"),
            models.CheckConstraint(condition=models.Q(email__iregex=EMAIL_PATTERN), name="valid_email"),
            models.CheckConstraint(
                condition=models.Q(status__in=LeadStatus.values), name="lead_status_known"
            ),
            models.CheckConstraint(condition=models.Q(score__range=(0, 100)), name="lead_score_range"),
            models.CheckConstraint(
                condition=models.Q(relationship_strength__range=(0, 1)), name="lead_relationship_range"
            ),
        ]
        indexes = [
            models.Index(fields=["org", "lead_import"], name="lead_of_import"),
            models.Index(fields=["org", "status", "-created_at"], name="lead_by_status"),  # list and board
            models.Index(fields=["org", "-created_at"], name="lead_recent"),  # list without a filter
        ]

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>"

    @property
    def first_name(self) -> str:
        """The first word of the name."""
        return self.name.split()[0] if self.name.split() else ""

    @property
    def email_domain(self) -> str:
        """The part of the address after the @, in lower case."""
        return self.email.rpartition("@")[2].lower()


class Note(TenantModel):
    lead = TenantForeignKey(Lead, on_delete=models.CASCADE, related_name="notes")
    author = models.ForeignKey("orgs.User", null=True, on_delete=models.SET_NULL, related_name="+")
    text = models.TextField()
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        indexes = [models.Index(fields=["org", "lead", "-created_at"], name="note_of_lead")]  # the timeline

    def __str__(self) -> str:
        return self.text[:60]
