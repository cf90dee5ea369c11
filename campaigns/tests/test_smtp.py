"""The SMTP conversation by itself: bounds, dots, and connections that carry several mails."""

from __future__ import annotations

import time

import pytest

from campaigns import smtp, smtp_wire
from campaigns.smtp import Connection, Limits, Outcome, Server
from campaigns.tests.sink import drip, hang_up

RAW = b"Subject: hi\r\n\r\nwords\r\n"


@pytest.fixture
def line(sink):
    """An open connection to the sink."""
    connection = Connection(
        Server("127.0.0.1", sink.port, "none", "", "", "northbeam.example"), Limits(3, 2, 2)
    )
    connection.open()
    yield connection
    connection.close()


def send(line, raw=RAW, to="ann@firm.example", **options):
    return line.deliver("alex@northbeam.example", to, raw, **options)


@pytest.mark.parametrize(
    "body",
    [
        b".\r\n",
        b".hidden\r\n..twice\r\n",
        b"a\r\n.\r\nMAIL FROM:<evil@x.example>\r\nRCPT TO:<b@y.example>\r\nDATA\r\nsmuggled\r\n",
        b"\r\n\r\n",
    ],
)
def test_dots_in_a_mail_arrive_as_they_were_and_end_nothing(line, sink, body):
    raw = b"Subject: x\r\n\r\n" + body
    assert send(line, raw).outcome is Outcome.SENT
    assert [mail.data for mail in sink.accepted] == [raw]


def test_a_refused_recipient_does_not_spoil_the_next_mail(line, sink):
    sink.answers["RCPT"] = [b"550 5.1.1 no\r\n"]
    first, second = send(line), send(line)
    assert (first.outcome, first.phase, first.enhanced) == (Outcome.REFUSED, "rcpt", "5.1.1")
    assert second.outcome is Outcome.SENT
    assert sink.verbs == ["EHLO", "MAIL", "RCPT", "RSET", "MAIL", "RCPT", "DATA"]
    assert line.delivered == 1
    assert sink.connections == 1


def test_a_connection_that_is_gone_sends_nothing(line, sink):
    sink.answers["RSET"] = [hang_up]
    sink.answers["RCPT"] = [b"450 later\r\n"]
    send(line)
    assert (send(line).outcome, line.usable) == (Outcome.RETRY, False)
    assert send(line).outcome is Outcome.RETRY
    assert sink.accepted == []


def test_being_told_to_stop_before_the_last_dot_sends_nothing(line, sink):
    assert send(line, before_dot=lambda: False).outcome is Outcome.RETRY
    assert not line.usable
    time.sleep(0.1)
    assert sink.accepted == []


def test_a_byte_at_a_time_ends_at_the_deadline(line, sink):
    sink.answers["MAIL"] = [drip(b"250 " + b"x" * 100 + b"\r\n", 0.1)]
    begun = time.monotonic()
    assert send(line).outcome is Outcome.RETRY
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("answer", [b"250-" + b"x" * 5000, b"250-x\r\n" * 2000])
def test_an_answer_without_end_is_not_read_for_ever(line, sink, monkeypatch, answer):
    monkeypatch.setattr(smtp_wire, "_MOST_REPLY", 4000)
    sink.answers["RCPT"] = [answer]
    result = send(line)
    assert result.outcome is Outcome.RETRY
    assert "does not end" in result.text or "not an SMTP" in result.text


def test_no_time_left_is_said_before_anything_is_written(line, sink):
    line.limits = Limits(3, 0, 2)
    assert send(line).outcome is Outcome.RETRY
    assert sink.verbs == ["EHLO"]


def test_strangers_words_become_one_short_printable_line():
    said = smtp.clean(b"550 \x00bad\r\n\x1b[31m\xff " + b"x" * 2000)
    assert said.isprintable()
    assert len(said) <= 500


def test_a_server_never_shows_its_password():
    server = Server("mx.example.com", 587, "tls", "alex", "s3cret", "x")
    assert "s3cret" not in f"{server!r} {server}"


@pytest.mark.parametrize(
    ("text", "code"),
    [("5.7.1 blocked", "5.7.1"), ("no code", ""), ("x" * 90 + " 5.1.1", ""), ("550-5.1.1 The", "5.1.1")],
)
def test_enhanced_codes_are_found_at_the_beginning(text, code):
    assert smtp.enhanced_code(text) == code


def test_saying_goodbye_to_a_dead_connection_is_no_trouble(line, sink):
    sink.answers["QUIT"] = [hang_up]
    line.quit()
    line.quit()
    assert not line.usable


def test_an_answer_that_was_not_asked_for_is_not_taken_for_the_next_ones(line, sink):
    sink.answers["DATA"] = [b"354 go on\r\n250 2.0.0 taken already\r\n"]
    result = send(line)
    assert (result.outcome, line.usable) == (Outcome.RETRY, False)
    assert "nothing was asked for" in result.text
    assert sink.accepted == []


def test_a_goodbye_right_after_a_mail_leaves_the_next_one_unsent_and_not_unknown(line, sink):
    sink.answers["dot"] = [b"250 2.0.0 taken\r\n421 4.3.2 that was all\r\n"]
    assert send(line).outcome is Outcome.SENT
    result = send(line)
    assert (result.outcome, result.phase, line.usable) == (Outcome.RETRY, "mail", False)
    assert len(sink.accepted) == 1


def test_a_login_that_is_refused_at_its_name_is_a_wrong_password(sink):
    sink.usual = {**sink.usual, "EHLO": b"250-sink\r\n250 AUTH LOGIN\r\n"}
    sink.answers["AUTH"] = [b"535 5.7.8 who is that?\r\n"]
    connection = Connection(
        Server("127.0.0.1", sink.port, "none", "alex", "secret", "northbeam.example"), Limits(3, 2, 2)
    )
    with pytest.raises(smtp.ConnectFailed, match="does not accept this user name") as caught:
        connection.open()
    assert caught.value.kind == "password"
    assert sink.verbs.count("AUTH") == 1
