"""Reports of mails that did not arrive: whose fault, who, and which mail."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from campaigns import dsn
from campaigns.faults import Fault, classify
from campaigns.parsing import parse, to_message
from campaigns.smtp import enhanced_code
from campaigns.tests.mails import bounce, complaint, reply

MESSAGE = SimpleNamespace(
    to_email="ann@firm.example",
    from_email="alex@northbeam.example",
    subject="Hi",
    message_id="<0123456789abcdef0123456789abcdef@northbeam.example>",
    body="Hello",
)


def read(raw):
    found = parse(raw)
    return dsn.read_report(to_message(raw), raw, found.from_email, found.subject)


@pytest.mark.parametrize(
    ("status", "said", "fault", "hard"),
    [
        ("5.1.1", "550 5.1.1 user unknown", Fault.RECIPIENT, True),
        ("5.1.10", "550 5.1.10 RESOLVER.ADR.RecipientNotFound", Fault.RECIPIENT, True),
        ("5.1.2", "550 host unknown", Fault.RECIPIENT, True),
        ("5.4.4", "unable to route", Fault.RECIPIENT, True),
        ("5.0.0", "550 No such user", Fault.RECIPIENT, True),
        ("5.2.2", "552 mailbox full", Fault.TEMPORARY, False),
        ("5.0.0", "452 over quota", Fault.TEMPORARY, False),
        ("4.4.7", "delivery time expired", Fault.TEMPORARY, False),
        ("5.7.1", "550 5.7.1 blocked by Spamhaus", Fault.OURS, False),
        ("5.7.26", "550 5.7.26 DMARC", Fault.OURS, False),
        ("5.6.1", "554 conversion required", Fault.CONTENT, False),
        ("5.3.4", "552 message too big", Fault.CONTENT, False),
    ],
)
def test_a_report_says_who_failed_and_whose_fault_it_is(status, said, fault, hard):
    report = read(bounce(MESSAGE, status=status, said=said))
    [failure] = report.failures
    assert failure.email == "ann@firm.example"
    assert (failure.fault, failure.hard) == (fault, hard)
    assert report.message_ids == (MESSAGE.message_id,)


def test_without_the_original_the_ids_in_it_are_looked_for():
    raw = bounce(MESSAGE, original=False).replace(b"Sorry.", b"about " + MESSAGE.message_id.encode())
    assert MESSAGE.message_id in read(raw).message_ids


@pytest.mark.parametrize("action", ["delivered", "relayed", "expanded", ""])
def test_reports_of_success_have_no_failures(action):
    assert read(bounce(MESSAGE, action=action)).failures == ()


def test_a_delay_is_no_failure_yet():
    [failure] = read(bounce(MESSAGE, action="delayed", status="4.4.1")).failures
    assert failure.delayed
    assert not failure.hard


def test_a_complaint_is_told_apart():
    report = read(complaint(MESSAGE))
    assert report.complaint
    assert report.message_ids == (MESSAGE.message_id,)


@pytest.mark.parametrize(
    "raw",
    [
        reply(MESSAGE),
        reply(MESSAGE, Subject="Delivery problem with my order"),
        reply(MESSAGE, Subject="Undelivered Mail Returned to Sender"),
        b"",
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b--",
    ],
)
def test_other_mail_is_not_called_a_bounce(raw):
    report = read(raw)
    assert report is None or report.failures == ()


def test_a_home_made_bounce_is_read_by_its_words():
    raw = (
        "Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.firm.example\r\nTo: alex@northbeam.example\r\n"
        "Subject: failure notice\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n"
        "Hi. This is the qmail-send program at mx.firm.example.\r\n"
        "I'm afraid I wasn't able to deliver your message to the following addresses.\r\n"
        "This is a permanent error; I've given up. Sorry it didn't work out.\r\n\r\n"
        "<ann@firm.example>:\r\nSorry, no mailbox here by that name. (#5.1.1)\r\n\r\n"
        f"--- Below this line is a copy of the message.\r\n\r\nMessage-ID: {MESSAGE.message_id}\r\n"
    ).encode()
    report = read(raw)
    [failure] = report.failures
    assert failure.email == "ann@firm.example"
    assert failure.hard
    assert MESSAGE.message_id in report.message_ids


@pytest.mark.parametrize(
    ("code", "text", "phase", "fault"),
    [
        (550, "5.1.1 no such user", "rcpt", Fault.RECIPIENT),
        (550, "Requested action not taken: mailbox unavailable", "rcpt", Fault.RECIPIENT),
        (550, "5.5.0 mailbox unavailable", "rcpt", Fault.RECIPIENT),
        (554, "5.7.1 <ann@firm.example>: Relay access denied", "rcpt", Fault.OURS),
        (550, "5.7.515 Access denied", "rcpt", Fault.OURS),
        (550, "5.7.1 no such user here", "rcpt", Fault.RECIPIENT),
        (550, "5.1.8 bad sender", "rcpt", Fault.OURS),
        (552, "message too big", "mail", Fault.CONTENT),
        (550, "anything", "mail", Fault.OURS),
        (535, "5.7.8 no", "rcpt", Fault.OURS),
        (552, "5.2.2 full", "after_dot", Fault.TEMPORARY),
        (550, "quota exceeded", "rcpt", Fault.TEMPORARY),
        (554, "transaction failed", "after_dot", Fault.CONTENT),
        (550, "5.7.1 looks like spam", "after_dot", Fault.CONTENT),
        (550, "5.7.1 SPF check failed, spam", "after_dot", Fault.OURS),
        (552, "too much", "rcpt", Fault.CONTENT),
        (550, "IP on a blocklist", "rcpt", Fault.OURS),
    ],
)
def test_whose_fault_a_refusal_is(code, text, phase, fault):

    assert classify(code=code, enhanced=enhanced_code(text), text=text, phase=phase) is fault
