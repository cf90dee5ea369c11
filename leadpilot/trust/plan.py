"""What will go wrong and what people will do meanwhile: a pure function of a seed and a number."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from leadpilot.trust import cards


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
    """Faults in their order, the acts between them, and the traps of the calm that follows.

    In the storm a slow conversation is mostly killed before its end; in the calm nothing but the act stops it.
    """

    faults: tuple[Fault, ...]
    acts: tuple[Act, ...]
    traps: tuple[Act, ...]


def make(seed: int, number: int) -> Plan:
    """The plan of `number` faults for this seed; the same for the same two."""
    chance = random.Random(f"{seed}:{number}")
    decks = {
        "failpoint": _Deck(chance, [(place, action) for place in cards.PLACES for action in cards.ACTIONS]),
        "smtp": _Deck(chance, list(cards.SMTP)),
        "postgres": _Deck(chance, list(cards.POSTGRES)),
        "oracle": _Deck(chance, list(cards.ORACLE)),
        "cluster": _Deck(chance, list(cards.CLUSTER)),
        "kind": _Deck(chance, [kind for kind, weight in cards.WEIGHTS.items() for _ in range(weight)]),
        "trap": _Deck(chance, list(cards.TRAPPED)),
        "act": _Deck(chance, [kind for kind, weight in cards.ACT_WEIGHTS.items() for _ in range(weight)]),
    }
    faults = tuple(_fault(n, decks, chance) for n in range(1, number + 1))
    acts = tuple(_act(decks, chance, number) for _ in range(-(-number // cards.FAULTS_PER_ACT)))
    traps = tuple(
        _trap(decks, chance, number) for _ in range(max(len(cards.TRAPPED), number // cards.FAULTS_PER_TRAP))
    )
    return Plan(faults, tuple(sorted(acts, key=lambda act: act.before)), traps)


def instead_of(missed: int, planned: Plan) -> list[Fault]:
    """As many faults that need nobody to come along: every connection to the database is cut."""
    last = len(planned.faults)
    return [Fault(last + n, "postgres", {"action": "cut_all"}) for n in range(1, missed + 1)]


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
            "cluster": chance.randrange(cards.CLUSTERS),
            "pick": chance.random(),
        }
    elif kind == "cluster":
        role, signal = decks["cluster"].draw()
        how = {
            "role": role,
            "signal": signal,
            "cluster": chance.randrange(cards.CLUSTERS),
            "pick": chance.random(),
        }
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
        cards.TRAPS if kind != "lower_cap" else cards.TRAPS[2:5]
    )  # what is claimed already must notice, too
    hold = round(chance.uniform(9.5, 11.0), 2)  # longer than a trap, so that lateness shows
    return Act(chance.randint(1, number), kind, chance.random(), hold, trap)


def _trap(decks: dict[str, _Deck], chance: random.Random, number: int) -> Act:
    kind = decks["trap"].draw()
    pick = chance.choice([0.1, 0.7])  # for a cap: the campaign's or the mailbox's, below what has left
    return Act(number + 1, kind, pick, round(chance.uniform(9.5, 11.0), 2), chance.choice(cards.TRAPS[2:5]))
