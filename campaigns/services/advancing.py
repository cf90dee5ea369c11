"""What follows in a sequence once a step really left."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from campaigns import windows
from campaigns.models import Enrollment, EnrollmentStatus, Message, SequenceStep
from campaigns.services.enrollment import RUNNING
from leadpilot.lib import clock


@dataclass(frozen=True)
class Following:
    """The step after one (`number` None: there is none), and the window it falls into."""

    after: int
    number: int | None
    delay_days: int
    window: windows.Window

    @property
    def key(self) -> str:
        """What it was planned by; the steps may be changed before the mail has left."""
        return "" if self.number is None else f"{self.number}:{self.delay_days}"

    def when(self, sent_at: datetime) -> tuple[datetime | None, str]:
        """When it is due, in working days after a mail that left then; and why then, for people."""
        if self.number is None:
            return None, f"The last mail left on {sent_at:%d %B %Y}."
        due = windows.add_working_days(sent_at, self.delay_days, self.window)
        days = "1 working day" if self.delay_days == 1 else f"{self.delay_days} working days"
        return due, (
            f"Step {self.number} follows {days} after step {self.after}, within the sending window: "
            f"{due.astimezone(self.window.zone):%A, %d %B, %H:%M} ({self.window.zone.key})."
        )


Steps = dict[UUID, list[tuple[int, int]]]


def steps_of(*, org_id: UUID, campaign_ids: Iterable[UUID]) -> Steps:
    """The numbers and delays of some campaigns' steps, in order; one query."""
    found: Steps = {}
    rows = SequenceStep.objects.for_org(org_id).filter(campaign_id__in=set(campaign_ids)).order_by("number")
    for campaign_id, number, delay in rows.values_list("campaign_id", "number", "delay_days"):
        found.setdefault(campaign_id, []).append((number, delay))
    return found


def following(message: Message, steps: Steps) -> Following | None:
    """What follows a message (with lead, campaign and org loaded); None when it is no step of a sequence."""
    campaign, after = message.campaign, message.email_sequence
    if (
        message.enrollment_id is None
        or campaign is None
        or after is None
        or message.in_reply_to_id is not None
    ):
        return None
    window = windows.window_for(campaign, message.lead, message.org)
    later = next((step for step in steps.get(campaign.pk, []) if step[0] > after), None)
    number, delay = later or (None, 0)
    return Following(after=after, number=number, delay_days=delay, window=window)


def advance(*, message: Message) -> None:
    """A step really left: plan the next one in working days, or complete the sequence. Repeating changes nothing."""
    known = [message.campaign_id] if message.campaign_id else []
    plan = following(message, steps_of(org_id=message.org_id, campaign_ids=known))
    if plan is None or message.enrollment_id is None:
        return
    rows = Enrollment.objects.for_org(message.org_id).filter(pk=message.enrollment_id, next_step=plan.after)
    due, why = plan.when(message.sent_at or clock.now())
    if plan.number is None:
        rows.filter(status__in=RUNNING).update(
            status=EnrollmentStatus.COMPLETED, next_step_at=None, next_reason=why, finished_at=clock.now()
        )
        return
    active = rows.filter(status=EnrollmentStatus.ACTIVE)
    if not active.update(next_step=plan.number, next_step_at=due, next_reason=why):
        # What paused it is worth more than when it would go on.
        rows.filter(status=EnrollmentStatus.PAUSED).update(next_step=plan.number, next_step_at=due)
