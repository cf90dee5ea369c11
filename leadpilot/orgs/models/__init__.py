from leadpilot.orgs.models.audit import AuditEntry, Notification
from leadpilot.orgs.models.organization import Membership, Organization, Role
from leadpilot.orgs.models.recurring import RecurringJob
from leadpilot.orgs.models.user import SignInLink, User

__all__ = [
    "AuditEntry",
    "Membership",
    "Notification",
    "Organization",
    "RecurringJob",
    "Role",
    "SignInLink",
    "User",
]
