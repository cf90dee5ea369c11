"""Killers, repeated and lost wake-ups, and a database that goes away in the middle (TRUST F3, F4, F17)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection, connections, transaction

from agent.engine import claims
from agent.engine.queue import DRAIN_JOB
from agent.models import AgentTask, TaskStatus
from leadpilot.lib import doorbell
from leadpilot.orgs.tenancy import org_context
from leadpilot.trust import databases
from leadpilot.trust.cluster import eventually
from leadpilot.trust.engine import crowd, mail, observed, work
from leadpilot.trust.engine.stage import MANY, Play, Stage

DELIVERIES = 5
MAIL_JOB = "campaigns.tasks.drain_mailbox"
SWEPT_WITHIN, RESTARTED_WITHIN = 120.0, 60.0  # seconds, promised
LONGEST = (
    800.0  # seconds: a lease of 4 minutes, or 5 to wait when the intent could not be written, and some more
)


def play(stage: Stage, *, number: int = 60, killer: bool = True) -> None:
    """One cluster: everything delivered five times, every wake-up lost, and a killer among others."""
    with mail.oracle(stage.folder / "repeated", 1) as sink:
        port = sink.ports["smtp"]
        with stage.play("faults", clusters=1, workers=3, OUTBOUND_ALLOW=f"127.0.0.1:{port}") as scene:
            pool = crowd.mailboxes(scene.org, smtp_port=port, caps=[MANY])
            campaign = crowd.campaign(scene.org, pool, daily_cap=MANY)
            scene.start()
            _repeated(stage, scene, campaign, pool, number)
            _robbed(stage, scene, campaign, pool, number)
            if killer:  # three leases have to run out
                _killer(stage, scene, number)
            stage.figures.exactly("faults_orphans", scene.stop(), "processes", 0)


def _repeated(stage: Stage, scene: Play, campaign: Any, pool: list[Any], number: int) -> None:
    """Tasks and mails whose wake-ups come five times, at once."""
    before = {job: observed.deliveries(scene.folder, job) for job in (DRAIN_JOB, MAIL_JOB)}
    with transaction.atomic():
        tasks = work.submit(scene.org, number)
        mails = crowd.approve(campaign, pool, number)
        for job, ids in ((DRAIN_JOB, [scene.org.pk]), (MAIL_JOB, [scene.org.pk, pool[0].pk])):
            _ring_five_times(job, ids)
    work.wait(scene.org, 120)
    eventually(lambda: not mail.moving(scene.org), 120, 0.2)
    delivered = {job: observed.deliveries(scene.folder, job) - before[job] for job in before}
    counted = work.count(scene.folder, tasks)
    sent = mail.Outcome.of(scene.org, mails, mail.accepted(stage.folder / "repeated"))
    figures = stage.figures
    figures.say("repeated_deliveries", min(delivered.values()), "deliveries")
    figures.exactly("repeated_done_once", counted.once, "tasks", number)
    figures.exactly("repeated_mails_accepted", sent.accepted, "messages", number)
    figures.exactly("repeated_duplicates", sent.duplicates + counted.more, "tasks+messages", 0)


def _ring_five_times(job: str, ids: list[UUID]) -> None:
    """Equal wake-ups become one; these differ by spaces, as no two of ours do."""
    with connection.cursor() as cursor:
        for spaces in range(DELIVERIES):
            text = json.dumps({"job": job, "args": [str(one) for one in ids]}) + " " * spaces
            cursor.execute(
                "insert into django_q_ormq (key, payload, lock) values (%s, %s, clock_timestamp())",
                [doorbell.QUEUE, text],
            )
        cursor.execute("select pg_notify(%s, '')", [doorbell.CHANNEL])


def _robbed(stage: Stage, scene: Play, campaign: Any, pool: list[Any], number: int) -> None:
    """Every queued job is deleted in the transaction that made the work: only the rows know of it."""
    known = len(mail.accepted(stage.folder / "repeated"))
    with transaction.atomic():
        tasks = work.submit(scene.org, number)
        mails = crowd.approve(campaign, pool, number, first=number)
        with connection.cursor() as cursor:
            cursor.execute("delete from django_q_ormq")
            deleted = cursor.rowcount
    began = time.monotonic()
    work.wait(scene.org, 2 * SWEPT_WITHIN)
    eventually(lambda: not mail.moving(scene.org), 2 * SWEPT_WITHIN, 0.2)
    took = time.monotonic() - began
    counted = work.count(scene.folder, tasks)
    log = mail.accepted(stage.folder / "repeated")[known:]
    sent = mail.Outcome.of(scene.org, mails, log)
    figures = stage.figures
    figures.say("robbed_jobs_deleted", deleted, "jobs")
    figures.at_most("robbed_caught_up", took, "s", SWEPT_WITHIN)
    figures.exactly("robbed_lost", counted.never + sent.lost, "tasks+messages", 0)
    figures.exactly("robbed_duplicates", counted.more + sent.duplicates, "tasks+messages", 0)


def _killer(stage: Stage, scene: Play, number: int) -> None:
    """A task that kills its worker each time, among others: it is given up, they are done."""
    began = time.monotonic()
    killer = work.submit(scene.org, 1, deadly=True)[0]
    others = work.submit(scene.org, number)
    eventually(lambda: work.count(scene.folder, others).never == 0, 300, 0.2)
    flowed = time.monotonic() - began
    work.wait(scene.org, 600)
    with org_context(scene.org.pk):
        row = AgentTask.objects.for_org(scene.org).get(pk=killer)
    runs = sum(line[0] == str(killer) for line in observed.runs(scene.folder))
    figures = stage.figures
    figures.exactly("killer_runs", runs, "runs", claims.MAX_DEATHS)
    parked = row.status == TaskStatus.FAILED and row.error_message == claims.PARKED
    figures.exactly("killer_parked", int(parked), "tasks", 1)
    figures.say("killer_parked_after", time.monotonic() - began, "s")
    figures.say("killer_others_done_after", flowed, "s")
    figures.exactly("killer_others_lost", work.count(scene.folder, others).never, "tasks", 0)


def restart(stage: Stage, *, server: databases.Server, number: int, workers: int = 8) -> None:
    """PostgreSQL restarted at once while two clusters are sending."""
    with mail.oracle(stage.folder / "restarted", 8) as sink:
        port, book = sink.ports["smtp"], stage.folder / "restarted"
        with stage.play("restart", clusters=2, workers=workers, OUTBOUND_ALLOW=f"127.0.0.1:{port}") as scene:
            pool = crowd.mailboxes(scene.org, smtp_port=port, caps=[MANY] * 8)
            approved = crowd.approve(crowd.campaign(scene.org, pool, daily_cap=MANY), pool, number)
            scene.start()
            eventually(lambda: len(mail.accepted(book)) >= number // 4, 300, 0.01)
            before, began = len(mail.accepted(book)), time.monotonic()
            away = server.restart_at_once()
            answered = time.time()
            eventually(lambda: any(m["at"] > answered for m in mail.accepted(book)), 300, 0.05)
            back = time.monotonic() - began
            eventually(lambda: patiently(lambda: not mail.moving(scene.org)), LONGEST + number / 10, 0.5)
            settled = time.monotonic() - began
            orphans = scene.stop()
            found = mail.Outcome.of(scene.org, approved, mail.accepted(book))
    figures = stage.figures
    figures.say("restart_all_settled", settled, "s")
    figures.say("restart_accepted_before", before, "messages")
    figures.say("restart_database_away", away, "s")
    figures.at_most("restart_working_again", back, "s", RESTARTED_WITHIN)
    figures.say("restart_accepted", found.accepted, "messages")
    figures.exactly("restart_duplicates", found.duplicates, "messages", 0)
    figures.exactly("restart_lost", found.lost, "messages", 0)
    figures.say("restart_unknown", found.unknown, "messages")
    figures.exactly("restart_orphans", orphans, "processes", 0)


def patiently(look: Callable[[], bool]) -> bool:
    """Look into a database that may just be away: then the answer is no."""
    try:
        return look()
    except (OperationalError, InterfaceError):
        connections["default"].close()
        return False
