"""The promises of DESIGN 5, checked against the oracle's log alone. Pure: rows in, broken promises out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from leadpilot.trust.testimony import GRACE, LEFT, OPEN, WORKING, Accepted, Broken, Cap, Evidence, Row

PROMISES = ("duplicates", "lost", "late", "cap_overshoot", "unaccounted", "hash_mismatch", "stuck")


def check(evidence: Evidence) -> list[Broken]:
    """Every broken promise. An empty list means that all of them held for every message."""
    rows = {row.message_id: row for row in evidence.rows}
    found: list[Broken] = []
    for rule in (_duplicates, _unaccounted, _lost, _bytes, _late, _stuck):
        found += rule(evidence, rows)
    for cap_field in ("mailbox", "campaign"):
        found += _overshoot(evidence, rows, cap_field)
    return found


def count(broken: Iterable[Broken]) -> dict[str, int]:
    """How often each promise was broken, zeros included."""
    counts = Counter(one.promise for one in broken)
    return {promise: counts[promise] for promise in PROMISES}


def _duplicates(evidence: Evidence, rows: dict[str, Row]) -> Iterator[Broken]:
    """A Message-ID, and a step of a campaign to an address, is accepted once."""
    seen: dict[object, Accepted] = {}
    for mail in evidence.accepted:
        row = rows.get(mail.message_id)
        keys: list[object] = [mail.message_id]
        if row is not None:
            keys.append((row.campaign, row.to.lower(), row.step))
        before = next((seen[key] for key in keys if key in seen), None)
        if before is not None:
            said = f"accepted at {_time(before.at)} and again at {_time(mail.at)}"
            yield Broken("duplicates", mail.message_id, said)
        for key in keys:
            seen.setdefault(key, mail)


def _unaccounted(evidence: Evidence, rows: dict[str, Row]) -> Iterator[Broken]:
    """Whatever was accepted is `sent` or `unknown` in the database."""
    for mail in evidence.accepted:
        row = rows.get(mail.message_id)
        if row is None:
            yield Broken(
                "unaccounted", mail.message_id, f"accepted for {mail.to}, and no message has this id"
            )
        elif row.status not in LEFT and not _under_way(row, evidence.now):
            said = f"accepted at {_time(mail.at)}, yet {row.status} in the database: {row.reason}"
            yield Broken("unaccounted", mail.message_id, said)
        elif row.to.lower() != mail.to.lower():
            yield Broken("unaccounted", mail.message_id, f"approved for {row.to}, accepted for {mail.to}")


def _lost(evidence: Evidence, rows: dict[str, Row]) -> Iterator[Broken]:
    """Sent means accepted; and what was approved, is due and allowed has left or says why not."""
    accepted = {mail.message_id for mail in evidence.accepted}
    for row in rows.values():
        if row.message_id in accepted:
            continue
        if row.status == "sent":
            yield Broken("lost", row.message_id, "sent in the database, and never accepted")
        elif row.status in OPEN and not row.explained:
            yield Broken("lost", row.message_id, f"{row.status}, due and allowed, and never accepted")
        elif row.status not in (*OPEN, *WORKING, "unknown") and not row.reason:
            yield Broken("lost", row.message_id, f"{row.status} without a reason")


def _bytes(evidence: Evidence, rows: dict[str, Row]) -> Iterator[Broken]:
    """The bytes that were accepted are the bytes that were fixed, with the words that were approved."""
    for mail in evidence.accepted:
        row = rows.get(mail.message_id)
        if row is None:
            continue
        if mail.sha256 != row.sha256:
            yield Broken("hash_mismatch", mail.message_id, f"{mail.sha256} left, {row.sha256} was fixed")
        elif mail.subject != row.approved:
            yield Broken(
                "hash_mismatch", mail.message_id, f"“{mail.subject}” left, “{row.approved}” was approved"
            )


def _late(evidence: Evidence, rows: dict[str, Row]) -> Iterator[Broken]:
    """Nothing is accepted more than GRACE seconds after a stop that concerns it."""
    for mail in evidence.accepted:
        row = rows.get(mail.message_id)
        if row is None:
            continue
        stop = next((stop for stop in evidence.stops if stop.covers(row, mail.at)), None)
        if stop is not None:
            said = (
                f"accepted {mail.at - stop.committed_at:.1f} s after {stop.kind} ({_time(stop.committed_at)})"
            )
            yield Broken("late", mail.message_id, said)


def _stuck(evidence: Evidence, rows: dict[str, Row]) -> Iterator[Broken]:
    """Nobody works on anything any more, and no intent is left without its outcome."""
    for row in rows.values():
        if row.status in WORKING and not _under_way(row, evidence.now):
            lease = (
                "without a lease" if row.lease_until is None else f"its lease ended {_time(row.lease_until)}"
            )
            yield Broken("stuck", row.message_id, f"{row.status}, {lease}")
        elif row.open_intents:
            yield Broken("stuck", row.message_id, f"{row.status}, and an attempt is still an intent")


def _under_way(row: Row, now: float) -> bool:
    """Whether somebody holds it and may still finish it."""
    return row.status in WORKING and row.lease_until is not None and row.lease_until > now


def _overshoot(evidence: Evidence, rows: dict[str, Row], cap_field: str) -> Iterator[Broken]:
    """Of each mailbox and campaign no more is accepted in a local day than the cap; a lowered one holds after GRACE."""
    caps: dict[str, list[Cap]] = defaultdict(list)
    for cap in sorted(evidence.caps, key=lambda cap: cap.at):
        if cap.field == cap_field:
            caps[cap.value].append(cap)
    used: Counter[tuple[str, str]] = Counter()
    for mail in sorted(evidence.accepted, key=lambda mail: mail.at):
        row = rows.get(mail.message_id)
        value = getattr(row, cap_field) if row else ""
        if value not in caps:
            continue
        day = datetime.fromtimestamp(mail.at, UTC).astimezone(ZoneInfo(evidence.zone)).date().isoformat()
        used[value, day] += 1
        limit = _limit(caps[value], mail.at)
        if used[value, day] > limit:
            said = f"number {used[value, day]} of {cap_field} {value} on {day}, where {limit} were allowed"
            yield Broken("cap_overshoot", mail.message_id, said)


def _limit(caps: list[Cap], at: float) -> int:
    """The highest cap in force at any time in the GRACE seconds before a moment."""
    in_force = [
        cap.limit
        for n, cap in enumerate(caps)
        if cap.at <= at and (n + 1 == len(caps) or caps[n + 1].at >= at - GRACE)
    ]
    return max(in_force, default=caps[0].limit)


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S.%f")[:-3]
