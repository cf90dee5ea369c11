"""Everything that runs during a campaign of the ledger: fake servers, proxy, organization, clusters."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from django.core.management import call_command
from django.db import connections

from leadpilot.trust import cards, databases, dovecot, ground, plan, population
from leadpilot.trust.acts import People
from leadpilot.trust.control import Helper
from leadpilot.trust.injector import Injector
from leadpilot.trust.ledgerbook import Ledgerbook
from leadpilot.trust.workers import Workers

WORKERS = 2  # in each cluster


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
    traps: int = 0  # laid
    caught: int = 0  # traps that somebody was in when the act came
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
        for n in range(1, cards.CLUSTERS + 1)
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
