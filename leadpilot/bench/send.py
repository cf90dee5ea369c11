"""Approved messages that leave over real SMTP, beside a hand loop and django-post_office."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from django.db import connection, connections

from campaigns.models import Message
from campaigns.rendering import compose
from campaigns.services import delivery
from leadpilot.bench import ground, hand_loop, post_office
from leadpilot.bench.campaign import Bench, campaign
from leadpilot.bench.figures import Figure, Took, median, timed
from leadpilot.bench.sink import Sink
from leadpilot.orgs.tenancy import org_context

HELP = "mails a second beside a hand loop and django-post_office"
OPTIONS = ("mails", "rounds", "others")
OF_HAND_LOOP, OF_POST_OFFICE = 0.6, 1.0
THREADS = (1, 5)  # post_office's own default is 5


@dataclass
class _Rates:
    """Mails a second, round by round; and how much processor and how many commits ours took."""

    ours: list[Took] = field(default_factory=list)
    by_hand: list[float] = field(default_factory=list)
    post_office: list[float] = field(default_factory=list)
    commits: list[float] = field(default_factory=list)


def add_arguments(parser: ArgumentParser) -> None:
    """How many, in how many rounds; rounds alternate, so that a busy machine is busy for all."""
    parser.add_argument("--mails", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--alone", dest="others", action="store_false", help="without django-post_office")


def measure(*, mails: int, rounds: int, others: bool) -> Iterator[Figure]:
    """Send `mails` in `rounds` over one mailbox, and by the others. Raises AssertionError unless each arrived once."""
    rates = _Rates()
    each = max(1, mails // rounds)
    with Sink() as sink, campaign(sink.port) as bench:
        for _ in range(rounds):
            messages = bench.approve(each)
            ground.analyze()
            _ours(bench, messages, sink, rates)
            _by_hand(messages, sink, rates)
            if others and post_office.is_installed():
                _post_office(bench, messages, sink, rates)
    yield Figure("send_mails", each * rounds, "arrived_once")
    yield from _report(rates)
    if others and not rates.post_office:
        yield Figure("send_post_office_not_installed", 0, "pip_install_-r_requirements-dev.txt")


def _report(rates: _Rates) -> Iterator[Figure]:
    ours = median([took.rate for took in rates.ours])
    yield Figure("send_leadpilot", ours, "mails/s")
    yield Figure("send_leadpilot_each", 1000 / ours, "ms")
    yield Figure("send_leadpilot_cpu", median([took.cpu_each for took in rates.ours]), "ms")
    yield Figure("send_leadpilot_commits", median(rates.commits), "commits/mail")
    for name, found, target in (
        ("hand_loop", rates.by_hand, OF_HAND_LOOP),
        ("post_office", rates.post_office, OF_POST_OFFICE),
    ):
        if found:
            yield Figure(f"send_{name}", median(found), "mails/s")
            yield Figure(f"send_ratio_to_{name}", ours / median(found), f"ratio_target_{target}")


def _arrived(messages: Sequence[Message], sink: Sink) -> None:
    wanted, taken = [m.message_id for m in messages], sink.taken()
    assert sorted(taken) == sorted(wanted), (
        f"{len(taken)} mails arrived, {len(set(taken))} different, of {len(wanted)}"
    )


def _commits() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


def _ours(bench: Bench, messages: Sequence[Message], sink: Sink, rates: _Rates) -> None:
    before = _commits()
    drained: list[delivery.Drained] = []

    def drain() -> None:
        drained.append(delivery.drain(org_id=bench.org.pk, mailbox_id=bench.mailbox.pk, budget=600))

    rates.ours.append(timed(len(messages), drain))
    rates.commits.append((_commits() - before) / len(messages))
    assert drained[0].counts == {"sent": len(messages)}, drained
    _arrived(messages, sink)
    with org_context(bench.org.pk):
        left = Message.objects.for_org(bench.org).exclude(status="sent").count()
    assert left == 0, f"{left} are not sent here"


def _owners_line() -> psycopg.Connection[tuple[Any, ...]]:
    """A connection of its own to the database that Django is on, as the role that may make tables."""
    asked = connections["owner"].get_connection_params()
    place = {name: asked[name] for name in ("dbname", "user", "password", "host", "port") if asked.get(name)}
    return psycopg.connect(**place)


def _by_hand(messages: Sequence[Message], sink: Sink, rates: _Rates) -> None:
    commits = max(1, round(rates.commits[-1]))
    mails = [hand_loop.Mail(m.from_email, m.to_email, bytes(m.raw or b"")) for m in messages]
    with _owners_line() as line:
        hand_loop.fill(line, mails)
        took = timed(len(mails), lambda: hand_loop.send(line, sink.port, commits))
        hand_loop.remove(line)
    rates.by_hand.append(took.rate)
    _arrived(messages, sink)


def _post_office(bench: Bench, messages: Sequence[Message], sink: Sink, rates: _Rates) -> None:
    with org_context(bench.org.pk):
        mails = [_as_given(bench, message) for message in messages]
    found = []
    for threads in THREADS:
        with ground.empty("post_office") as urls:
            took = post_office.sending(database=urls.owner, port=sink.port, threads=threads, mails=mails)
        _arrived(messages, sink)
        found.append(len(mails) / took)

    rates.post_office.append(max(found))


def _as_given(bench: Bench, message: Message) -> dict[str, str]:
    shown = compose(
        org=bench.org,
        mailbox=bench.mailbox,
        lead=message.lead,
        subject=message.subject,
        body=message.body,
        unsubscribe_url="https://leadpilot.example/u/x/",
    )
    return {
        "from": message.from_email,
        "to": message.to_email,
        "subject": message.subject,
        "text": shown.text,
        "html": shown.html,
        "id": message.message_id,
    }
