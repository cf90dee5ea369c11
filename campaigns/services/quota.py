"""Caps that stay exact under concurrency: counters raised by conditional upsert (SPEC DL-4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connections, router

from campaigns.models import Quota
from campaigns.windows import local_day, zone_of
from leadpilot.lib.ids import new_id

CapFunction = Callable[[UUID], int | None]
Taken = list[list[str]]  # [[scope, period], …], as it is stored with the message

_EXTRA_CAPS: dict[str, CapFunction] = {}
_RAISE = """
INSERT INTO campaigns_quota (id, org_id, scope, period, used)
SELECT %(id)s, %(org)s, %(scope)s, %(period)s, %(n)s WHERE %(n)s <= %(cap)s
ON CONFLICT (org_id, scope, period) DO UPDATE SET used = campaigns_quota.used + %(n)s
 WHERE campaigns_quota.used + %(n)s <= %(cap)s
RETURNING used
"""
_MAKE = """
INSERT INTO campaigns_quota (id, org_id, scope, period, used, cap)
SELECT made.id, %(org)s, made.scope, made.period, 0, made.cap
  FROM unnest(%(ids)s::uuid[], %(scopes)s::text[], %(periods)s::text[], %(caps)s::int[])
       WITH ORDINALITY AS made (id, scope, period, cap, place)
 WHERE NOT EXISTS (SELECT FROM campaigns_quota q
                    WHERE q.org_id = %(org)s AND q.scope = made.scope AND q.period = made.period)
 ORDER BY made.place ON CONFLICT (org_id, scope, period) DO NOTHING
"""
_SET_CAP = """
INSERT INTO campaigns_quota (id, org_id, scope, period, used, cap)
VALUES (%(id)s, %(org)s, %(scope)s, %(period)s, 0, %(cap)s)
ON CONFLICT (org_id, scope, period) DO UPDATE SET cap = excluded.cap
"""
_LOCK = """
SELECT q.scope, q.period, q.used
  FROM unnest(%(scopes)s::text[], %(periods)s::text[]) WITH ORDINALITY AS asked (scope, period, place)
  JOIN campaigns_quota q ON q.org_id = %(org)s AND q.scope = asked.scope AND q.period = asked.period
 ORDER BY asked.place FOR UPDATE OF q
"""
_USE = """
UPDATE campaigns_quota q SET used = q.used + taken.count
  FROM unnest(%(scopes)s::text[], %(periods)s::text[], %(counts)s::int[]) AS taken (scope, period, count)
 WHERE q.org_id = %(org)s AND q.scope = taken.scope AND q.period = taken.period
"""


@dataclass(frozen=True)
class Cap:
    """At most `limit` in one `period` of `scope`; `label` is for people."""

    scope: str
    period: str
    limit: int
    label: str


def register_cap(name: str, cap: CapFunction) -> None:
    """Add a daily cap on an organization's messages; the function returns the cap, or None for none today."""
    _EXTRA_CAPS[name] = cap


def set_cap(*, org_id: UUID, name: str, period: str, cap: int) -> None:
    """A registered cap was changed: what is claimed already and has not left is bound by it, too (`last_look`).

    `period` is the organization's local day. Call in the transaction that changes it.
    """
    given: dict[str, Any] = {
        "id": new_id(),
        "org": org_id,
        "scope": f"cap:{name}",
        "period": period,
        "cap": cap,
    }
    with connections[router.db_for_write(Quota)].cursor() as cursor:
        cursor.execute(_SET_CAP, given)


def ramped_cap(mailbox: Any, today: date) -> int:
    """A mailbox's cap today: `daily_cap`, or less while it is being warmed up."""
    if mailbox.ramp_started_at is None:
        return int(mailbox.daily_cap)
    days = max(0, (today - mailbox.ramp_started_at).days)
    return int(min(mailbox.daily_cap, mailbox.ramp_start + mailbox.ramp_step * days))


def caps_for(*, org: Any, mailbox: Any, campaign: Any | None, now: datetime) -> list[Cap]:
    """Every cap that a message from this mailbox counts against on the organization's local day, widest first.

    All workers raise them in this order, so two claims never wait for each other in a circle.
    """
    zone = zone_of(org.time_zone)
    day = local_day(now, zone)
    caps = [Cap("org", day, min(settings.MAX_EMAILS_PER_DAY, org.max_emails_per_day), "the organization")]
    for name in sorted(_EXTRA_CAPS):
        limit = _EXTRA_CAPS[name](org.pk)
        if limit is not None:
            caps.append(Cap(f"cap:{name}", day, limit, name.replace("_", " ")))
    caps.append(
        Cap(f"mailbox:{mailbox.pk}", day, ramped_cap(mailbox, date.fromisoformat(day)), mailbox.email)
    )
    if campaign is not None:
        caps.append(Cap(f"campaign:{campaign.pk}", day, campaign.daily_cap, f"the campaign “{campaign}”"))
    return caps


def reserve(*, org_id: UUID, scope: str, period: str, limit: int, n: int = 1) -> bool:
    """Take `n` places of a cap, or none: True when they were free. Call inside a transaction."""
    with connections[router.db_for_write(Quota)].cursor() as cursor:
        cursor.execute(
            _RAISE, {"id": new_id(), "org": org_id, "scope": scope, "period": period, "n": n, "cap": limit}
        )
        return cursor.fetchone() is not None


class Places:
    """The counters of some caps, locked until the transaction ends: places are taken in memory and written down once.

    Three statements for any number of messages. Counters are locked widest first, as everywhere.
    """

    def __init__(self, *, org_id: UUID, caps: Iterable[Cap]) -> None:
        self._org_id = org_id
        each = {(cap.scope, cap.period): cap.limit for cap in caps}
        self._keys = sorted(each, key=lambda key: _width(key[0]))
        self._registered = [each[key] if key[0].startswith("cap:") else None for key in self._keys]
        self._used = self._lock()
        self._taken: Counter[tuple[str, str]] = Counter()

    def _lock(self) -> dict[tuple[str, str], int]:
        scopes, periods = [key[0] for key in self._keys], [key[1] for key in self._keys]
        given: dict[str, Any] = {
            "org": self._org_id,
            "ids": [new_id() for _ in self._keys],
            "scopes": scopes,
            "periods": periods,
            "caps": self._registered,
        }
        with connections[router.db_for_write(Quota)].cursor() as cursor:
            cursor.execute(_MAKE, given)
            cursor.execute(_LOCK, given)
            return {(scope, period): used for scope, period, used in cursor.fetchall()}

    def take(self, caps: list[Cap]) -> Cap | None:
        """Take one place of every cap, or none: then the first full one comes back."""
        keys = [(cap.scope, cap.period) for cap in caps]
        for key, cap in zip(keys, caps, strict=True):
            if self._used[key] + self._taken[key] >= cap.limit:
                return cap
        self._taken.update(keys)
        return None

    def count(self, caps: list[Cap]) -> None:
        """A place of every cap was taken elsewhere, full or not."""
        self._taken.update((cap.scope, cap.period) for cap in caps)

    def write(self) -> None:
        """Write down what was taken."""
        taken = [(key, self._taken[key]) for key in self._keys if self._taken[key]]
        if not taken:
            return
        with connections[router.db_for_write(Quota)].cursor() as cursor:
            cursor.execute(
                _USE,
                {
                    "org": self._org_id,
                    "scopes": [key[0] for key, _ in taken],
                    "periods": [key[1] for key, _ in taken],
                    "counts": [count for _, count in taken],
                },
            )


def give_back(*, org_id: UUID, taken: Iterable[Iterable[str]]) -> None:
    """Return places that were taken for something that did not happen; of several messages in one go, widest first.

    Last in its transaction: whoever holds the organization's counter may be waited for by each of its claims.
    """
    places = Counter((scope, period) for scope, period in taken)
    with connections[router.db_for_write(Quota)].cursor() as cursor:
        for (scope, period), n in sorted(places.items(), key=lambda place: _width(place[0][0])):
            cursor.execute(
                "UPDATE campaigns_quota SET used = greatest(used - %s, 0)"
                " WHERE org_id = %s AND scope = %s AND period = %s",
                [n, org_id, scope, period],
            )


def _width(scope: str) -> tuple[int, str]:
    """The order in which counters are locked: as `caps_for` lists them."""
    kinds = ("org", "cap", "mailbox", "campaign")
    kind = scope.partition(":")[0]
    return (kinds.index(kind) if kind in kinds else len(kinds), scope)


def used(*, org_id: UUID, scope: str, period: str) -> int:
    """How many places of a cap are taken."""
    row = (
        Quota.objects.for_org(org_id)
        .filter(scope=scope, period=period)
        .values_list("used", flat=True)
        .first()
    )
    return row or 0


def full(*, org_id: UUID, caps: list[Cap]) -> Cap | None:
    """The first cap with no place left, without taking one."""
    counters = dict(
        Quota.objects.for_org(org_id)
        .filter(scope__in=[cap.scope for cap in caps], period__in={cap.period for cap in caps})
        .values_list("scope", "used")
    )
    return next((cap for cap in caps if counters.get(cap.scope, 0) >= cap.limit), None)
