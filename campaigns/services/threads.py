"""The state of conversations as people leave them."""

from __future__ import annotations

from campaigns.models import Thread


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
