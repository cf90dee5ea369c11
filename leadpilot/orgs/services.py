"""Changes to organizations and who belongs to them. One function a change."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils.text import slugify

from leadpilot.lib import clock
from leadpilot.lib.errors import Conflict, DomainError
from leadpilot.lib.ids import new_id
from leadpilot.orgs.models import AuditEntry, Membership, Organization, Role, SignInLink, User
from leadpilot.orgs.notes import notify as notify
from leadpilot.orgs.tenancy import org_context

SIGN_IN_LINK_HOURS = 12


def create_organization(*, name: str, owner: User, slug: str = "", **fields: Any) -> Organization:
    """A new organization with its owner; a free slug is made from the name unless one is given."""
    org_id = new_id()
    if slug and not _slug_is_free(slug):
        raise Conflict(f"The short name “{slug}” is taken; choose another.", field="slug")
    slug = slug or _free_slug(name)
    with org_context(org_id):
        org = Organization.objects.create(pk=org_id, name=name.strip(), slug=slug, **fields)
        Membership.objects.create(org=org, user=owner, role=Role.OWNER)
        record(org=org, actor=owner, action="organization.created", message=f"{owner} made {org.name}.")
    return org


def _slug_is_free(slug: str) -> bool:
    # The table is under row security, so the database is asked through a function that only answers yes or no.
    return organization_id(slug=slug) is None


def _free_slug(name: str) -> str:
    base = slugify(name)[:40] or "team"
    slug = base
    while not _slug_is_free(slug):
        slug = f"{base}-{secrets.token_hex(2)}"
    return slug


def organization_id(*, slug: str) -> UUID | None:
    """The id behind a short name, for commands that are given `--org SLUG`."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT orgs_organization_id(%s)", [slug])
        row = cursor.fetchone()
    return row[0] if row else None


def record(
    *, org: Organization, actor: User | None, action: str, message: str, subject: Any = None, **details: Any
) -> AuditEntry:
    """Write one line of the organization's audit log."""
    return AuditEntry.objects.create(
        org=org,
        actor=actor,
        action=action,
        message=message,
        subject_type=subject._meta.label_lower if subject is not None else "",
        subject_id=str(subject.pk) if subject is not None else "",
        details=details,
    )


def record_many(
    *,
    org: Organization,
    actor: User | None,
    action: str,
    message: str,
    subject_type: str,
    details: Mapping[UUID, dict[str, Any]],
) -> None:
    """Write the same line for many rows; `details` is {row's id: what is special about it}."""
    AuditEntry.objects.bulk_create(
        [
            AuditEntry(
                org=org,
                actor=actor,
                action=action,
                message=message,
                subject_type=subject_type,
                subject_id=str(pk),
                details=special,
            )
            for pk, special in details.items()
        ],
        batch_size=1000,
    )


@transaction.atomic
def halt(*, org: Organization, by: User | None, reason: str = "") -> None:
    """The kill switch: from the commit on, nothing of this organization leaves. Halting twice changes nothing."""
    now = clock.now()
    if Organization.objects.filter(pk=org.pk, halted_at=None).update(halted_at=now, halted_by=by):
        record(
            org=org,
            actor=by,
            action="organization.halted",
            message=f"Everything was stopped. {reason}".strip(),
        )
    org.refresh_from_db(fields=["halted_at", "halted_by"])


@transaction.atomic
def resume(*, org: Organization, by: User | None) -> None:
    """Lift the kill switch; what waits goes on under its own rules."""
    if Organization.objects.filter(pk=org.pk, halted_at__isnull=False).update(halted_at=None, halted_by=None):
        record(org=org, actor=by, action="organization.resumed", message="Everything was started again.")
    org.refresh_from_db(fields=["halted_at", "halted_by"])


@transaction.atomic
def update_organization(*, org: Organization, by: User, **fields: Any) -> Organization:
    """Change the named fields and record which."""
    changed = {name: value for name, value in fields.items() if getattr(org, name) != value}
    for name, value in changed.items():
        setattr(org, name, value)
    if changed:
        org.save(update_fields=[*changed, "updated_at"])
        record(
            org=org,
            actor=by,
            action="organization.changed",
            message=f"{by} changed {', '.join(changed)}.",
            subject=org,
        )
    return org


@transaction.atomic
def set_role(*, membership: Membership, role: str, by: User) -> Membership:
    """Give a member another role. An organization keeps at least one owner."""
    owners = Membership.objects.select_for_update().filter(org=membership.org, role=Role.OWNER)
    if membership.role == Role.OWNER and role != Role.OWNER and owners.count() < 2:
        raise DomainError(
            f"{membership.user} is the only owner; make someone else owner first.", field="role"
        )
    Membership.objects.filter(pk=membership.pk).update(role=Role(role))
    membership.refresh_from_db()
    record(
        org=membership.org,
        actor=by,
        action="membership.role",
        message=f"{membership.user} is now {membership.get_role_display()}.",
        subject=membership,
    )
    return membership


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def issue_sign_in_link(*, user: User) -> str:
    """A fresh one-time token for `/enter/TOKEN/`; good for 12 hours."""
    token = secrets.token_urlsafe(32)
    SignInLink.objects.create(
        user=user, token_hash=_hash(token), expires_at=clock.now() + timedelta(hours=SIGN_IN_LINK_HOURS)
    )
    return token


def use_sign_in_link(*, token: str) -> User | None:
    """The user of an unused, unexpired token, which is used up by this; None otherwise."""
    now = clock.now()
    link = SignInLink.objects.filter(
        token_hash=_hash(token), expires_at__gt=now, user__is_active=True
    ).first()
    if link is None or not SignInLink.objects.filter(pk=link.pk, used_at=None).update(used_at=now):
        return None
    return link.user
