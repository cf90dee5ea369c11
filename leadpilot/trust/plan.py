"""What will go wrong and what people will do meanwhile: a pure function of a seed and a number."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

CLUSTERS = 3
SLOWEST = 5.8  # seconds of the slow answer that is a trap: longer than the grace of a stop
PLACES = (
    "ledger.before_claim_commit",
    "ledger.before_intent_commit",
    "ledger.after_intent",
    "smtp.mail",
    "smtp.rcpt",
    "smtp.data",
    "smtp.body",
    "smtp.before_dot",
    "smtp.dot",
    "smtp.after_dot",
    "ledger.before_finish_commit",
    "ledger.after_finish",
    "smtp.rset",
    "inbound.before_commit",
)
_ACTIONS = ("kill", "kill", "kill", "kill", "exit", "raise", "sleep:1.5")
_DOT = "\r\n.\r\n"
TRAPS = ("", "", "connect", "RCPT", "DATA", "commit")

# Of a hundred faults, about so many of each kind. Whole clusters are dear to start, so few of them die.
WEIGHTS = {
    "failpoint": 38,
    "worker": 9,
    "cluster": 5,
    "smtp": 17,
    "postgres": 13,
    "oracle": 15,
    "imap": 2,
    "restart": 1,
}
ACT_WEIGHTS = {
    "pause_campaign": 4,
    "pause_mailbox": 4,
    "halt": 1,
    "opt_out": 5,
    "withdraw": 3,
    "reply": 4,
    "lower_cap": 2,
}
FAULTS_PER_ACT = 4

_SMTP: tuple[dict[str, Any], ...] = (
    *(
        {"action": "cut", "pattern": pattern, "forward": forward, "seconds": 0.05 if forward else 0.0}
        for pattern in ("MAIL FROM", "RCPT TO", "DATA\r\n", "Message-ID", _DOT)
        for forward in (False, True)
    ),
    {"action": "cut", "direction": "down", "pattern": "220 "},
    {"action": "cut", "direction": "down", "pattern": "354"},
    {"action": "cut", "direction": "down", "pattern": "250 2.0.0 taken"},
    {"action": "drop", "direction": "down", "pattern": "250 2.0.0 taken"},
    {"action": "drop_reply", "pattern": "RCPT TO"},
    {"action": "drop_reply", "pattern": _DOT},
    {"action": "half_close", "pattern": "DATA\r\n", "forward": True},
    {"action": "half_close", "direction": "down", "pattern": "354"},
    {"action": "half_close", "pattern": _DOT, "forward": True},
    {"action": "delay", "pattern": "MAIL FROM", "seconds": 1.5},
    {"action": "delay", "direction": "down", "pattern": "354", "seconds": 2.0},
    {"action": "delay", "direction": "down", "pattern": "250 2.0.0 taken", "seconds": 2.0},
)
# `claimed` stands in what begins a mail (its intent), `taken as number` in what finishes one that was accepted.
_POSTGRES: tuple[dict[str, Any], ...] = (
    *(
        {"action": "cut", "pattern": pattern, "forward": forward, "seconds": 0.1 if forward else 0.0}
        for pattern in ("COMMIT", "claimed", "taken as number")
        for forward in (False, True)
    ),
    {"action": "cut", "pattern": "COMMIT", "nth": 7, "forward": True, "seconds": 0.1},
    {"action": "cut", "pattern": "campaigns_quota", "nth": 3},
    {"action": "cut", "pattern": "FOR UPDATE"},
    {"action": "cut", "direction": "down", "pattern": "COMMIT"},
    {"action": "delay", "pattern": "COMMIT", "seconds": 2.0},
    {"action": "delay", "pattern": "claimed", "seconds": 2.0},
    {"action": "half_close", "pattern": "COMMIT", "forward": True},
    {"action": "cut_all"},
)
_ORACLE: tuple[dict[str, Any], ...] = (
    {"verb": "connect", "say": "421 4.3.2 too busy", "then": "cut"},
    {"verb": "connect", "then": "silence"},
    {"verb": "EHLO", "say": "421 4.7.0 not now"},
    {"verb": "AUTH", "say": "454 4.7.0 later"},
    {"verb": "AUTH", "say": "535 5.7.8 wrong name or password"},
    {"verb": "MAIL", "say": "421 4.4.2 closing", "then": "cut"},
    {"verb": "MAIL", "say": "451 4.3.0 later"},
    {"verb": "MAIL", "say": "550 5.7.1 we do not like you"},
    {"verb": "RCPT", "say": "450 4.2.0 greylisted"},
    {"verb": "RCPT", "say": "452 4.2.2 full"},
    {"verb": "RCPT", "say": "550 5.1.1 no such user"},
    {"verb": "RCPT", "say": "550-5.1.1 no\r\n550 5.1.1 such \xe9 user"},
    {"verb": "RCPT", "then": "silence"},
    {"verb": "DATA", "say": "451 4.3.0 later"},
    {"verb": "DATA", "say": "554 5.7.1 no"},
    {"verb": "dot", "say": "451 4.3.0 later"},
    {"verb": "dot", "say": "552 5.2.2 too big"},
    {"verb": "dot", "say": "554 5.7.1 spam"},
    {"verb": "dot", "then": "silence", "accept": True},
    {"verb": "dot", "then": "silence", "accept": False},
    {"verb": "dot", "then": "cut", "accept": True},
    {"verb": "dot", "say": "421 4.3.0 going down", "then": "cut"},
    {"verb": "dot", "say": "hello?", "accept": True},
    {"verb": "dot", "drip": 0.2},
    {"verb": "dot", "say": "250-2.0.0 taken\r\n250 2.0.0 \xff\xfe", "accept": True},
    {"verb": "dot", "delay": 1.5},
)
_CLUSTER = (
    ("parent", "KILL"),
    ("parent", "TERM"),
    ("group", "KILL"),
    ("group", "TERM"),
    ("sentinel", "KILL"),
    ("helper", "KILL"),
)


@dataclass(frozen=True)
class Fault:
    """One fault: what kind, and all its particulars."""

    number: int
    kind: str
    how: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Act:
    """Something a person does before fault number `before`. `pick` (0 to 1) chooses whom; `hold` seconds until undone.

    A `trap` makes the next conversation slow first, so that the act falls into the middle of it.
    """

    before: int
    kind: str
    pick: float
    hold: float
    trap: str = ""


@dataclass(frozen=True)
class Plan:
    """Faults in their order, and the acts between them."""

    faults: tuple[Fault, ...]
    acts: tuple[Act, ...]


def make(seed: int, number: int) -> Plan:
    """The plan of `number` faults for this seed; the same for the same two."""
    chance = random.Random(f"{seed}:{number}")
    decks = {
        "failpoint": _Deck(chance, [(place, action) for place in PLACES for action in _ACTIONS]),
        "smtp": _Deck(chance, list(_SMTP)),
        "postgres": _Deck(chance, list(_POSTGRES)),
        "oracle": _Deck(chance, list(_ORACLE)),
        "cluster": _Deck(chance, list(_CLUSTER)),
        "kind": _Deck(chance, [kind for kind, weight in WEIGHTS.items() for _ in range(weight)]),
        "act": _Deck(chance, [kind for kind, weight in ACT_WEIGHTS.items() for _ in range(weight)]),
    }
    faults = tuple(_fault(n, decks, chance) for n in range(1, number + 1))
    acts = tuple(_act(decks, chance, number) for _ in range(-(-number // FAULTS_PER_ACT)))
    return Plan(faults, tuple(sorted(acts, key=lambda act: act.before)))


class _Deck:
    """Cards in random order, all of them before any comes again."""

    def __init__(self, chance: random.Random, cards: list[Any]) -> None:
        self.chance, self.cards, self.left = chance, cards, []

    left: list[Any]

    def draw(self) -> Any:
        if not self.left:
            self.left = self.chance.sample(self.cards, len(self.cards))
        return self.left.pop()


def _fault(number: int, decks: dict[str, _Deck], chance: random.Random) -> Fault:
    kind = decks["kind"].draw()
    if kind == "failpoint":
        place, action = decks["failpoint"].draw()
        how: dict[str, Any] = {"place": place, "action": action}
    elif kind == "worker":
        signal = chance.choice(["KILL", "KILL", "TERM", "STOP"])
        how = {
            "role": "worker",
            "signal": signal,
            "cluster": chance.randrange(CLUSTERS),
            "pick": chance.random(),
        }
    elif kind == "cluster":
        role, signal = decks["cluster"].draw()
        how = {"role": role, "signal": signal, "cluster": chance.randrange(CLUSTERS), "pick": chance.random()}
    elif kind == "imap":
        how = {"action": "cut", "pattern": chance.choice(["SEARCH", "EXAMINE", "LOGIN"]), "forward": True}
    elif kind == "restart":
        how = {}
    else:
        how = dict(decks[kind].draw())
    return Fault(number, kind, how)


def _act(decks: dict[str, _Deck], chance: random.Random, number: int) -> Act:
    kind = decks["act"].draw()
    trap = chance.choice(
        TRAPS if kind != "lower_cap" else TRAPS[2:5]
    )  # what is claimed already must notice, too
    hold = round(chance.uniform(6.0, 8.5), 2)
    return Act(chance.randint(1, number), kind, chance.random(), hold, trap)
