"""Connecting a mailbox: tested on save, each step with a sentence that names what to mend."""

from __future__ import annotations

import socket

import pytest

from campaigns import imap, smtp
from campaigns.models import Mailbox
from campaigns.services import delivery, mailboxes
from campaigns.tests import tls
from campaigns.tests.dovecot import Dovecot, is_installed
from campaigns.tests.sink import Sink, hang_up, silence
from leadpilot.lib.errors import Conflict, DomainError

pytestmark = pytest.mark.django_db


@pytest.fixture
def fields(sink):
    return {
        "email": "Alex@Northbeam.example",
        "from_name": "Alex Moreau",
        "smtp_host": "127.0.0.1",
        "smtp_port": sink.port,
        "smtp_security": "none",
        "smtp_username": "alex",
        "inbound_kind": "none",
    }


def save(world, fields, **more):
    with world.context():
        return mailboxes.save_mailbox(org=world.org, smtp_password="secret", **(fields | more))


def test_it_is_saved_when_the_login_works_and_the_password_is_sealed(world, fields, sink):
    mailbox = save(world, fields)
    mailbox = world.fresh(mailbox)
    assert mailbox.email == "alex@northbeam.example"
    assert mailbox.last_checked_at is not None
    assert "secret" not in str(mailbox.smtp_password)
    assert mailbox.read_secret("smtp_password") == "secret"
    assert sink.verbs == ["EHLO", "AUTH", "QUIT"]
    assert sink.accepted == []


FAULTS = [
    (
        "AUTH",
        b"535 5.7.8 bad credentials\r\n",
        "does not accept this user name and password",
        "smtp_password",
    ),
    ("AUTH", b"454 4.7.0 try later\r\n", "cannot check the login now", "smtp_host"),
    ("connect", b"554 no\r\n", "does not take our mail now", "smtp_port"),
    ("connect", hang_up, "broke", "smtp_port"),
    ("connect", silence, "did not answer", "smtp_port"),
    ("connect", b"SSH-2.0-OpenSSH\r\n", "does not speak SMTP", "smtp_port"),
]


@pytest.mark.parametrize(("verb", "answer", "words", "field"), FAULTS)
def test_what_is_wrong_with_sending_is_said_and_nothing_is_saved(
    world, fields, sink, monkeypatch, verb, answer, words, field
):
    monkeypatch.setattr(mailboxes, "_TEST_LIMITS", smtp.Limits(connect=1))
    sink.answers[verb] = [answer]
    with pytest.raises(mailboxes.MailboxTestFailed) as found:
        save(world, fields)
    assert words in str(found.value)
    assert found.value.field == field
    assert [result.ok for result in found.value.results] == [False, True]
    with world.context():
        assert not Mailbox.objects.exists()


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("no-such-host.invalid", "no host named"),
        ("10.0.0.1", "private address"),
        ("169.254.169.254", "link-local"),
        ("localhost", "private network"),
        ("8.8.8.8", "Port 26 of 8.8.8.8 is refused"),
    ],
)
def test_hosts_that_do_not_exist_or_are_private_are_named(world, fields, host, words):
    port = 26 if host == "8.8.8.8" else 587
    with pytest.raises(mailboxes.MailboxTestFailed) as found:
        save(world, fields, smtp_host=host, smtp_port=port)
    assert words in str(found.value)
    assert found.value.field == "smtp_host"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"email": "nonsense"}, "email"),
        ({"from_name": "A\r\nBcc: x"}, "from_name"),
        ({"from_name": " "}, "from_name"),
        ({"smtp_host": ""}, "smtp_host"),
        ({"inbound_kind": "imap", "imap_host": ""}, "imap_host"),
    ],
)
def test_wrong_fields_are_named_before_anything_is_tried(world, fields, sink, change, field):
    with pytest.raises(DomainError) as found:
        save(world, fields, **change)
    assert found.value.field == field
    assert sink.connections == 0


def test_an_address_is_connected_once_an_organization(world, fields):
    save(world, fields)
    with pytest.raises(Conflict):
        save(world, fields)


def test_a_change_keeps_the_password_that_is_not_given(world, fields):
    mailbox = save(world, fields)
    with world.context():
        mailboxes.save_mailbox(org=world.org, mailbox=mailbox, signature="Yours")
    assert world.fresh(mailbox).read_secret("smtp_password") == "secret"
    with pytest.raises(TypeError), world.context():
        mailboxes.save_mailbox(org=world.org, mailbox=mailbox, status="connected")


def test_mending_a_mailbox_lets_it_send_again(world, fields):
    mailbox = save(world, fields)
    with world.context():
        mailboxes.pause_mailbox(mailbox=mailbox, reason="Bounces.")
    assert world.fresh(mailbox).status_reason == "Bounces."
    with world.context():
        mailboxes.resume_mailbox(mailbox=mailbox)
    assert world.fresh(mailbox).status == "connected"


def test_a_mailbox_with_history_is_paused_not_deleted(world, ready):
    _, mailbox = ready()
    with world.context(), pytest.raises(DomainError, match="Mails wait in it"):
        mailboxes.delete_mailbox(mailbox=mailbox)
    delivery.drain(org_id=world.org.pk, mailbox_id=mailbox.pk)
    with world.context(), pytest.raises(DomainError, match="history"):
        mailboxes.delete_mailbox(mailbox=mailbox)
    other = world.mailbox()
    with world.context():
        mailboxes.delete_mailbox(mailbox=other)
        assert Mailbox.objects.count() == 1


@pytest.fixture
def certificates(tmp_path, monkeypatch):
    ca, cert, key = tls.make(tmp_path)
    context = tls.trusting(ca)
    monkeypatch.setattr(smtp, "tls_context", lambda: context)
    monkeypatch.setattr(imap, "tls_context", lambda: context)
    return cert, key


@pytest.fixture
def secure_sink(settings, certificates):
    server = Sink(tls.server_context(*certificates))
    settings.OUTBOUND_ALLOW = [f"127.0.0.1:{server.port}"]
    yield server
    server.close()


def test_starttls_encrypts_before_the_password_is_sent(world, fields, secure_sink):
    save(world, fields, smtp_port=secure_sink.port, smtp_security="starttls")
    assert secure_sink.verbs == ["EHLO", "STARTTLS", "EHLO", "AUTH", "QUIT"]


def test_words_spoken_before_encryption_are_an_attack(world, fields, secure_sink):
    secure_sink.answers["STARTTLS"] = [b"220 go\r\n250 injected\r\n"]
    with pytest.raises(mailboxes.MailboxTestFailed, match="before encryption"):
        save(world, fields, smtp_port=secure_sink.port, smtp_security="starttls")
    assert "AUTH" not in secure_sink.verbs


def test_a_server_without_starttls_is_not_spoken_to_in_the_clear(world, fields, sink):
    sink.usual["STARTTLS"] = b"502 5.5.1 no\r\n"
    with pytest.raises(mailboxes.MailboxTestFailed, match="does not offer STARTTLS") as found:
        save(world, fields, smtp_security="starttls")
    assert found.value.field == "smtp_security"
    assert "AUTH" not in sink.verbs


def test_a_certificate_nobody_vouches_for_is_refused(world, fields, secure_sink, monkeypatch):
    monkeypatch.setattr(smtp, "tls_context", smtp.ssl.create_default_context)
    with pytest.raises(mailboxes.MailboxTestFailed, match="cannot be trusted"):
        save(world, fields, smtp_port=secure_sink.port, smtp_security="starttls")
    assert "AUTH" not in secure_sink.verbs


def test_a_server_that_does_not_speak_tls_is_told_apart(world, fields):
    with pytest.raises(mailboxes.MailboxTestFailed, match="does not speak TLS"):
        save(world, fields, smtp_security="tls")


def test_a_password_is_not_sent_in_the_clear_to_the_internet(monkeypatch, sink, settings):
    server = smtp.Server("127.0.0.1", sink.port, "none", "alex", "secret", "northbeam.example")
    monkeypatch.setattr(socket.socket, "getpeername", lambda self: ("203.0.113.9", 587))
    with pytest.raises(smtp.ConnectFailed, match="not sent without encryption"):
        smtp.Connection(server).open()
    assert "AUTH" not in sink.verbs


def test_login_is_used_where_plain_is_not_offered(world, fields, sink):
    sink.usual["EHLO"] = b"250-sink\r\n250 AUTH LOGIN\r\n"
    sink.answers["AUTH"] = [b"334 UGFzc3dvcmQ6\r\n"]
    sink.usual["C2VJCMV0"] = b"235 2.7.0 ok\r\n"
    save(world, fields)
    assert sink.verbs == ["EHLO", "AUTH", "C2VJCMV0", "QUIT"]


def test_a_server_of_the_old_days_is_greeted_with_helo(world, fields, sink):
    sink.usual["EHLO"] = b"502 5.5.1 what?\r\n"
    save(world, fields, smtp_username="")
    assert sink.verbs == ["EHLO", "HELO", "QUIT"]


@pytest.mark.skipif(not is_installed(), reason="Dovecot is not installed")
def test_reading_is_tested_too_and_a_new_mailbox_is_bookmarked(world, fields, settings, certificates, sink):
    cert, key = certificates
    with Dovecot(certificate=(cert, key)) as server:
        allowed = [f"127.0.0.1:{port}" for port in (server.port, server.tls_port, sink.port)]
        settings.OUTBOUND_ALLOW = allowed
        server.deliver(b"From: a@b.example\r\n\r\nold\r\n")
        values = fields | {
            "email": server.user,
            "inbound_kind": "imap",
            "imap_host": server.host,
            "imap_port": server.tls_port,
            "imap_security": "tls",
        }
        with world.context(), pytest.raises(mailboxes.MailboxTestFailed) as found:
            mailboxes.save_mailbox(org=world.org, smtp_password="x", imap_password="wrong", **values)
        assert found.value.field == "imap_password"
        for more in ({}, {"imap_port": server.port, "imap_security": "starttls"}):
            with world.context():
                mailbox = mailboxes.save_mailbox(
                    org=world.org,
                    mailbox=Mailbox.objects.first(),
                    smtp_password="x",
                    imap_password=server.password,
                    **(values | more),
                )
            assert (mailbox.imap_uidvalidity or 0) > 0
            assert mailbox.imap_last_uid == 1


def test_imap_hosts_are_checked_like_all_others(world, fields):
    values = {"inbound_kind": "imap", "imap_host": "192.168.1.1", "imap_security": "tls"}
    with pytest.raises(mailboxes.MailboxTestFailed, match="private address") as found:
        save(world, fields, **values)
    assert found.value.field == "imap_host"
