"""The strict server's rules: what RFC 5321 forbids is refused, and nothing changes by being asked."""

from __future__ import annotations

import base64

import pytest

from leadpilot.trust import smtp_rules
from leadpilot.trust.smtp_rules import Session, data_fault, line_fault, unstuffed

USERS = {"ada@firm.example": "secret"}
PLAIN = base64.b64encode(b"\0ada@firm.example\0secret").decode()


def told(session: Session, *lines: str) -> list[str]:
    """The codes of some commands, each taken when its answer says so."""
    codes = []
    for line in lines:
        judged = session.judge(line.encode() + b"\r\n")
        if judged.effect and judged.answer[0] in "23":
            judged.effect()
        codes.append(judged.answer[:3])
    return codes


@pytest.fixture
def session() -> Session:
    return Session(dict(USERS))


@pytest.fixture
def ready(session: Session) -> Session:
    assert told(session, "EHLO me.example", f"AUTH PLAIN {PLAIN}") == ["250", "235"]
    return session


def test_a_mail_in_the_right_order_is_taken(ready: Session) -> None:
    said = told(ready, "MAIL FROM:<ada@firm.example>", "RCPT TO:<bob@other.example>", "DATA", "QUIT")
    assert said == ["250", "250", "354", "221"]
    assert (ready.mail_from, ready.rcpt_to) == ("ada@firm.example", ["bob@other.example"])


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["MAIL FROM:<ada@firm.example>"], "503"),  # without EHLO
        (["EHLO me", "MAIL FROM:<ada@firm.example>"], "530"),  # without a login
        (["EHLO me", f"AUTH PLAIN {PLAIN}", "RCPT TO:<bob@other.example>"], "503"),
        (["EHLO me", f"AUTH PLAIN {PLAIN}", "DATA"], "503"),
        (["EHLO me", f"AUTH PLAIN {PLAIN}", "MAIL FROM:<a@b.example>", "DATA"], "503"),
        (["EHLO me", f"AUTH PLAIN {PLAIN}", "MAIL FROM:<a@b.example>", "MAIL FROM:<a@b.example>"], "503"),
        (["EHLO me", f"AUTH PLAIN {PLAIN}", f"AUTH PLAIN {PLAIN}"], "503"),
        (["EHLO"], "501"),
        (["EHLO two words"], "501"),
        (["HELO"], "501"),
        (["STARTTLS"], "500"),
        (["EHLO me", "AUTH PLAIN"], "504"),
        (["EHLO me", "AUTH CRAM-MD5"], "504"),
        (["judge"], "500"),  # a method of ours is no command
    ],
)
def test_what_comes_out_of_order_is_refused_as_an_offence(
    session: Session, lines: list[str], code: str
) -> None:
    assert told(session, *lines)[-1] == code
    assert session.judge(lines[-1].encode() + b"\r\n").offence


@pytest.mark.parametrize(
    "line",
    [
        "MAIL FROM: <ada@firm.example>",
        "MAIL FROM:ada@firm.example",
        "MAIL FROM:<ada@firm.example> RET=FULL",
        "MAIL FROM:<ada@firm.example> BODY=BINARYMIME",
        "MAIL FROM:<a b@firm.example>",
        "MAIL TO:<ada@firm.example>",
    ],
)
def test_a_sender_that_is_written_wrongly_is_refused(ready: Session, line: str) -> None:
    judged = ready.judge(line.encode() + b"\r\n")
    assert judged.offence
    assert judged.answer[0] == "5"
    assert ready.mail_from is None


@pytest.mark.parametrize("line", ["RCPT TO:<>", "RCPT TO:<bob>", "RCPT TO:<bob@other.example> NOTIFY=NEVER"])
def test_a_recipient_that_is_written_wrongly_is_refused(ready: Session, line: str) -> None:
    told(ready, "MAIL FROM:<ada@firm.example>")
    assert told(ready, line) == ["501"]
    assert ready.rcpt_to == []


def test_a_login_has_to_be_right() -> None:
    for wrong in (b"\0ada@firm.example\0guess", b"\0eve@firm.example\0secret", b"nonsense", b""):
        session = Session(dict(USERS))
        given = base64.b64encode(wrong).decode() or "="
        assert told(session, "EHLO me", f"AUTH PLAIN {given}") == ["250", "535"]
        assert session.user == ""
    assert told(Session(dict(USERS)), "EHLO me", "AUTH PLAIN ???") == ["250", "535"]


def test_a_login_in_two_halves_works_too(session: Session) -> None:
    name, password = (base64.b64encode(part).decode() for part in (b"ada@firm.example", b"secret"))
    assert told(session, "EHLO me", "AUTH LOGIN") == ["250", "334"] or session.login is not None
    session = Session(dict(USERS))
    judged = [session.judge(line.encode() + b"\r\n") for line in ("EHLO me",)]
    judged[0].effect()  # type: ignore[misc]
    for line, code in (("AUTH LOGIN", "334"), (name, "334"), (password, "235")):
        answer = session.judge(line.encode() + b"\r\n")
        assert answer.answer[:3] == code
        assert answer.effect is not None
        answer.effect()
    assert session.user == "ada@firm.example"


def test_looking_changes_nothing(ready: Session) -> None:
    ready.judge(b"MAIL FROM:<ada@firm.example>\r\n")
    assert ready.mail_from is None
    assert told(ready, "RCPT TO:<bob@other.example>") == ["503"]


def test_a_reset_forgets_the_mail_and_keeps_the_login(ready: Session) -> None:
    told(ready, "MAIL FROM:<ada@firm.example>", "RCPT TO:<bob@other.example>", "RSET")
    assert (ready.mail_from, ready.rcpt_to, ready.user) == (None, [], "ada@firm.example")
    assert told(ready, "NOOP", "MAIL FROM:<>") == ["250", "250"]


def test_a_mail_that_says_it_is_too_big_is_refused_at_once(ready: Session) -> None:
    assert told(ready, "MAIL FROM:<ada@firm.example> SIZE=99999999999") == ["552"]
    assert told(ready, "MAIL FROM:<ada@firm.example> SIZE=1000") == ["250"]


def test_there_may_not_be_too_many_recipients(ready: Session) -> None:
    told(ready, "MAIL FROM:<ada@firm.example>")
    wanted = [f"RCPT TO:<bob{n}@other.example>" for n in range(smtp_rules.MOST_RECIPIENTS + 1)]
    assert told(ready, *wanted)[-2:] == ["250", "452"]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b"NOOP\r\n", ""),
        (b"NOOP\n", "CRLF"),
        (b"NOOP", "CRLF"),
        (b"NO\rOP\r\n", "CRLF"),
        (b"NO\nOP\r\n", "CRLF"),
        (b"NOOP \x00\r\n", "ASCII"),
        ("NOOP é\r\n".encode(), "ASCII"),
        (b"N" * 511 + b"\r\n", "long"),
        (b"N" * 510 + b"\r\n", ""),
    ],
)
def test_command_lines_have_one_form(line: bytes, fault: str) -> None:
    said = line_fault(line)
    assert fault in said
    assert bool(said) == bool(fault)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"Subject: x\r\n\r\nhello\r\n", ""),
        (b"", ""),
        (b"a\nb\r\n", "bare"),
        (b"a\rb\r\n", "bare"),
        (b"a\r\n\n.\r\n", "bare"),
        (b"a\x00b\r\n", "NUL"),
        (b"a" * 998 + b"\r\n", ""),
        (b"a" * 999 + b"\r\n", "too long"),
        ("é\r\n".encode(), "eight bits"),
    ],
)
def test_data_has_one_form(data: bytes, fault: str) -> None:
    said = data_fault(data, eight_bit=False)
    assert fault in said
    assert bool(said) == bool(fault)


def test_eight_bits_are_taken_when_they_were_announced(ready: Session) -> None:
    assert data_fault("é\r\n".encode(), eight_bit=True) == ""
    told(ready, "MAIL FROM:<ada@firm.example> BODY=8BITMIME")
    assert ready.eight_bit


def test_one_dot_is_taken_from_lines_that_begin_with_one() -> None:
    assert unstuffed(b"..\r\na.b\r\n...c\r\n.d\r\n") == b".\r\na.b\r\n..c\r\nd\r\n"
