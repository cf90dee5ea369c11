"""Who works on which message: a batch of due messages that pass every check, with a place in every cap."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q, QuerySet

from campaigns import clearance, windows
from campaigns.models import (
    Campaign,
    CampaignStatus,
    EnrollmentStatus,
    Mailbox,
    MailboxStatus,
    Message,
    MessageStatus,
    Quota,
)
from campaigns.services import advancing, quota
from campaigns.services.ledger import obstacles
from campaigns.services.ledger.claim import Claim
from campaigns.services.transitions import sources_sql
from leadpilot.lib import clock, failpoints, pace
from leadpilot.lib.verdict import Outcome as Say
from leadpilot.orgs import statements
from leadpilot.orgs.tenancy import org_context

CLAIM_LEASE = pace.time("claim_lease", timedelta(minutes=4))  # a batch; what is not begun by then goes back
_LEASE = f"""
UPDATE campaigns_message m
   SET status = 'claimed', status_reason = '', attempts = m.attempts + 1, lease_owner = %(owner)s,
       lease_until = clock_timestamp() + %(lease)s::interval, reserved = held.reserved::jsonb,
       clearance = held.clearance::jsonb
  FROM unnest(%(ids)s::uuid[], %(attempts)s::int[], %(reserved)s::text[], %(clearances)s::text[])
       AS held (id, attempts, reserved, clearance)
 WHERE m.org_id = %(org)s AND m.id = held.id AND m.attempts = held.attempts
   AND m.status IN ({sources_sql(MessageStatus.CLAIMED)})
RETURNING m.id
"""  # noqa: S608 - constants only
# What the checks and the claim read: of what lies beside a message, not what is long.
_READ = (
    *("org_id", "lead_id", "campaign_id", "enrollment_id", "mailbox_id", "in_reply_to_id", "approved_by_id"),
    *("email_sequence", "to_email", "from_email", "subject", "body", "approved_hash", "raw", "raw_hash"),
    *("status", "attempts", "approved_at"),
    *("lead__org_id", "lead__name", "lead__email", "lead__status", "lead__time_zone"),
    *("campaign__org_id", "campaign__name", "campaign__status", "campaign__daily_cap"),
    *("campaign__window_days", "campaign__window_start", "campaign__window_end"),
    *("enrollment__org_id", "enrollment__status", "enrollment__stop_reason", "enrollment__next_step"),
    *("enrollment__next_reason", "enrollment__resumed_at"),
)
ROUNDS = 5  # batches that are looked at before a claim gives up finding one that may go


@dataclass
class _Looked:
    """What a look at the queue found: messages that may go, and ids of those that never may."""

    ready: list[Message] = field(default_factory=list)
    hopeless: list[UUID] = field(default_factory=list)

    def seen(self) -> list[UUID]:
        return [*(m.pk for m in self.ready), *self.hopeless]


def claim_batch(*, org_id: UUID, mailbox_id: UUID, owner: str, limit: int = 50) -> list[Claim]:
    """Take up to `limit` due messages of a mailbox that pass every check, with a place in every cap.

    One transaction. The mailbox's row is locked, so that spacing holds over all workers; a mailbox with spacing gives
    one message at a time. What may not go yet is put off, what may never go is cancelled afterwards, each with its
    reasons.
    """
    with org_context(org_id):
        now = clock.now()
        mailbox = _sending(org_id, mailbox_id, now)
        if mailbox is None:
            return []
        looked = _look(mailbox, now, limit if mailbox.min_spacing_seconds == 0 else 1)
        claims = _take(mailbox, looked.ready, owner, now)
        failpoints.hit("ledger.before_claim_commit")
    for message_id in looked.hopeless:
        obstacles.turn_down(org_id=org_id, message_id=message_id)
    return claims


def _sending(org_id: UUID, mailbox_id: UUID, now: datetime) -> Mailbox | None:
    rows = Mailbox.objects.for_org(org_id).select_related("org")
    found: Mailbox | None = (
        rows.select_for_update(no_key=True, of=("self",))
        .filter(pk=mailbox_id, status=MailboxStatus.CONNECTED, org__halted_at=None)
        .filter(Q(next_send_at=None) | Q(next_send_at__lte=now))
        .first()
    )
    return found


def _look(mailbox: Mailbox, now: datetime, wanted: int) -> _Looked:
    """Judge due messages, a few batches at most; those that have to wait are put off on the way."""
    looked = _Looked()
    for _ in range(ROUNDS):
        missing = wanted - len(looked.ready)
        due = list(
            _due(mailbox, now)
            .exclude(pk__in=looked.seen())
            .select_related("lead", "campaign", "enrollment")
            .only(*_READ)
            .select_for_update(of=("self",), skip_locked=True)
            .order_by("scheduled_for", "pk")[: max(missing, 10)]
        )
        for message in due:  # they all have these two, and the claim has them fresh and locked
            message.org, message.mailbox = mailbox.org, mailbox
        for situation in clearance.gather(org_id=mailbox.org_id, messages=due, now=now):
            _sort(situation, looked, wanted)
        if len(looked.ready) >= wanted or not due:
            break
    return looked


def _sort(situation: clearance.Situation, looked: _Looked, wanted: int) -> None:
    message, verdict = situation.message, clearance.judge(situation)
    if verdict.outcome is Say.DENY or (verdict.allowed and obstacles.is_worn_out(message)):
        looked.hopeless.append(message.pk)
    elif not verdict.allowed:
        obstacles.put_off_as_judged(message, verdict, situation.now)
    elif len(looked.ready) < wanted:
        message.clearance = verdict.as_json()
        looked.ready.append(message)


def _due(mailbox: Mailbox, now: datetime) -> QuerySet[Message]:
    """What could be looked at: due, and not waiting for a campaign or sequence that is stopped or at its cap."""
    day = windows.local_day(now, windows.zone_of(mailbox.org.time_zone))
    moving = Q(campaign=None) | Q(campaign__status=CampaignStatus.ACTIVE)
    running = Q(enrollment=None) | ~Q(enrollment__status=EnrollmentStatus.PAUSED)
    return (
        Message.objects.for_org(mailbox.org_id)
        .filter(mailbox_id=mailbox.pk, status__in=[MessageStatus.QUEUED, MessageStatus.DEFERRED])
        .filter(scheduled_for__lte=now)
        .filter(Q(in_reply_to__isnull=False) | (moving & running))
        .exclude(in_reply_to=None, campaign_id__in=_full_campaigns(mailbox.org_id, day))
    )


def _full_campaigns(org_id: UUID, day: str) -> list[UUID]:
    """Campaigns that have used up their cap of the day: their messages need not be looked at."""
    counters = Quota.objects.for_org(org_id).filter(scope__startswith="campaign:", period=day)
    used = {UUID(scope.partition(":")[2]): n for scope, n in counters.values_list("scope", "used")}
    caps = Campaign.objects.for_org(org_id).filter(pk__in=used).values_list("pk", "daily_cap")
    return [pk for pk, cap in caps if used[pk] >= cap]


def _take(mailbox: Mailbox, ready: list[Message], owner: str, now: datetime) -> list[Claim]:
    """Reserve the caps and write the leases. A full cap of the organization or mailbox ends the batch."""
    if not ready:
        return []
    caps = _caps(mailbox, ready, now)
    places = quota.Places(org_id=mailbox.org_id, caps=[cap for each in caps.values() for cap in each])
    taken: list[Message] = []
    for message in ready:
        full = places.take(caps[_counted_for(message)])
        if full is None:
            taken.append(message)
            continue
        obstacles.note_full(mailbox, message, full, now)
        if not full.scope.startswith("campaign:"):
            break
    places.write()
    _lease(mailbox, taken, {key: [[c.scope, c.period] for c in each] for key, each in caps.items()}, owner)
    claims = _claims(mailbox, taken, owner, now)
    if claims and mailbox.min_spacing_seconds:
        _space(mailbox, claims[0], now)
    return claims


def _counted_for(message: Message) -> UUID | None:
    """The campaign whose cap a message counts against: an answer counts against none."""
    return None if message.in_reply_to_id else message.campaign_id


def _caps(mailbox: Mailbox, ready: list[Message], now: datetime) -> dict[UUID | None, list[quota.Cap]]:
    caps: dict[UUID | None, list[quota.Cap]] = {}
    for message in ready:
        key = _counted_for(message)
        if key not in caps:
            campaign = message.campaign if key else None
            caps[key] = quota.caps_for(org=mailbox.org, mailbox=mailbox, campaign=campaign, now=now)
    return caps


def _lease(
    mailbox: Mailbox, taken: list[Message], places: dict[UUID | None, quota.Taken], owner: str
) -> None:
    given = {
        "org": mailbox.org_id,
        "owner": owner,
        "lease": CLAIM_LEASE,
        "ids": [m.pk for m in taken],
        "attempts": [m.attempts for m in taken],
        "reserved": [json.dumps(places[_counted_for(m)]) for m in taken],
        "clearances": [json.dumps(m.clearance) for m in taken],
    }
    [moved] = statements.run(mailbox.org_id, (_LEASE, given))
    assert len(moved) == len(taken), "the rows are locked, so nobody else can have moved them"


def _claims(mailbox: Mailbox, taken: list[Message], owner: str, now: datetime) -> list[Claim]:
    campaigns = [m.campaign_id for m in taken if m.campaign_id]
    steps = advancing.steps_of(org_id=mailbox.org_id, campaign_ids=campaigns)
    return [
        Claim(
            org_id=mailbox.org_id,
            mailbox_id=mailbox.pk,
            message_id=message.pk,
            attempt=message.attempts + 1,
            owner=owner,
            mail_from=message.from_email,
            rcpt_to=message.to_email,
            raw=bytes(message.raw or b""),
            until=_not_after(mailbox, message, now),
            following=advancing.following(message, steps),
        )
        for message in taken
    ]


def _not_after(mailbox: Mailbox, message: Message, now: datetime) -> datetime:
    midnight = windows.next_midnight(now, windows.zone_of(mailbox.org.time_zone))
    if message.campaign is None or message.in_reply_to_id is not None:
        return midnight
    return min(
        midnight, windows.closing(now, windows.window_for(message.campaign, message.lead, mailbox.org))
    )


def _space(mailbox: Mailbox, claim: Claim, now: datetime) -> None:
    """The next mail of this mailbox: the least spacing, and up to half of it more, so that it is no metronome."""
    jitter = 1 + windows.fraction(f"{claim.message_id}:{claim.attempt}") / 2
    at = now + timedelta(seconds=mailbox.min_spacing_seconds * jitter)
    Mailbox.objects.for_org(mailbox.org_id).filter(pk=mailbox.pk).update(next_send_at=at)
