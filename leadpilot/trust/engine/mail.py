"""Messages by two clusters of eight workers: each accepted once, caps exact though one is lowered meanwhile."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from django.db import transaction

from campaigns import windows
from campaigns.models import Mailbox, Message, MessageStatus
from campaigns.services import quota
from leadpilot.lib import clock
from leadpilot.orgs.models import Organization
from leadpilot.orgs.tenancy import org_context
from leadpilot.trust import ledgerbook
from leadpilot.trust.cluster import ClusterError, eventually
from leadpilot.trust.control import Helper
from leadpilot.trust.engine import crowd
from leadpilot.trust.engine.stage import MANY, Stage

WORKERS = 8
MOVING = (MessageStatus.QUEUED, MessageStatus.CLAIMED, MessageStatus.SENDING, MessageStatus.DEFERRED)


@contextmanager
def oracle(folder: Path, mailboxes: int) -> Iterator[Helper]:
    """The SMTP server outside the application; its log is `folder/accepted.jsonl`."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"log": str(folder / "accepted.jsonl"), "users": crowd.accounts(mailboxes)}
    with Helper("leadpilot.trust.oracle", config, folder / "oracle.log") as helper:
        yield helper


def accepted(folder: Path) -> list[dict[str, Any]]:
    """Every mail that the oracle said 250 to."""
    return ledgerbook.read(folder / "accepted.jsonl")


@dataclass(frozen=True)
class Outcome:
    """What the oracle's log says of the approved messages."""

    accepted: int
    duplicates: int
    lost: int
    unknown: int

    @classmethod
    def of(cls, org: Organization, approved: Sequence[str], log: Sequence[dict[str, Any]]) -> Outcome:
        """`lost` were never accepted and no row says that it is not known."""
        times = Counter(mail["message_id"] for mail in log)
        with org_context(org.pk):
            rows = Message.objects.for_org(org).filter(status=MessageStatus.UNKNOWN)
            unknown = set(rows.values_list("message_id", flat=True))
        lost = [one for one in approved if not times[one] and one not in unknown]
        return cls(len(times), sum(n - 1 for n in times.values()), len(lost), len(unknown))


def moving(org: Organization) -> int:
    """How many messages are still on their way."""
    with org_context(org.pk):
        return Message.objects.for_org(org).filter(status__in=MOVING).count()


def play(stage: Stage, *, number: int, mailboxes: int = 8) -> None:
    """`number` messages of one campaign from several mailboxes."""
    figures = stage.figures
    with oracle(stage.folder / "sink", mailboxes) as sink:
        port = sink.ports["smtp"]
        with stage.play("mail", clusters=2, workers=WORKERS, OUTBOUND_ALLOW=f"127.0.0.1:{port}") as scene:
            pool = crowd.mailboxes(scene.org, smtp_port=port, caps=[MANY] * mailboxes)
            approved = crowd.approve(crowd.campaign(scene.org, pool, daily_cap=MANY), pool, number)
            scene.start()
            began = time.monotonic()
            eventually(lambda: not moving(scene.org), 120 + number / 10, 0.3)
            seconds = time.monotonic() - began
            orphans = scene.stop()
            found = Outcome.of(scene.org, approved, accepted(stage.folder / "sink"))
    figures.exactly("messages_accepted", found.accepted, "messages", number)
    figures.exactly("messages_duplicates", found.duplicates, "messages", 0)
    figures.exactly("messages_lost", found.lost, "messages", 0)
    figures.exactly("messages_unknown", found.unknown, "messages", 0)
    figures.say("messages_seconds", seconds, "s")
    figures.exactly("messages_orphans", orphans, "processes", 0)


def caps(stage: Stage, *, number: int) -> None:
    """Caps below what is queued: one mailbox's, one that is lowered while it is used up, and the campaign's own."""
    share = number // 4
    asked = [MANY, MANY, share // 2, share]  # the third comes to its cap, the fourth's will be lowered
    whole = 2 * share + share // 2  # and the campaign's cap is reached by the other two
    with oracle(stage.folder / "capped", 4) as sink:
        port = sink.ports["smtp"]
        with stage.play("caps", clusters=2, workers=WORKERS, OUTBOUND_ALLOW=f"127.0.0.1:{port}") as scene:
            pool = crowd.mailboxes(scene.org, smtp_port=port, caps=asked)
            crowd.approve(crowd.campaign(scene.org, pool, daily_cap=whole), pool, 4 * share)
            scene.start()
            if not eventually(lambda: _from(stage, pool[3]) or _all_from(stage) >= whole, 120):
                raise ClusterError(f"Nothing left from {pool[3].email}.\n{scene.clusters[0].said()[-2000:]}")
            bound = _lower(scene.org, pool[3], share // 4)
            eventually(lambda: _at_rest(scene.org), 120, 0.5)
            scene.stop()
            log = accepted(stage.folder / "capped")
    per = Counter(mail["mail_from"] for mail in log)
    over = [per[pool[2].email] - asked[2], per[pool[3].email] - bound, len(log) - whole]
    stage.figures.exactly("cap_overshoot", sum(max(0, n) for n in over), "messages", 0)
    stage.figures.exactly("cap_unused", max(0, whole - len(log)), "messages", 0)


def _all_from(stage: Stage) -> int:
    return len(accepted(stage.folder / "capped"))


def _from(stage: Stage, mailbox: Mailbox) -> int:
    return sum(mail["mail_from"] == mailbox.email for mail in accepted(stage.folder / "capped"))


def _lower(org: Organization, mailbox: Mailbox, cap: int) -> int:
    """Lower a mailbox's cap; returns what may have left at most: the new cap, or the places that were taken before."""
    with org_context(org.pk), transaction.atomic():
        Mailbox.objects.for_org(org).filter(pk=mailbox.pk).update(
            daily_cap=cap
        )  # waits for a claim under way
        day = windows.local_day(clock.now(), windows.zone_of(org.time_zone))
        assert date.fromisoformat(day)
        return max(cap, quota.used(org_id=org.pk, scope=f"mailbox:{mailbox.pk}", period=day))


def _at_rest(org: Organization) -> bool:
    """Nobody works on a message, and what is queued has been put off."""
    with org_context(org.pk):
        rows = Message.objects.for_org(org)
        busy = rows.filter(status__in=(MessageStatus.CLAIMED, MessageStatus.SENDING)).exists()
        due = rows.filter(status=MessageStatus.QUEUED, scheduled_for__lte=clock.now())
        return not busy and not due.filter(mailbox__next_send_at=None).exists()
