"""The fault campaign of the ledger: a real campaign is sent while the plan breaks things, then every promise is checked."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.db import connections

from campaigns.models import Message
from leadpilot.orgs.tenancy import org_context
from leadpilot.trust import checker, databases, dovecot, evidence, ground, plan, population
from leadpilot.trust.acts import People, set_free, surely
from leadpilot.trust.control import Helper
from leadpilot.trust.injector import Injector
from leadpilot.trust.ledgerbook import Ledgerbook
from leadpilot.trust.workers import Workers

WORKERS = 2  # in each cluster
BACKLOG = 70  # messages that wait, so that every fault finds some
EVERY = 0.45  # seconds between two faults, when the world can keep up
MOST_WAITING = 10  # faults in ambush before the next one is held back
HOLD_BACK = 6.0  # seconds, at most
LOOK = 0.1  # seconds between two looks at what has struck
MOUTHFUL = 6  # leads approved at a time
LAST = 45.0  # seconds for what lies in wait after the last fault
REST = 150.0  # seconds for everything to be sent and settled at the end


@dataclass
class Outcome:
    """What a campaign found."""

    figures: list[tuple[str, Any, str]]
    broken: list[checker.Broken]
    histories: dict[str, list[str]] = field(default_factory=dict)


@dataclass
class World:
    """All that runs."""

    folder: Path
    people: People
    injector: Injector
    oracle: Helper
    proxy: Helper
    clusters: list[Workers]
    settles: bool
    _last: dict[str, float] = field(default_factory=dict)

    def due(self, what: str, every: float) -> bool:
        """Whether these seconds are over since it was last due."""
        now = time.monotonic()
        if now - self._last.get(what, 0.0) < every:
            return False
        self._last[what] = now
        return True


@contextmanager
def world(folder: Path) -> Iterator[World]:
    """Fake servers, proxy, organization and clusters; everything ends with the block."""
    with ExitStack() as stack:
        call_command("migrate", database="owner", interactive=False, verbosity=0)
        users = population.accounts()
        imap = stack.enter_context(dovecot.Dovecot(users)) if dovecot.is_installed() else None
        store = imap.store if imap else None
        sent = {"root": str(store.root), "uid": store.uid, "gid": store.gid} if store else None
        log = folder / "helpers.log"
        config = {"log": str(folder / "oracle.jsonl"), "users": users, "sent": sent}
        oracle = stack.enter_context(Helper("leadpilot.trust.oracle", config, log))
        lines = {
            "smtp": f"127.0.0.1:{oracle.ports['smtp']}",
            "imap": f"127.0.0.1:{imap.port if imap else 1}",
            "postgres": ground.database_socket(folder),
        }
        config = {"log": str(folder / "proxy.jsonl"), "lines": lines}
        proxy = stack.enter_context(Helper("leadpilot.trust.faultproxy", config, log))
        people = People(
            population.populate(
                smtp_port=proxy.ports["smtp"],
                imap_port=proxy.ports["imap"] if imap else 0,
                zone=ground.steady_zone(),
            ),
            store=store,
        )
        clusters = _clusters(folder, proxy, stack)
        injector = Injector(
            clusters,
            oracle,
            proxy,
            folder / "places",
            lambda: restart_database(folder),
            Ledgerbook(folder / "faults.jsonl"),
        )
        injector.baits = {
            "smtp.rset": lambda: oracle.ask(do="plan", verb="RCPT", say="450 4.2.0 later", id=-1),
            "inbound.before_commit": lambda: people.perform(plan.Act(0, "reply", 0.5, 0.0)),
        }
        yield World(folder, people, injector, oracle, proxy, clusters, imap is not None)


def _clusters(folder: Path, proxy: Helper, stack: ExitStack) -> list[Workers]:
    (folder / "places").mkdir()
    ports = (proxy.ports["smtp"], proxy.ports["imap"])
    environment = {
        "OUTBOUND_ALLOW": ",".join(f"127.0.0.1:{port}" for port in ports),
        "LEADPILOT_FAILPOINTS_AT": str(folder / "places"),
    }
    direct = databases.configured()
    urls = replace(direct, app=ground.through_proxy(direct.app, proxy.ports["postgres"]))
    clusters = [
        Workers(folder / f"cluster{n}", urls, workers=WORKERS, environment=environment)
        for n in range(1, plan.CLUSTERS + 1)
    ]
    for cluster in clusters:
        cluster.start()
        stack.callback(cluster.kill)  # all is known by then, and a good-bye costs ten seconds each
    for cluster in clusters:
        cluster.wait_until_ready()
    return clusters


def restart_database(folder: Path) -> None:
    """As `pg_ctl restart -m immediate`: no goodbye, recovery from the log."""
    databases.Server(folder / "var").restart_at_once()
    connections.close_all()


def run(folder: Path, seed: int, faults: int, say: Callable[[str], None]) -> Outcome:
    """Send, break, settle, check."""
    begun = time.monotonic()
    with world(folder) as there:
        say(f"ready after {time.monotonic() - begun:.0f} s")
        _storm(there, plan.make(seed, faults), say)
        missed = there.injector.give_up()
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
    figures = _figures(there, found, broken)
    more = [("missed", missed, "faults"), ("offences", offences, "commands")]
    figures += [*more, ("seed", seed, ""), ("seconds", round(time.monotonic() - begun), "s")]
    return Outcome(figures, broken, histories)


def _storm(there: World, planned: plan.Plan, say: Callable[[str], None]) -> None:
    """Faults and acts in the plan's order, as fast as there is something to break."""
    acts = list(planned.acts)
    log = Ledgerbook(there.folder / "acts.jsonl")
    _feed(there, BACKLOG // 2)
    next_at = time.monotonic()
    for fault in planned.faults:
        while acts and acts[0].before <= fault.number:
            _act(there, acts.pop(0))
        held_since = time.monotonic()
        while time.monotonic() < next_at or _should_wait(there, held_since):
            _tend(there, log)
        there.injector.inject(fault)
        next_at = max(next_at + EVERY, time.monotonic())
        if fault.number % 50 == 0:
            say(f"{fault.number} faults, {there.injector.waiting()} of them lie in wait")
    until = time.monotonic() + LAST
    while there.injector.waiting() and time.monotonic() < until:
        _tend(there, log)


def _should_wait(there: World, since: float) -> bool:
    return there.injector.in_ambush() > MOST_WAITING and time.monotonic() - since < HOLD_BACK


def _act(there: World, act: plan.Act) -> None:
    """With a trap: the next conversation is slowed down first, and the act waits until it has begun."""
    if act.trap == "commit":
        rule = {
            "action": "delay",
            "pattern": "claimed",
            "seconds": plan.SLOWEST,
            "forward": True,
        }
        there.proxy.ask(do="rule", id=-1, line="postgres", **rule)
    elif act.trap:
        there.oracle.ask(do="plan", verb=act.trap, delay=plan.SLOWEST, id=-1)
    if act.trap:
        time.sleep(0.5)
    there.people.perform(act)


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
    return any(
        row.status in checker.OPEN and not row.explained for row in evidence.rows(there.people.population)
    )


def _figures(
    there: World, found: checker.Evidence, broken: list[checker.Broken]
) -> list[tuple[str, Any, str]]:
    counts = checker.count(broken)
    unknown = [row for row in found.rows if row.was_unknown]
    settled = [row for row in unknown if row.status != "unknown"]
    waits = sorted(there.injector.recoveries) or [0.0]
    median = waits[len(waits) // 2]
    p99 = waits[min(len(waits) - 1, int(len(waits) * 0.99))]
    return [
        ("faults", there.injector.struck, "faults"),
        ("acts", there.people.done, "acts"),
        ("messages", len(found.rows), "messages"),
        ("accepted", len(found.accepted), "messages"),
        *((name, number, "messages") for name, number in counts.items()),
        ("unknown", len(unknown), "messages"),
        ("unknown_settled", round(100 * len(settled) / len(unknown), 2) if unknown else 100.0, "%"),
        ("recovery_p50", round(median, 1), "s"),
        ("recovery_p99", round(p99, 1), "s"),
        ("recovery_max", round(waits[-1], 1), "s"),
        ("still_ill", there.injector.still_ill(), "clusters"),
    ]


def report(outcome: Outcome, folder: Path) -> list[str]:
    """`name value unit` lines; then each broken promise with the message's history."""
    lines = [f"{name} {value} {unit}".strip() for name, value, unit in outcome.figures]
    for one in outcome.broken[:50]:
        lines.append(f"BROKEN {one.promise}: {one.message_id} {one.said}")
        lines += [f"    {line}" for line in outcome.histories.get(one.message_id, [])]
    (folder / "report.txt").write_text("\n".join(lines) + "\n")
    (folder / "figures.json").write_text(json.dumps({name: value for name, value, _ in outcome.figures}))
    return lines
