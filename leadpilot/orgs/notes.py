"""What people are told inside the application: written once, shown until somebody has read it."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.db.models import Case, IntegerField, Q, QuerySet, Value, When

from leadpilot.lib import clock
from leadpilot.orgs.models import Notification, Organization, User

LONGEST = 1000  # characters of what is kept of a message that grows
MOST_LINES = 5
RANK = {Notification.Priority.LOW: 0, Notification.Priority.MEDIUM: 1, Notification.Priority.HIGH: 2}


@transaction.atomic
def notify(
    *,
    org: Organization,
    type: str,
    title: str,
    message: str = "",
    action_url: str = "",
    priority: str = "medium",
    user: User | None = None,
) -> Notification:
    """Tell the organization's people, or one of them, something inside the application.

    As long as the same (type, title, place) is unread it stays one note: it comes up again, with the new message on
    top of the earlier ones, and the higher priority.
    """
    title = title[:200]
    unread = Notification.objects.for_org(org).filter(
        type=type, title=title, action_url=action_url, user=user, read_at=None
    )
    note: Notification | None = unread.select_for_update(of=("self",)).order_by("-created_at").first()
    if note is None:
        return Notification.objects.create(
            org=org,
            type=type,
            title=title,
            message=message,
            action_url=action_url,
            priority=priority,
            user=user,
        )
    note.message = _on_top(message, note.message)
    note.priority = max(note.priority, priority, key=lambda each: RANK[Notification.Priority(each)])
    note.created_at = clock.now()
    note.save(update_fields=["message", "priority", "created_at"])
    return note


def _on_top(new: str, old: str) -> str:
    lines = dict.fromkeys([*new.splitlines(), *old.splitlines()])
    return "\n".join(list(lines)[:MOST_LINES])[:LONGEST]


def unread_for(org: Organization, user: User) -> QuerySet[Notification]:
    """What the organization's people or this one have not read, newest first, the urgent before the rest."""
    whose = Notification.objects.for_org(org).filter(Q(user=None) | Q(user=user), read_at=None)
    urgent = Case(
        When(priority=Notification.Priority.HIGH, then=Value(0)),
        default=Value(1),
        output_field=IntegerField(),
    )
    return whose.order_by(urgent, "-created_at", "-pk")


def mark_read(*, org: Organization, user: User, pk: UUID | None = None) -> int:
    """Somebody has read one note, or all of theirs; returns how many were unread. What is for all is read for all."""
    unread = unread_for(org, user).order_by()
    if pk is not None:
        unread = unread.filter(pk=pk)
    return unread.update(read_at=clock.now())


def settle(*, org: Organization | UUID, type: str, about: str = "") -> int:
    """What these notes were about is over, and nobody has to read them any more. `about` is a part of their title."""
    notes = Notification.objects.for_org(org).filter(type=type, read_at=None)
    if about:
        notes = notes.filter(title__contains=about)
    return notes.update(read_at=clock.now())
