"""The command measures what it says: everything is done once, and each line is a name, a number and a unit."""

from __future__ import annotations

import io
import re
import smtplib
from importlib import import_module

import pytest
from django.core.management import CommandError, call_command

from agent.engine import HANDLERS
from agent.models import AgentTask
from agent.services import control
from campaigns.models import Message, SendAttempt
from leadpilot.bench import SUBJECTS, figures, ground, hand_loop, post_office, send, tasks
from leadpilot.bench.campaign import campaign
from leadpilot.bench.sink import Sink
from leadpilot.orgs.tenancy import org_context

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])
LINE = re.compile(r"[a-z_]+ \d+(\.\d+)? \S+")


def bench(*arguments):
    """What the command prints, as a dictionary; in the test's own database."""
    out = io.StringIO()
    call_command("bench", *arguments, "--here", stdout=out)
    lines = out.getvalue().splitlines()
    assert all(LINE.fullmatch(line) for line in lines), lines
    return {name: float(value) for name, value, _ in map(str.split, lines)}


def test_sending_prints_its_ratio_to_the_hand_loop_and_everything_left_once():
    said = bench("send", "--mails=6", "--rounds=2", "--alone")
    assert said["send_mails"] == 6
    assert said["send_leadpilot"] > 0
    assert said["send_ratio_to_hand_loop"] == pytest.approx(
        said["send_leadpilot"] / said["send_hand_loop"], rel=0.05
    )
    assert not any("post_office" in name for name in said)


def test_sending_leaves_the_same_trace_as_any_sending():
    with Sink() as sink, campaign(sink.port) as made:
        messages = made.approve(3)
        send._ours(made, messages, sink, send._Rates())
        with org_context(made.org.pk):
            assert Message.objects.filter(status="sent").count() == 3
            assert SendAttempt.objects.filter(outcome="sent").count() == 3
            assert {e.next_step for e in made.campaign.enrollments.filter(org=made.org)} == {2}


def test_a_mail_that_arrives_twice_or_not_at_all_stops_the_measurement():
    with Sink() as sink, campaign(sink.port) as made:
        messages = made.approve(1)
        with pytest.raises(AssertionError, match="0 mails arrived"):
            send._arrived(messages, sink)
        for _ in range(2):
            with smtplib.SMTP("127.0.0.1", sink.port) as line:
                line.sendmail("a@b.example", ["c@d.example"], bytes(messages[0].raw))
        with pytest.raises(AssertionError, match="2 mails arrived, 1 different"):
            send._arrived(messages, sink)


@pytest.mark.parametrize("commits", [1, 2])
def test_the_hand_loop_sends_each_once_too(commits):
    mails = [
        hand_loop.Mail("a@b.example", "c@d.example", b"Message-ID: <%d@b.example>\r\n\r\n.hi\r\n" % i)
        for i in range(3)
    ]
    with Sink() as sink, send._owners_line() as line:
        hand_loop.fill(line, mails)
        hand_loop.send(line, sink.port, commits)
        assert sorted(sink.taken()) == ["<0@b.example>", "<1@b.example>", "<2@b.example>"]
        assert line.execute("select distinct status, answer from bench_hand_loop").fetchall() == [
            ("sent", "2.0.0 taken")
        ]
        hand_loop.remove(line)


@pytest.mark.skipif(not post_office.is_installed(), reason="a development requirement")
def test_post_office_sends_the_same_mails_and_its_database_goes_away():
    mails = [
        {
            "from": "a@b.example",
            "to": "c@d.example",
            "subject": "Hi",
            "text": "Hello",
            "html": "<p>Hello</p>",
            "id": f"<{i}@b.example>",
        }
        for i in range(3)
    ]
    with Sink() as sink:
        with ground.empty("test") as urls:
            took = post_office.sending(database=urls.owner, port=sink.port, threads=2, mails=mails)
        assert took > 0
        assert sorted(sink.taken()) == ["<0@b.example>", "<1@b.example>", "<2@b.example>"]


def test_tasks_print_their_cost_beside_the_bare_loop_and_each_ran_once(monkeypatch, org):
    before = dict(HANDLERS)
    with org_context(org.pk):
        control.start(org=org, by=None)
    monkeypatch.setattr(tasks, "_organization", lambda: org)
    said = bench("tasks", "--tasks=120")
    assert said["tasks"] == 120
    assert said["task_all_in"] == pytest.approx(
        said["task_submit"] + said["task_claim_run_finish"], abs=0.002
    )
    assert said["task_limit_bare_sql"] > 0
    assert before == HANDLERS
    with org_context(org.pk):
        assert set(AgentTask.objects.values_list("status", "attempts")) == {("completed", 1)}


def test_a_subject_that_nobody_measures_is_refused():
    with pytest.raises(CommandError, match="invalid choice"):
        call_command("bench", "patience")


def test_each_subject_is_a_module_with_the_same_three_things():
    for name in SUBJECTS.values():
        module = import_module(f"leadpilot.bench.{name}")
        assert module.HELP
        assert callable(module.add_arguments)
        assert callable(module.measure)


def test_figures_are_short_lines():
    assert str(figures.Figure("send", 1234.56, "mails/s")) == "send 1235 mails/s"
    assert str(figures.Figure("ratio", 0.6123, "ratio")) == "ratio 0.612 ratio"
    took = figures.Took(wall=2, cpu=1, count=100)
    assert (took.rate, took.each, took.cpu_each) == (50, 20, 10)
