"""The state of conversations as people leave them."""

from __future__ import annotations

from datetime import datetime

from campaigns.models import Thread
from leadpilot.lib import clock
from leadpilot.lib.errors import DomainError
from leadpilot.orgs.models import Membership, Role, User


def assign_thread(*, thread: Thread, to: User | None) -> None:
    """Give a thread to someone who may answer it, or to nobody. Raises DomainError (field `to`) for anybody else."""
    if to is not None:
        theirs = Membership.objects.filter(org_id=thread.org_id, user=to).first()
        if theirs is None or not theirs.may(Role.MEMBER):
            raise DomainError(f"{to.display_name} may not answer here; choose somebody else.", field="to")
    thread.assigned_to = to
    Thread.objects.for_org(thread.org_id).filter(pk=thread.pk).update(assigned_to=to)


def snooze_thread(*, thread: Thread, until: datetime | None) -> None:
    """Put a thread out of sight until a moment in the future; None wakes it. Raises DomainError (field `until`)."""
    if until is not None and until <= clock.now():
        raise DomainError("Choose a moment in the future.", field="until")
    Thread.objects.for_org(thread.org_id).filter(pk=thread.pk).update(snoozed_until=until)


def mark_read(*, thread: Thread) -> None:
    """Somebody has seen what is new in it."""
    Thread.objects.for_org(thread.org_id).filter(pk=thread.pk).update(unread=False)
    thread.unread = False


def mark_unread(*, thread: Thread) -> None:
    """Keep it for later: it counts as new again."""
    Thread.objects.for_org(thread.org_id).filter(pk=thread.pk).update(unread=True)
    thread.unread = True


def set_open(*, thread: Thread, is_open: bool) -> None:
    """Close a conversation or open it again; an answer that comes later opens it by itself."""
    Thread.objects.for_org(thread.org_id).filter(pk=thread.pk).update(is_open=is_open, unread=False)
    thread.is_open, thread.unread = is_open, False
