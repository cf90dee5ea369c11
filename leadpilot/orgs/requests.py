"""The request as our views see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import HttpRequest

if TYPE_CHECKING:
    from django_htmx.middleware import HtmxDetails

    from leadpilot.orgs.models import Membership, Organization, User


class OrgRequest(HttpRequest):
    """A request of a signed-in member; `org` and `membership` are set by OrgMiddleware."""

    user: User
    org: Organization
    membership: Membership
    htmx: HtmxDetails
