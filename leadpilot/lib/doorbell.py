"""The queue's SQL, over any psycopg cursor: a row rings, a claim answers. Needs no Django, so that the
supervisor can ring.

A row of `django_q_ormq` holds the job's dotted name and its ids as JSON, never a pickle. `lock` says until
when it is taken; a parked row is taken for good.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Protocol

QUEUE = "leadpilot"
CHANNEL = "leadpilot_wake"
MAX_ATTEMPTS = 3
RUN_ID = "LEADPILOT_RUN_ID"  # in the environment of every process that one supervisor started

# A waiting twin is locked until our commit, so no worker can take it before our work is visible; then it
# serves us too.
# A twin that someone else holds is left alone (we ring anew), so wakers never wait for each other.
_RING = """
with twin as (
    select id from django_q_ormq
     where key = %(queue)s and payload = %(payload)s and lock <= clock_timestamp()
     order by id limit 1 for update skip locked
), rung as (
    insert into django_q_ormq (key, payload, lock)
    select %(queue)s, %(payload)s, clock_timestamp() where not exists (select 1 from twin)
)
select pg_notify(%(channel)s, '')
"""
# Twins are committed before this claim, so the one run sees the work of all of them.
_CLAIM = """
with next as (
    select id, payload from django_q_ormq
     where key = %(queue)s and lock <= clock_timestamp()
     order by id limit 1 for update skip locked
), twins as (
    select twin.id from django_q_ormq twin join next on twin.payload = next.payload and twin.id <> next.id
     where twin.key = %(queue)s and twin.lock <= clock_timestamp() for update of twin skip locked
), gone as (
    delete from django_q_ormq where id in (select id from twins)
)
update django_q_ormq claimed
   set lock = clock_timestamp() + %(seconds)s * interval '1 second',
       payload = (next.payload::jsonb || jsonb_build_object('by', %(by)s::text, 'attempts',
                  coalesce((next.payload::jsonb ->> 'attempts')::int, 0) + 1))::text
  from next where claimed.id = next.id
returning claimed.id, claimed.payload
"""
_RELEASE = """
with released as (
    update django_q_ormq set lock = clock_timestamp()
     where key = %(queue)s and lock > clock_timestamp() and lock < timestamptz '9999-01-01 00:00Z'
       and starts_with(payload::jsonb ->> 'by', %(by)s)
    returning id
)
select count(*), pg_notify(%(channel)s, '') from released
"""
_PARK = "update django_q_ormq set lock = timestamptz '9999-01-01 00:00Z' where id = %s"


class Cursor(Protocol):
    """What psycopg's and Django's cursors have in common."""

    def execute(self, query: Any, params: Any = None, /) -> Any: ...

    def fetchone(self) -> Any: ...


@dataclass(frozen=True)
class Ring:
    """One claimed wake-up: its row, the job's dotted name, the ids it carries, and which attempt this is."""

    id: int
    job: str
    args: tuple[Any, ...]
    attempt: int


def payload(job: str, args: tuple[Any, ...]) -> str:
    """The text of a wake-up; equal wake-ups have equal texts."""
    return json.dumps({"job": job, "args": list(args)}, separators=(",", ":"))


def ring(cursor: Cursor, job: str, args: tuple[Any, ...] = ()) -> None:
    """Enqueue a wake-up in the cursor's transaction, unless one just like it is waiting; workers hear it at
    commit.
    """
    cursor.execute(_RING, {"queue": QUEUE, "payload": payload(job, args), "channel": CHANNEL})


def claim(cursor: Cursor, seconds: float, by: str = "") -> Ring | None:
    """Take the oldest waiting wake-up for some seconds, first come first served; None when nothing waits.

    One that was taken MAX_ATTEMPTS times without being finished is parked: it kills its workers.
    """
    while True:
        cursor.execute(_CLAIM, {"queue": QUEUE, "seconds": seconds, "by": by})
        row = cursor.fetchone()
        if row is None:
            return None
        found = json.loads(row[1])
        taken = Ring(row[0], found["job"], tuple(found["args"]), found["attempts"])
        if taken.attempt <= MAX_ATTEMPTS:
            return taken
        cursor.execute(_PARK, [taken.id])


def cluster_name(run_id: str, group: int | str = "") -> str:
    """Who claims: the supervisor's run and the process group of the cluster; without a group all of the run."""
    return f"{run_id}:{group}" + (":" if group else "")


def release(cursor: Cursor, by: str) -> int:
    """Let others take what a dead cluster had claimed; returns how many. The attempt it made still counts."""
    cursor.execute(_RELEASE, {"queue": QUEUE, "by": by, "channel": CHANNEL})
    return int(cursor.fetchone()[0])


def finish(cursor: Cursor, ring_id: int) -> None:
    """Remove a wake-up that was answered."""
    cursor.execute("delete from django_q_ormq where id = %s", [ring_id])
