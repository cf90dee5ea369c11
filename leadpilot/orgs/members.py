"""Who belongs to an organization: people are added, given another role, sent a way in, and removed (SPEC SEC-1)."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import IntegrityError, transaction

from leadpilot.lib.errors import Conflict, DomainError
from leadpilot.orgs.models import Membership, Organization, Role, SignInLink, User
from leadpilot.orgs.services import issue_sign_in_link, record
from leadpilot.orgs.tenancy import user_context


@dataclass(frozen=True)
class Added:
    """A new member. `token` opens `/enter/TOKEN/` once; None for somebody who signs in as they always did."""

    membership: Membership
    token: str | None


@transaction.atomic
def add_member(*, org: Organization, email: str, name: str, role: str, by: User) -> Added:
    """Add a person by address; who has no account gets one, with a link that signs them in once.

    Only an owner makes owners. Nobody gets a link into an account that others have to do with. Raises DomainError
    naming the field, Conflict for somebody who is a member already.
    """
    email, role = email.strip().lower(), Role(role)
    _refuse_more_than_own(org, role, by)
    user = User.objects.filter(email=email).first() or User.objects.create_user(email, name=name.strip())
    if not user.is_active:
        raise DomainError(f"The account of {email} is closed.", field="email")
    fresh = may_have_link(org=org, user=user)
    if not fresh and _never_came(user):
        raise DomainError(
            f"{email} was invited elsewhere and has not signed in yet; ask them to do that first.",
            field="email",
        )
    try:
        with transaction.atomic():
            membership = Membership.objects.create(org=org, user=user, role=role)
    except IntegrityError as error:
        raise Conflict(f"{user.display_name} is a member already.", field="email") from error
    record(
        org=org,
        actor=by,
        action="membership.added",
        message=f"{user} was added as {role.label.lower()}.",
        subject=membership,
    )
    return Added(membership, issue_sign_in_link(user=user) if fresh else None)


def _refuse_more_than_own(org: Organization, role: Role, by: User) -> None:
    theirs = Membership.objects.filter(org=org, user=by).first()
    if theirs is None or not theirs.may(Role.ADMIN):
        raise DomainError("Only owners and admins add people.")
    if not theirs.may(role):
        raise DomainError("Only an owner can make somebody an owner.", field="role")


def _never_came(user: User) -> bool:
    return user.last_login is None and not user.has_usable_password()


def may_have_link(*, org: Organization, user: User) -> bool:
    """Whether a link into this account may be shown to this organization: nobody has used it, and nobody else added it."""
    if not _never_came(user) or user.is_staff or not user.is_active:
        return False
    with user_context(user.pk):
        return not Membership.objects.filter(user=user).exclude(org=org).exists()


@transaction.atomic
def renew_link(*, membership: Membership, by: User) -> str:
    """Another sign-in link for a member who never came; the earlier ones open nothing any more. Raises DomainError."""
    user, org = membership.user, membership.org
    if not may_have_link(org=org, user=user):
        raise DomainError(f"{user.display_name} has signed in already, and needs no link.")
    _refuse_more_than_own(org, Role(membership.role), by)
    SignInLink.objects.filter(user=user, used_at=None).delete()
    record(
        org=org,
        actor=by,
        action="membership.link",
        message=f"{user} got a new sign-in link.",
        subject=membership,
    )
    return issue_sign_in_link(user=user)


@transaction.atomic
def remove_member(*, membership: Membership, by: User) -> None:
    """Take a person out of the organization; what they did and approved stays. The last owner stays too."""
    owners = Membership.objects.select_for_update().filter(org=membership.org, role=Role.OWNER)
    if membership.role == Role.OWNER and owners.count() < 2:
        raise DomainError(f"{membership.user} is the only owner; make someone else owner first.")
    user, org = membership.user, membership.org
    if may_have_link(org=org, user=user):
        SignInLink.objects.filter(user=user, used_at=None).delete()
    record(
        org=org,
        actor=by,
        action="membership.removed",
        message=f"{user} was removed.",
        subject=membership,
    )
    Membership.objects.filter(pk=membership.pk).delete()
