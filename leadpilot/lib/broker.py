"""django-q2's broker on our own queue in PostgreSQL: claims with SKIP LOCKED, wakes by LISTEN instead of
polling.
"""

from __future__ import annotations

import logging
import os
import time
import uuid
from typing import Any, LiteralString

import psycopg
from django.db import connections
from django.utils import timezone
from django_q.brokers import Broker
from django_q.conf import Conf
from django_q.signing import SignedPackage

from leadpilot.lib import canary, doorbell, jobs

log = logging.getLogger(__name__)
_CONNECT = ("dbname", "user", "password", "host", "port", "sslmode")


class PostgresBroker(Broker):  # type: ignore[misc]  # django-q2 has no types
    """One connection a process, in autocommit, that listens while nothing waits. It connects as the
    application's role.
    """

    _line: psycopg.Connection[Any] | None = None
    _pid = 0

    def dequeue(self) -> list[tuple[int, str]] | None:
        """The next job as django-q2 wants it, or None after waiting up to `poll` seconds in vain.

        A database that is away is waited for: raising would cost django-q2 ten seconds and a new process.
        """
        try:
            line = self._listening()
            with line.cursor() as cursor:
                by = doorbell.cluster_name(os.environ.get(doorbell.RUN_ID, ""), os.getpgrp())
                taken = doorbell.claim(cursor, Conf.RETRY, by)
            if taken is None:
                for _ in line.notifies(timeout=Conf.POLL, stop_after=1):
                    pass
                return None
        except psycopg.OperationalError as error:
            log.warning("The queue cannot be read: %s", str(error).strip())
            self._hang_up()
            time.sleep(1)
            return None
        return self._package(taken)

    def enqueue(self, task: str) -> None:
        """Refuse: a signed pickle in a table is a way in. Raises NotImplementedError."""
        raise NotImplementedError("Wake jobs with leadpilot.lib.jobs.wake; pickled tasks are not taken.")

    def acknowledge(self, task_id: int) -> None:
        """Remove a job that ran. Tried for some seconds, because a database may be restarted under us."""
        for pause in (0.1, 0.5, 2, 5, 0):
            try:
                with self._listening().cursor() as cursor:
                    doorbell.finish(cursor, task_id)
                return
            except psycopg.OperationalError as error:
                reason = str(error).strip()
                self._hang_up()
                time.sleep(pause)
        log.warning("A finished job stays in the queue and will run once more: %s", reason)

    def delete(self, task_id: int) -> None:
        self.acknowledge(task_id)

    def fail(self, task_id: int) -> None:
        self.acknowledge(task_id)

    def set_stat(self, key: str, value: str, timeout: int) -> None:
        """Called at each round of the process that looks after the workers: a sign of its life, and nothing is kept.

        A worker that is killed while it holds its timer's lock makes that process wait for ever.
        """
        canary.guard_looked()

    def ping(self) -> bool:
        return True

    def info(self) -> str:
        return "PostgreSQL"

    def queue_size(self) -> int:
        """How many jobs wait."""
        return self._count("select count(*) from django_q_ormq where key = %s and lock <= clock_timestamp()")

    def lock_size(self) -> int:
        """How many jobs are claimed, parked ones included."""
        return self._count("select count(*) from django_q_ormq where key = %s and lock > clock_timestamp()")

    def purge_queue(self) -> int:
        """Forget everything that waits or is claimed."""
        with self._listening().cursor() as cursor:
            cursor.execute("delete from django_q_ormq where key = %s", [doorbell.QUEUE])
            return cursor.rowcount

    def delete_queue(self) -> int:
        return self.purge_queue()

    def _package(self, taken: doorbell.Ring) -> list[tuple[int, str]] | None:
        try:
            jobs.resolve(taken.job)
        except Exception:
            log.exception("A wake-up cannot be answered and is dropped: %s", taken.job)
            self.acknowledge(taken.id)
            return None
        task = {
            "id": uuid.uuid4().hex,
            "name": taken.job,
            "func": taken.job,
            "args": taken.args,
            "kwargs": {},
            "started": timezone.now(),
            "ack_failure": True,
        }
        return [(taken.id, SignedPackage.dumps(task))]

    def _count(self, query: LiteralString) -> int:
        with self._listening().cursor() as cursor:
            cursor.execute(query, [doorbell.QUEUE])
            row = cursor.fetchone()
            return int(row[0]) if row else 0

    def _listening(self) -> psycopg.Connection[Any]:
        """The connection of this very process: one that came over a fork belongs to the parent."""
        if self._line is None or self._pid != os.getpid() or self._line.closed:
            asked = connections["default"].get_connection_params()
            known = {name: asked[name] for name in _CONNECT if asked.get(name)}
            self._line = psycopg.connect(**known, autocommit=True, connect_timeout=5)
            self._pid = os.getpid()
            self._line.execute(f"listen {doorbell.CHANNEL}")
        return self._line

    def _hang_up(self) -> None:
        if self._line is not None and self._pid == os.getpid():
            self._line.close()
        self._line = None
