"""Reading mailboxes: a real Dovecot, and the sandbox's Maildirs."""

from __future__ import annotations

import imaplib
import socket
import threading

import pytest

from campaigns import imap
from campaigns.models import Enrollment, InboundMessage, Message
from campaigns.services import delivery, finders, inbound, polling, settling
from campaigns.tests.dovecot import Dovecot, is_installed
from campaigns.tests.mails import reply
from leadpilot.lib import clock
from leadpilot.lib.ids import new_id
from leadpilot.orgs.models import Notification

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("nobody_listens"),
    pytest.mark.skipif(not is_installed(), reason="Dovecot is not installed"),
]


@pytest.fixture
def server(settings):
    with Dovecot() as running:
        settings.OUTBOUND_ALLOW = [*settings.OUTBOUND_ALLOW, f"127.0.0.1:{running.port}"]
        yield running


@pytest.fixture
def mailbox(world, server):
    found = world.mailbox(
        email=server.user,
        inbound_kind="imap",
        imap_host=server.host,
        imap_port=server.port,
        imap_security="none",
    )
    with world.context():
        found.imap_username = server.user
        found.write_secret("imap_password", server.password)
        found.save()
    return found


@pytest.fixture
def sent(world, ready, mailbox):
    message, _ = ready(mailbox)
    delivery.drain(org_id=world.org.pk, mailbox_id=mailbox.pk)
    return world.fresh(message)


def poll(mailbox):
    return polling.poll(org_id=mailbox.org_id, mailbox_id=mailbox.pk)


def kept(world):
    with world.context():
        return list(InboundMessage.objects.order_by("created_at").values_list("new_text", flat=True))


def stranger(i=0):
    return f"From: shop{i}@news.example\r\nSubject: Offer\r\nMessage-ID: <{i}@news>\r\n\r\nBuy!\r\n".encode()


def test_the_first_visit_swallows_no_old_mail_and_the_next_ones_find_what_is_new(
    world, server, mailbox, sent
):
    for i in range(5):
        server.deliver(stranger(i))
    server.deliver(reply(sent, "From before."))
    assert poll(mailbox).seen == 0
    server.deliver(stranger(9))
    server.deliver(reply(sent, "Fresh words."))
    polled = poll(mailbox)
    assert (polled.seen, polled.kept) == (2, 1)
    assert kept(world) == ["Fresh words."]
    assert poll(mailbox).seen == 0
    row = world.fresh(mailbox)
    assert row.last_polled_at is not None
    assert row.poll_lease_until is None


def test_reading_marks_nothing_as_seen(server, mailbox, sent):
    poll(mailbox)
    server.deliver(reply(sent))
    poll(mailbox)
    with imaplib.IMAP4(server.host, server.port) as client:
        client.login(server.user, server.password)
        client.select("INBOX", readonly=True)
        assert client.search(None, "UNSEEN")[1] == [b"1"]


def test_when_the_server_numbers_its_mails_anew_nothing_is_lost_or_read_twice(world, server, mailbox, sent):
    poll(mailbox)
    server.deliver(reply(sent, "One."))
    poll(mailbox)
    before = world.fresh(mailbox).imap_uidvalidity
    server.number_anew()
    server.deliver(reply(sent, "Two."))
    poll(mailbox)
    after = world.fresh(mailbox)
    assert after.imap_uidvalidity != before
    assert kept(world) == ["One.", "Two."]
    assert poll(mailbox).seen == 0
    server.deliver(reply(sent, "Three."))
    poll(mailbox)
    assert kept(world) == ["One.", "Two.", "Three."]


def test_a_mailbox_is_read_by_one_worker_at_a_time(world, mailbox, sent):
    pairs = finders.mailboxes_to_poll()
    assert pairs == [(world.org.pk, mailbox.pk)]
    assert polling._lease(mailbox.org_id, mailbox.pk) is not None
    assert poll(mailbox) is None
    assert finders.mailboxes_to_poll() == []


def test_a_mail_that_breaks_us_does_not_hide_the_next_and_people_are_told(
    world, server, mailbox, sent, monkeypatch
):
    poll(mailbox)
    server.deliver(reply(sent, "Poison."))
    server.deliver(reply(sent, "Good."))
    real = inbound.receiving.parsing.parse

    def parse(raw):
        if b"Poison" in raw:
            raise ZeroDivisionError
        return real(raw)

    monkeypatch.setattr(inbound.receiving.parsing, "parse", parse)
    poll(mailbox)
    assert kept(world) == ["Good."]
    with world.context():
        assert Notification.objects.get().type == "mail_unreadable"


def test_whoever_sent_what_cannot_be_read_hears_nothing_more(world, server, mailbox, sent, monkeypatch):
    poll(mailbox)
    server.deliver(reply(sent, "Stop writing to me."))

    def parse(raw):
        raise ZeroDivisionError

    monkeypatch.setattr(inbound.receiving.parsing, "parse", parse)
    poll(mailbox)
    with world.context():
        enrollment = Enrollment.objects.get(lead=sent.lead)
        assert enrollment.status == "paused"
        assert "could not be read" in enrollment.next_reason
        assert sent.lead.name in Notification.objects.get().message


def test_a_sender_whose_name_no_database_takes_does_not_stop_the_reading(
    world, server, mailbox, sent, monkeypatch
):
    poll(mailbox)
    raw = reply(sent, "Stop writing to me.").replace(b"From: Ann Li", b"From: Ann\0 Li")
    server.deliver(raw.replace(sent.to_email.encode(), sent.to_email.encode().replace(b"@", b"\0@")))
    server.deliver(reply(sent, "Good."))
    real = inbound.receiving.parsing.parse

    def parse(data):
        if b"Stop" in data:
            raise ZeroDivisionError
        return real(data)

    monkeypatch.setattr(inbound.receiving.parsing, "parse", parse)
    poll(mailbox)
    assert kept(world) == ["Good."]
    assert world.fresh(mailbox).poll_problem == ""


def test_a_wrong_password_is_said_and_the_next_try_waits(world, mailbox):
    with world.context():
        mailbox.write_secret("imap_password", "wrong")
        mailbox.save()
    polled = poll(mailbox)
    assert "does not accept this user name and password" in polled.problem
    row = world.fresh(mailbox)
    assert row.poll_failures == 1
    assert row.poll_problem == polled.problem
    assert finders.mailboxes_to_poll() == []


def test_people_are_told_once_when_a_mailbox_stays_unreadable(world, mailbox):
    world.change(mailbox, imap_port=1, poll_failures=polling.FAILURES_TO_TELL - 1)
    poll(mailbox)
    world.change(mailbox, poll_lease_until=None)
    poll(mailbox)
    with world.context():
        assert [n.type for n in Notification.objects.all()] == ["mailbox_unread"]


class Cutting:
    """A TCP proxy that cuts the line once it has carried so many bytes back."""

    def __init__(self, target, most):
        self.most = most
        self.target = target
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                near, _ = self.server.accept()
            except OSError:
                return
            far = socket.create_connection(self.target)
            threading.Thread(target=self.carry, args=(near, far, 10**9), daemon=True).start()
            threading.Thread(target=self.carry, args=(far, near, self.most), daemon=True).start()

    @staticmethod
    def carry(source, target, most):
        try:
            while most > 0 and (data := source.recv(min(2048, most))):
                target.sendall(data)
                most -= len(data)
        except OSError:
            pass
        for sock in (source, target):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


def test_a_line_cut_in_the_middle_of_a_mail_loses_none(world, server, mailbox, sent, settings):
    poll(mailbox)
    for i in range(6):
        server.deliver(reply(sent, f"Answer {i}. " + "x" * 1500))
    proxy = Cutting((server.host, server.port), 5000)
    settings.OUTBOUND_ALLOW = [*settings.OUTBOUND_ALLOW, f"127.0.0.1:{proxy.port}"]
    world.change(mailbox, imap_port=proxy.port)
    assert poll(mailbox).problem
    some = len(kept(world))
    assert some < 6
    proxy.most = 10**9
    world.change(mailbox, poll_lease_until=None)
    poll(mailbox)
    assert len(kept(world)) == 6


def test_a_server_that_sends_a_byte_a_second_is_left_in_time(world, mailbox, settings, monkeypatch):
    monkeypatch.setattr(polling, "VISIT_SECONDS", 1.0)
    server = socket.create_server(("127.0.0.1", 0))

    def drip():
        sock, _ = server.accept()
        try:
            sock.sendall(b"* OK hello\r\n")
            for _ in range(40):
                threading.Event().wait(0.3)
                sock.sendall(b"*")
        except OSError:
            return

    threading.Thread(target=drip, daemon=True).start()
    port = server.getsockname()[1]
    settings.OUTBOUND_ALLOW = [f"127.0.0.1:{port}"]
    world.change(mailbox, imap_port=port)
    begun = clock.now()
    assert poll(mailbox).problem
    assert (clock.now() - begun).total_seconds() < 6


def test_the_sandboxs_maildir_is_read_once(world, settings, tmp_path, ready):
    settings.SANDBOX = {**settings.SANDBOX, "enabled": True, "home": tmp_path}
    mailbox = world.mailbox(inbound_kind="maildir")
    message, _ = ready(mailbox)
    delivery.drain(org_id=world.org.pk, mailbox_id=mailbox.pk)
    new = tmp_path / "mail" / mailbox.email / "new"
    new.mkdir(parents=True)
    (new / "1.a").write_bytes(reply(message, "By Maildir."))
    (new / "2.b").write_bytes(stranger())
    polled = poll(mailbox)
    assert (polled.seen, polled.kept) == (2, 1)
    assert kept(world) == ["By Maildir."]
    assert list(new.iterdir()) == []
    assert poll(mailbox).seen == 0
    (new / "1.a").write_bytes(reply(message, "By Maildir."))
    assert poll(mailbox).kept == 1
    assert kept(world) == ["By Maildir."]


def test_a_maildir_is_read_only_where_the_sandbox_is(world, settings):
    settings.SANDBOX = {**settings.SANDBOX, "enabled": False}
    mailbox = world.mailbox(inbound_kind="maildir")
    assert "sandbox is not running" in poll(mailbox).problem
    settings.SANDBOX = {**settings.SANDBOX, "enabled": True}
    world.change(mailbox, email="../../etc@x.example", poll_lease_until=None)
    assert "not an address" in poll(mailbox).problem


def append_to_sent(server, raw):
    with imaplib.IMAP4(server.host, server.port) as client:
        client.login(server.user, server.password)
        client.append("Sent", None, None, raw)


def lose_answer(world, ready, mailbox, sink):
    message, _ = ready(mailbox, name=f"Campaign {clock.now()}")
    sink.answers["dot"] = [b"what?\r\n"]
    delivery.drain(org_id=world.org.pk, mailbox_id=mailbox.pk)
    assert world.fresh(message).status == "unknown"
    return message


def settle(mailbox):
    return settling.settle_mailbox(org_id=mailbox.org_id, mailbox_id=mailbox.pk)


def test_an_unknown_message_that_is_in_sent_was_sent(world, server, mailbox, ready, sink):
    message = lose_answer(world, ready, mailbox, sink)
    append_to_sent(server, bytes(message.raw))
    assert finders.unsettled_mailboxes() == [(world.org.pk, mailbox.pk)]
    assert settle(mailbox)["sent"] == 1
    message = world.fresh(message)
    assert message.status == "sent"
    assert "Sent folder" in message.status_reason
    assert message.enrollment.next_step == 2
    assert settle(mailbox) == {}


def test_an_unknown_message_that_is_nowhere_is_left_to_a_person(world, mailbox, ready, sink):
    message = lose_answer(world, ready, mailbox, sink)
    with clock.travel(settling.PATIENCE * 2):
        assert settle(mailbox)["unknown"] == 1
    assert world.fresh(message).status == "unknown"


def test_where_sent_is_kept_a_missing_message_was_not_sent(world, server, mailbox, ready, sink):
    first, _ = ready(mailbox)
    delivery.drain(org_id=world.org.pk, mailbox_id=mailbox.pk)
    append_to_sent(server, bytes(first.raw))
    message = lose_answer(world, ready, mailbox, sink)
    assert settle(mailbox)["unknown"] == 1
    with clock.travel(settling.PATIENCE * 2):
        assert settle(mailbox)["not_sent"] == 1
    assert world.fresh(message).status == "not_sent"


def test_an_unreachable_server_settles_nothing(world, mailbox, ready, sink):
    message = lose_answer(world, ready, mailbox, sink)
    world.change(mailbox, imap_port=1)
    assert settle(mailbox) == {"unknown": 1}
    assert world.fresh(message).status == "unknown"


def test_sent_is_found_by_its_name_when_the_server_does_not_mark_it(world, settings, ready, sink):
    with Dovecot(sent="Gesendet", special=False) as server:
        settings.OUTBOUND_ALLOW = [*settings.OUTBOUND_ALLOW, f"127.0.0.1:{server.port}"]
        found = imap.ImapServer(server.host, server.port, "none", server.user, server.password)
        with imap.Inbox(found) as inbox:
            assert inbox.in_sent(["<a@b.example>"]) == set()


def test_a_hundred_messages_that_nobody_can_prove_do_not_hide_the_others(world, mailbox, sent):
    with world.context():
        row = Message.objects.get(pk=sent.pk)
        copies = []
        for number in range(settling.MOST + 5):
            copy = Message.objects.get(pk=sent.pk)
            copy.pk, copy.status, copy.email_sequence = new_id(), "unknown", None
            copy.message_id = f"<{number}@northbeam.example>"
            copies.append(copy)
        Message.objects.bulk_create(copies)
        looked = set()
        for _ in range(12):
            looked |= {m.pk for m in settling.unknown_of(row.org_id, mailbox.pk)}
    assert looked == {m.pk for m in copies}
