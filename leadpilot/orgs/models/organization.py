"""An organization and who belongs to it."""

from __future__ import annotations

from django.db import models

from leadpilot.lib import clock
from leadpilot.lib.ids import new_id


class Organization(models.Model):
    """The tenant. `halted_at` is the kill switch: while it is set, nothing leaves."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=100)
    slug = models.SlugField(max_length=50, unique=True)
    time_zone = models.CharField(max_length=64, default="UTC")
    website = models.URLField(blank=True)
    postal_address = models.TextField(
        blank=True, help_text="Shown at the foot of every mail; the law asks for it."
    )
    offer = models.TextField(blank=True, help_text="What you sell, in two or three sentences.")
    voice = models.TextField(blank=True, help_text="How you write.")
    retention_days = models.PositiveIntegerField(default=730)
    max_emails_per_day = models.PositiveIntegerField(default=500)
    is_sandbox = models.BooleanField(default=False)
    halted_at = models.DateTimeField(null=True, blank=True)
    halted_by = models.ForeignKey(
        "orgs.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=clock.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    """What a member may do, from most to least."""

    OWNER = "owner", "Owner"
    ADMIN = "admin", "Admin"
    MEMBER = "member", "Member"
    VIEWER = "viewer", "Viewer"


RANK = {Role.OWNER: 3, Role.ADMIN: 2, Role.MEMBER: 1, Role.VIEWER: 0}


class Membership(models.Model):
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    org = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey("orgs.User", on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role, default=Role.MEMBER)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["org", "user"], name="membership_once"),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="membership_role_known"),
        ]
        indexes = [models.Index(fields=["user"], name="membership_by_user")]  # which organizations am I in?

    def __str__(self) -> str:
        return f"{self.user_id} {self.role} of {self.org_id}"

    def may(self, minimum: str) -> bool:
        """True when this role is at least `minimum`."""
        return RANK[Role(self.role)] >= RANK[Role(minimum)]
