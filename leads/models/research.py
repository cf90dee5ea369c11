"""What was read about a lead, and what was learned from it (seed 000, sections 4.2, 4.4 and 6.2)."""

from __future__ import annotations

from django.db import models

from leadpilot.lib import clock
from leadpilot.orgs.tenancy import TenantForeignKey, TenantModel


class PageStatus(models.TextChoices):
    OK = "ok", "Read"
    EMPTY = "empty", "Nothing to read"
    FAILED = "failed", "Could not be read"
    REFUSED = "refused", "Refused"


class Page(TenantModel):
    """One page as it was when it was fetched. `text` is its main text; quotes are found in it word for word."""

    company = TenantForeignKey(
        "leads.Company", null=True, blank=True, on_delete=models.CASCADE, related_name="pages"
    )
    lead = TenantForeignKey(
        "leads.Lead", null=True, blank=True, on_delete=models.CASCADE, related_name="pages"
    )
    url = models.URLField(max_length=2000)
    final_url = models.URLField(max_length=2000, blank=True)
    title = models.CharField(max_length=300, blank=True)
    status = models.CharField(max_length=8, choices=PageStatus, default=PageStatus.OK)
    http_status = models.PositiveSmallIntegerField(null=True, blank=True)
    failure = models.TextField(blank=True)
    text = models.TextField(blank=True)
    text_hash = models.CharField(max_length=64, blank=True)
    extracted = models.JSONField(default=dict, blank=True)
    rendered = models.BooleanField(default=False)
    elapsed_ms = models.PositiveIntegerField(default=0)
    fetched_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(status__in=PageStatus.values), name="page_status_known")
        ]
        indexes = [
            models.Index(fields=["org", "company", "-fetched_at"], name="page_of_company"),  # cached research
            models.Index(fields=["org", "lead", "-fetched_at"], name="page_of_lead"),  # lead detail
        ]

    def __str__(self) -> str:
        return self.title or self.url


class ResearchTool(models.TextChoices):
    GOOGLE_SEARCH = "google_search", "Web search"
    BROWSERUSE = "browseruse", "Web pages"
    APIFY = "apify", "Apify"
    MANUAL = "manual", "By hand"


class LeadResearch(TenantModel):
    lead = TenantForeignKey("leads.Lead", on_delete=models.CASCADE, related_name="research")
    tool_used = models.CharField(max_length=20, choices=ResearchTool)
    tool_version = models.CharField(max_length=40, blank=True)
    research_data = models.JSONField(default=dict)
    research_notes = models.TextField(blank=True)
    personalization_context = models.TextField(blank=True)
    data_quality_score = models.PositiveSmallIntegerField(null=True, blank=True)
    processing_time_ms = models.PositiveIntegerField(null=True, blank=True)
    cost_cents = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        verbose_name_plural = "lead research"
        constraints = [
            models.CheckConstraint(condition=models.Q(tool_used__in=ResearchTool.values), name="valid_tool"),
            models.CheckConstraint(
                condition=models.Q(data_quality_score__isnull=True)
                | models.Q(data_quality_score__range=(0, 100)),
                name="research_quality_range",
            ),
        ]
        indexes = [
            models.Index(fields=["org", "lead", "-created_at"], name="research_of_lead")
        ]  # its history

    def __str__(self) -> str:
        return f"{self.tool_used} for {self.lead_id}"


class FactCategory(models.TextChoices):
    """The tokens of seed 000, section 6.2, and the plain company and person facts under them."""

    COMPANY_INFO = "company_info", "About the company"
    RECENT_NEWS = "recent_news", "Recent news"
    COMPANY_ACHIEVEMENT = "company_achievement", "Achievement"
    SHARED_CONNECTION = "shared_connection", "Shared connection"
    LINKEDIN_POST = "linkedin_post", "LinkedIn post"
    TWITTER_ACTIVITY = "twitter_activity", "Twitter activity"
    WEBSITE_VISITS = "website_visits", "Website visits"
    INDUSTRY_TREND = "industry_trend", "Industry trend"
    COMPETITOR_MENTION = "competitor_mention", "Competitor mention"
    PAIN_POINT = "pain_point", "Pain point"
    RECENT_ACTIVITY = "recent_activity", "Recent activity"
    PERSONAL_INTERESTS = "personal_interests", "Personal interests"
    PERSON_ROLE = "person_role", "Role"


class Fact(TenantModel):
    """A statement with the words it rests on. `quote` stands in the page's text, letter by letter."""

    page = TenantForeignKey(Page, on_delete=models.CASCADE, related_name="facts")
    company = TenantForeignKey(
        "leads.Company", null=True, blank=True, on_delete=models.CASCADE, related_name="facts"
    )
    lead = TenantForeignKey(
        "leads.Lead", null=True, blank=True, on_delete=models.CASCADE, related_name="facts"
    )
    category = models.CharField(max_length=24, choices=FactCategory)
    statement = models.TextField()
    quote = models.TextField()
    source_url = models.URLField(max_length=2000)
    dated = models.DateField(null=True, blank=True)
    confidence = models.FloatField(default=0.5)
    retrieved_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(category__in=FactCategory.values), name="fact_category_known"
            ),
            models.CheckConstraint(
                condition=models.Q(confidence__range=(0, 1)), name="fact_confidence_range"
            ),
            models.CheckConstraint(
                condition=~models.Q(quote="") & ~models.Q(source_url=""), name="fact_has_source"
            ),
        ]
        indexes = [
            models.Index(fields=["org", "lead"], name="fact_of_lead"),  # evidence of a draft
            models.Index(fields=["org", "company"], name="fact_of_company"),  # shared by the company's leads
        ]

    def __str__(self) -> str:
        return self.statement


class ApiUsage(TenantModel):
    """One paid or limited call; money as a decimal, since a call costs less than a cent."""

    timestamp = models.DateTimeField(default=clock.now)
    service = models.CharField(max_length=40)
    endpoint = models.CharField(max_length=200, blank=True)
    tokens_used = models.PositiveIntegerField(null=True, blank=True)
    cost_cents = models.DecimalField(max_digits=12, decimal_places=6, default=0)
    lead = TenantForeignKey("leads.Lead", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    response_time_ms = models.PositiveIntegerField(null=True, blank=True)
    error = models.TextField(blank=True)

    class Meta:
        verbose_name_plural = "API usage"
        indexes = [
            models.Index(fields=["org", "-timestamp"], name="usage_recent")
        ]  # cost of the day and month

    def __str__(self) -> str:
        return f"{self.service} {self.endpoint}"
