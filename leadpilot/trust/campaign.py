"""The fault campaign of the ledger: a real campaign is sent while the plan breaks things, then every promise is checked."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path

from campaigns.models import Message
from leadpilot.orgs.tenancy import org_context
from leadpilot.trust import cards, checker, evidence, plan, testimony
from leadpilot.trust.acts import set_free, surely
from leadpilot.trust.ledgerbook import Ledgerbook
from leadpilot.trust.report import Outcome, figures_of, shortcomings
from leadpilot.trust.world import World, world

BACKLOG = 70  # messages that wait, so that every fault finds some
EVERY = 0.45  # seconds between two faults, when the world can keep up
MOST_WAITING = 10  # faults in ambush before the next one is held back
HOLD_BACK = 6.0  # seconds, at most
BEHIND = 3.0  # seconds that a wait may be made up for
LOOK = 0.1  # seconds between two looks at what has struck
MOUTHFUL = 6  # leads approved at a time
LAST = 90.0  # seconds for what lies in wait after the last fault
REST = 150.0  # seconds for everything to be sent and settled at the end


def run(folder: Path, seed: int, faults: int, say: Callable[[str], None]) -> Outcome:
    """Send, break, settle, check."""
    begun = time.monotonic()
    with world(folder) as there:
        say(f"ready after {time.monotonic() - begun:.0f} s")
        if not there.settles:
            say("Dovecot is not installed: what becomes unknown stays so, and replies come without IMAP")
        planned = plan.make(seed, faults)
        _storm(there, planned, say)
        missed = there.injector.give_up()
        _make_up(there, plan.instead_of(missed, planned))
        _calm(there, planned)
        say(f"the storm is over after {time.monotonic() - begun:.0f} s; settling")
        _rest(there)
        found = surely(lambda: evidence.gather(there.people, folder / "oracle.jsonl"))
        (folder / "rows.jsonl").write_text("".join(json.dumps(asdict(row)) + "\n" for row in found.rows))
        broken = checker.check(found)
        histories = {
            one.message_id: evidence.history(there.people.population, one.message_id, folder)
            for one in broken[:20]
        }
        offences = there.oracle.ask(do="state")["offences"]
    figures = figures_of(there, found, broken)
    more = [("traps", there.caught, "acts"), ("missed", missed, "faults"), ("offences", offences, "commands")]
    figures += [*more, ("seed", seed, "number"), ("seconds", round(time.monotonic() - begun), "s")]
    return Outcome(figures, broken, histories, shortcomings(figures, asked=faults, settles=there.settles))


def _storm(there: World, planned: plan.Plan, say: Callable[[str], None]) -> None:
    """Faults and acts in the plan's order, as fast as there is something to break."""
    acts = list(planned.acts)
    log = Ledgerbook(there.folder / "acts.jsonl")
    _feed(there, BACKLOG // 2)
    next_at = time.monotonic()
    for fault in planned.faults:
        while acts and acts[0].before <= fault.number:
            _act(there, acts.pop(0), log)
        held_since = time.monotonic()
        while time.monotonic() < next_at or _should_wait(there, held_since):
            _tend(there, log)
        there.injector.inject(fault)
        next_at = max(next_at + EVERY, time.monotonic() - BEHIND)
        if fault.number % 50 == 0:
            say(f"{fault.number} faults, {there.injector.waiting()} of them lie in wait")
    until = time.monotonic() + LAST
    while there.injector.waiting() and time.monotonic() < until:
        _tend(there, log)


def _make_up(there: World, faults: Iterable[plan.Fault]) -> None:
    """For what found nobody to strike, something that always does: as many faults strike as were asked for."""
    log = Ledgerbook(there.folder / "acts.jsonl")
    for fault in faults:
        there.injector.inject(fault)
        until = time.monotonic() + EVERY
        while time.monotonic() < until:
            _tend(there, log)


def _calm(there: World, planned: plan.Plan) -> None:
    """Nothing breaks any more: acts fall into slow conversations that would otherwise come to a good end."""
    log = Ledgerbook(there.folder / "acts.jsonl")
    for act in planned.traps:
        _act(there, act, log)


def _should_wait(there: World, since: float) -> bool:
    return there.injector.in_ambush() > MOST_WAITING and time.monotonic() - since < HOLD_BACK


def _act(there: World, act: plan.Act, log: Ledgerbook) -> None:
    """With a trap, the next conversation is slowed down, and the act comes as soon as that has begun."""
    if act.trap:
        _spring(there, act.trap, log)
    there.people.perform(act)


def _spring(there: World, trap: str, log: Ledgerbook) -> None:
    """Lay a trap and wait until somebody is in it, or for a while."""
    there.traps += 1
    number, helper, name = -there.traps, there.oracle, "used"
    if trap == "commit":
        helper, name = there.proxy, "fired"
        rule = {"action": "delay", "pattern": "claimed", "seconds": cards.SLOWEST}
        helper.ask(do="rule", id=number, line="postgres", **rule)
    else:
        helper.ask(do="plan", verb=trap, delay=cards.SLOWEST, id=number)
    until = time.monotonic() + HOLD_BACK
    while time.monotonic() < until:
        if number in helper.ask(do="state")[name]:
            there.caught += 1
            return
        _tend(there, log)


def _tend(there: World, log: Ledgerbook) -> None:
    """A moment of everything else, each part as often as it is worth its time: two cores have to do for all of this."""
    time.sleep(LOOK)
    there.injector.look()
    there.people.undo_due()
    _write(there, log)
    if there.due("replies", 0.5):
        there.people.notice_replies()
    if there.due("mend", 2.0):
        there.people.mend()
    if there.due("feed", 0.5):
        waiting = surely(there.people.population.waiting)
        _feed(there, min(MOUTHFUL, BACKLOG - waiting))


def _feed(there: World, leads: int) -> None:
    """Approve more, one lead at a time: if the database goes away in one, that one is simply not made."""
    for _ in range(leads):
        surely(lambda: there.people.population.feed(1))


def _write(there: World, log: Ledgerbook) -> None:
    while there.people.log:
        log.add(**there.people.log.pop(0))


def _rest(there: World) -> None:
    """Everything is lifted; wait until nothing can be sent or settled any more."""
    surely(lambda: set_free(there.people))
    _write(there, Ledgerbook(there.folder / "acts.jsonl"))
    until = time.monotonic() + REST
    while time.monotonic() < until and surely(lambda: _unrest(there)):
        surely(lambda: there.people.mend(everything=True))
        there.injector.look()
        time.sleep(0.5)


def _unrest(there: World) -> bool:
    """Whether something may still change by itself."""
    if there.injector.still_ill():
        return True
    org = there.people.population.org
    with org_context(org.pk):
        rows = Message.objects.for_org(org)
        if rows.filter(status__in=["claimed", "sending"]).exists():
            return True
        if there.settles and rows.filter(status="unknown").exists():
            return True
    return any(row.status in testimony.OPEN and row.soon for row in evidence.rows(there.people.population))
