"""The answer of a gate: may it happen, when, and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """What a gate can say, from mildest to strictest."""

    ALLOW = "allow"
    ASK = "ask"
    DEFER = "defer"
    ESCALATE = "escalate"
    DENY = "deny"


_STRICTNESS = {outcome: rank for rank, outcome in enumerate(Outcome)}


@dataclass(frozen=True)
class Reason:
    """One line of a trace: a stable code for programs, a sentence for people, and what it was read from."""

    code: str
    text: str
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """An outcome with every reason that was looked at; `until` (aware) belongs to `defer`."""

    outcome: Outcome
    reasons: tuple[Reason, ...] = ()
    until: datetime | None = None

    @property
    def allowed(self) -> bool:
        return self.outcome is Outcome.ALLOW

    def as_json(self) -> dict[str, Any]:
        """A plain structure for a JSON column."""
        return {
            "outcome": str(self.outcome),
            "reasons": [{"code": r.code, "text": r.text, "data": r.data} for r in self.reasons],
            "until": self.until.isoformat() if self.until else None,
        }


def allow(code: str, text: str, **data: Any) -> Verdict:
    """Nothing stands in the way, for this reason."""
    return Verdict(Outcome.ALLOW, (Reason(code, text, data),))


def deny(code: str, text: str, **data: Any) -> Verdict:
    """It must not happen at all."""
    return Verdict(Outcome.DENY, (Reason(code, text, data),))


def defer(until: datetime | None, code: str, text: str, **data: Any) -> Verdict:
    """Not now: try again at `until`, or, when that is None, when the stated obstacle is gone."""
    return Verdict(Outcome.DEFER, (Reason(code, text, data),), until)


def ask(code: str, text: str, **data: Any) -> Verdict:
    """A person has to approve it first."""
    return Verdict(Outcome.ASK, (Reason(code, text, data),))


def escalate(code: str, text: str, **data: Any) -> Verdict:
    """A person has to look at the situation; nothing is proposed."""
    return Verdict(Outcome.ESCALATE, (Reason(code, text, data),))


def combine(verdicts: Iterable[Verdict]) -> Verdict:
    """The strictest outcome with the reasons of all; of several deferrals the latest `until` counts."""
    seen = tuple(verdicts)
    if not seen:
        return Verdict(Outcome.ALLOW)
    strictest = max((verdict.outcome for verdict in seen), key=_STRICTNESS.__getitem__)
    reasons = tuple(reason for verdict in seen for reason in verdict.reasons)
    waits = [v.until for v in seen if v.outcome is Outcome.DEFER]
    until = (
        max((w for w in waits if w), default=None)
        if strictest is Outcome.DEFER and None not in waits
        else None
    )
    return Verdict(strictest, reasons, until)
