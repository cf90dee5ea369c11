"""The admin console: for support work, by superusers, over all organizations."""

from django.contrib.admin import AdminSite
from django.contrib.admin.apps import AdminConfig
from django.http import HttpRequest


class LeadPilotAdminConfig(AdminConfig):
    default_site = "leadpilot.admin_site.LeadPilotAdminSite"


class LeadPilotAdminSite(AdminSite):
    site_header = "LeadPilot support"
    site_title = "LeadPilot support"
    index_title = "All organizations"

    def has_permission(self, request: HttpRequest) -> bool:
        """Superusers only: the console reads over organizations."""
        return bool(request.user.is_active and request.user.is_superuser)
