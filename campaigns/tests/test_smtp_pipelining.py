"""A server that offers PIPELINING hears MAIL, RCPT and DATA in one go; what it refuses is refused all the same."""

from __future__ import annotations

import pytest

from campaigns.smtp import Connection, Limits, Outcome, Server
from campaigns.tests.sink import hang_up, silence

RAW = b"Subject: hi\r\n\r\nwords\r\n"
EHLO = b"250-sink\r\n250-PIPELINING\r\n250 SIZE 30000000\r\n"


@pytest.fixture
def line(sink):
    """An open connection to a sink that offers it."""
    sink.usual = {**sink.usual, "EHLO": EHLO}
    connection = Connection(
        Server("127.0.0.1", sink.port, "none", "", "", "northbeam.example"), Limits(3, 2, 2)
    )
    connection.open()
    yield connection
    connection.close()


def send(line, to="ann@firm.example"):
    return line.deliver("alex@northbeam.example", to, RAW)


def count_writes(line, monkeypatch):
    written = []
    real = line.send

    def counted(data):
        written.append(data)
        real(data)

    monkeypatch.setattr(line, "send", counted)
    return written


def test_a_mail_takes_three_writes_and_arrives_as_it_was(line, sink, monkeypatch):
    written = count_writes(line, monkeypatch)
    assert send(line).outcome is Outcome.SENT
    assert written[0] == "MAIL FROM:<alex@northbeam.example>\r\nRCPT TO:<ann@firm.example>\r\nDATA\r\n"
    assert len(written) == 3
    assert send(line).outcome is Outcome.SENT
    assert [mail.data for mail in sink.accepted] == [RAW, RAW]
    assert sink.connections == 1


@pytest.mark.parametrize(("verb", "phase"), [("MAIL", "mail"), ("RCPT", "rcpt")])
def test_a_refusal_is_told_with_its_phase_and_a_server_that_waits_for_a_body_gets_none(
    line, sink, verb, phase
):
    sink.answers[verb] = [b"550 5.1.1 no such user\r\n"]
    result = send(line)  # this sink takes DATA all the same
    assert (result.outcome, result.phase, result.enhanced) == (Outcome.REFUSED, phase, "5.1.1")
    assert not line.usable
    assert sink.accepted == []


def test_a_refused_recipient_does_not_spoil_the_next_mail(line, sink):
    sink.answers["RCPT"] = [b"450 4.2.0 greylisted\r\n"]
    sink.answers["DATA"] = [b"503 5.5.1 no valid recipients\r\n"]
    first, second = send(line), send(line)
    assert (first.outcome, first.phase) == (Outcome.DEFERRED, "rcpt")
    assert second.outcome is Outcome.SENT
    assert sink.verbs.count("RSET") == 1
    assert sink.connections == 1


def test_a_refused_data_has_no_answer_after_it(line, sink):
    sink.answers["DATA"] = [b"451 4.3.0 not now\r\n"]
    first, second = send(line), send(line)
    assert (first.outcome, first.phase) == (Outcome.DEFERRED, "data")
    assert second.outcome is Outcome.SENT


@pytest.mark.parametrize("after", [hang_up, silence])
def test_a_refusal_counts_though_the_server_says_no_more(line, sink, after):
    sink.answers["RCPT"] = [b"550 5.1.1 no such user\r\n"]
    sink.answers["DATA"] = [after]
    result = send(line)
    assert (result.outcome, result.phase) == (Outcome.REFUSED, "rcpt")
    assert not line.usable


def test_a_goodbye_in_the_middle_ends_it(line, sink):
    sink.answers["MAIL"] = [b"421 4.3.2 going down\r\n"]
    result = send(line)
    assert (result.outcome, result.phase, line.usable) == (Outcome.DEFERRED, "mail", False)


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
def test_silence_before_the_body_means_not_sent(line, sink, verb):
    sink.answers[verb] = [silence]
    result = send(line)
    assert (result.outcome, result.phase, line.usable) == (Outcome.RETRY, verb.lower(), False)


def test_an_address_with_a_line_break_smuggles_no_command(line, sink):
    result = send(line, "ann@firm.example>\r\nRCPT TO:<evil@x.example")
    assert (result.outcome, result.phase) == (Outcome.RETRY, "mail")
    assert "RCPT" not in sink.verbs
