"""A company, found by its domain and shared by its leads."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from leadpilot.lib import clock
from leadpilot.orgs.tenancy import TenantModel


class Company(TenantModel):
    domain = models.CharField(max_length=253)
    name = models.CharField(max_length=200, blank=True)
    industry = models.CharField(max_length=120, blank=True)
    size = models.CharField(max_length=40, blank=True)
    location = models.CharField(max_length=200, blank=True)
    description = models.TextField(blank=True)
    technologies = ArrayField(models.CharField(max_length=80), default=list, blank=True)
    social_links = models.JSONField(default=dict, blank=True)
    researched_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "companies"
        constraints = [models.UniqueConstraint(fields=["org", "domain"], name="company_domain_once")]

    def __str__(self) -> str:
        return self.name or self.domain
