"""The least that sending a queue takes: smtplib and psycopg by hand, the same bytes, one connection, as many commits.

It has no tenants, caps, gates, timeline or sequences, and nothing that would stop it.
"""

from __future__ import annotations

import smtplib
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

BATCH = 50
_TABLE = """
create table if not exists bench_hand_loop (id bigserial primary key, mail_from text not null, rcpt_to text not null,
    raw bytea not null, status text not null default 'queued', answer text not null default '', sent_at timestamptz);
create index if not exists bench_hand_loop_due on bench_hand_loop (id) where status = 'queued';
truncate bench_hand_loop
"""
_CLAIM = """
with due as (select id from bench_hand_loop where status = 'queued' order by id limit %s for update skip locked)
update bench_hand_loop b set status = 'claimed' from due where b.id = due.id returning b.id, b.mail_from, b.rcpt_to, b.raw
"""
_INTENT = "update bench_hand_loop set status = 'sending' where id = %s and status = 'claimed'"
_SENT = "update bench_hand_loop set status = 'sent', answer = %s, sent_at = now() where id = %s and status = 'sending'"


@dataclass(frozen=True)
class Mail:
    """One mail as it leaves."""

    mail_from: str
    rcpt_to: str
    raw: bytes


def fill(line: psycopg.Connection, mails: Sequence[Mail]) -> None:
    """Put the mails into a table of its own."""
    line.execute(_TABLE)
    with line.cursor() as cursor:
        cursor.executemany(
            "insert into bench_hand_loop (mail_from, rcpt_to, raw) values (%s, %s, %s)",
            [(mail.mail_from, mail.rcpt_to, mail.raw) for mail in mails],
        )
    line.commit()


def send(line: psycopg.Connection, port: int, commits: int) -> None:
    """Send them all. With one commit a mail, the outcome of each is committed together with the next one's intent."""
    with smtplib.SMTP("127.0.0.1", port, local_hostname="bench.example") as server:
        while batch := line.execute(_CLAIM, [BATCH]).fetchall():
            line.commit()
            for number, mail_from, rcpt_to, raw in batch:
                line.execute(_INTENT, [number])
                line.commit()
                server.sendmail(mail_from, [rcpt_to], raw)
                line.execute(_SENT, ["2.0.0 taken", number])
                if commits > 1:
                    line.commit()
            line.commit()


def remove(line: psycopg.Connection) -> None:
    """Leave nothing behind."""
    line.execute("drop table if exists bench_hand_loop")
    line.commit()
