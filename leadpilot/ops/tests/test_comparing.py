"""After a restore nothing leaves before Sent was compared, and nothing twice (TRUST F18). Sent is a real Dovecot's."""

from __future__ import annotations

import io
from datetime import datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db.models.functions import Now

from agent.services import control
from campaigns.models import Enrollment, InboundMessage, Mailbox, Message, MessageEvent, SendAttempt
from campaigns.services import delivery, enrollment, polling, quota
from campaigns.services.outbox.building import bytes_of
from campaigns.tests.conftest import World
from campaigns.tests.dovecot import Dovecot, is_installed
from campaigns.tests.mails import reply
from campaigns.tests.sink import Sink
from leadpilot.lib import clock, jobs
from leadpilot.lib.errors import Conflict
from leadpilot.lib.ids import new_id
from leadpilot.ops import backup, comparing, database, locking, searching, tasks
from leadpilot.ops.models import SentCheck
from leadpilot.ops.restore import restore
from leadpilot.ops.tests.conftest import put_into_sent
from leadpilot.orgs.models import AuditEntry, Notification, Organization
from leadpilot.orgs.tenancy import org_context
from leads.models import Lead, LeadStatus, Suppression

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("all_roles"),
    pytest.mark.skipif(not is_installed(), reason="Dovecot is not installed"),
]


@pytest.fixture
def campaign(world: World, mailbox: Mailbox) -> Any:
    """A campaign that sends from the mailbox."""
    return world.campaign(mailbox)


@pytest.fixture
def before(world: World, mailbox: Mailbox, campaign: Any, server: Dovecot) -> Message:
    """A mail that left before the backup and lies in Sent: the witness that Sent is kept."""
    message = world.approve(world.enroll(campaign, world.lead()))
    drain(mailbox)
    put_into_sent(server, bytes(message.raw or b""))
    polling.poll(org_id=world.org.pk, mailbox_id=mailbox.pk)
    return world.fresh(message)


def drain(mailbox: Mailbox) -> None:
    delivery.drain(org_id=mailbox.org_id, mailbox_id=mailbox.pk)


def lock(at: datetime | None = None) -> locking.Locked:
    return locking.lock_all(backup_at=at or clock.now())


def start(world: World) -> None:
    with world.context():
        control.start(org=world.org, by=None)


def compare(mailbox: Mailbox) -> comparing.Compared:
    done = comparing.compare(org_id=mailbox.org_id, mailbox_id=mailbox.pk)
    assert done is not None
    return done


def is_locked(world: World) -> bool:
    with world.context():
        return bool(locking.waiting(world.org.pk))


def tries(world: World, message: Message) -> None:
    """Press Start and give the message every chance to leave."""
    start(world)
    world.change(message, scheduled_for=clock.now())
    delivery.drain(org_id=world.org.pk, mailbox_id=message.mailbox_id)


def waits(world: World, campaign: Any, **lead: Any) -> Message:
    return world.approve(world.enroll(campaign, world.lead(**lead)))


def test_start_alone_sends_nothing_and_the_mail_says_why(
    world: World, before: Message, campaign: Any, sink: Sink, mailbox: Mailbox
) -> None:
    message = waits(world, campaign)
    assert lock() == locking.Locked(organizations=1, mailboxes=1, messages=1)
    tries(world, message)
    assert len(sink.accepted) == 1, "the one before the backup"
    message = world.fresh(message)
    assert message.status == "queued"
    assert f"the Sent folder of {mailbox.email} was not compared yet" in message.status_reason


def test_every_organization_is_stopped_by_the_service_of_the_stop_button(
    world: World, mailbox: Mailbox, other_org: Any
) -> None:
    lock()
    for org in (world.org, other_org):
        with org_context(org.pk):
            assert Organization.objects.get().halted_at is not None
            config = control.config_for(org)
            assert (config.status, "A backup of" in config.status_reason) == ("paused", True)
            note = Notification.objects.get(type="restored")
            assert note.priority == "high"
            assert AuditEntry.objects.filter(action="organization.restored").count() == 1


@pytest.mark.parametrize(
    ("was", "becomes"),
    [("claimed", "queued"), ("sending", "unknown"), ("queued", "queued"), ("deferred", "deferred")],
)
def test_nobody_holds_a_message_of_a_restored_database(
    was: str, becomes: str, world: World, campaign: Any, mailbox: Mailbox, sink: Sink
) -> None:
    message = waits(world, campaign)
    fields = {"lease_until": clock.now() + timedelta(minutes=4), "lease_owner": "gone", "attempts": 1}
    world.change(message, status=was, **fields)
    with world.context():
        SendAttempt.objects.create(org=world.org, message=message, number=1, lease_owner="gone")
    lock()
    assert world.fresh(message).status == becomes
    tries(world, message)
    assert sink.accepted == []


def test_a_waiting_mail_that_is_in_sent_was_sent_and_is_never_sent_again(
    world: World, before: Message, campaign: Any, server: Dovecot, sink: Sink, mailbox: Mailbox
) -> None:
    message = waits(world, campaign)
    put_into_sent(server, bytes(message.raw or b""))
    lock()
    assert compare(mailbox) == comparing.Compared(found=1)
    assert not is_locked(world)
    tries(world, message)
    assert len(sink.accepted) == 1
    message = world.fresh(message)
    assert message.status == "sent"
    assert "Sent folder" in message.status_reason
    assert message.sent_at is not None
    assert abs(message.sent_at - clock.now()) < timedelta(minutes=2)
    assert message.enrollment.next_step == 2
    assert world.fresh(message.lead).status == LeadStatus.EMAILED
    with world.context():
        kinds = set(MessageEvent.objects.filter(message=message).values_list("kind", flat=True))
        assert {"settled", "sent"} <= kinds


def test_a_waiting_mail_that_is_not_in_sent_leaves_once_after_start(
    world: World, before: Message, campaign: Any, sink: Sink, mailbox: Mailbox
) -> None:
    message = waits(world, campaign)
    lock()
    assert compare(mailbox) == comparing.Compared()
    world.change(message, scheduled_for=clock.now())
    drain(mailbox)
    assert len(sink.accepted) == 1, "the organization is still stopped"
    tries(world, message)
    assert [mail.message_id for mail in sink.accepted] == [before.message_id, message.message_id]
    with world.context():
        check = SentCheck.objects.get()
        assert (check.status, check.problem) == ("compared", "")
        assert not Notification.objects.filter(type="restored", read_at=None).exists()


def test_steps_that_left_one_after_the_other_are_all_found(
    world: World, before: Message, campaign: Any, server: Dovecot, mailbox: Mailbox, sink: Sink
) -> None:
    """The second was held, without bytes, when the backup was made."""
    first = waits(world, campaign)
    second = world.approve(world.fresh(first).enrollment, step=2)
    assert (world.fresh(second).status, second.raw) == ("held", None)
    with world.context():
        raw = bytes_of(world.fresh(second), clock.now())
    put_into_sent(server, bytes(first.raw or b""))
    put_into_sent(server, raw)
    lock()
    assert compare(mailbox).found == 2
    second = world.fresh(second)
    assert (second.status, bytes(second.raw or b"").replace(b"\r", b"")) == ("sent", raw.replace(b"\r", b""))
    assert second.enrollment.next_step == 3
    assert second.enrollment.next_step_at > clock.now()


def test_a_mail_that_sent_dates_long_ago_is_found_by_its_message_id(
    world: World, before: Message, campaign: Any, server: Dovecot, mailbox: Mailbox
) -> None:
    message = waits(world, campaign)
    put_into_sent(server, bytes(message.raw or b""))
    with clock.travel(timedelta(days=9)):
        lock()
        assert compare(mailbox).found == 1
    assert world.fresh(message).status == "sent"


def test_what_was_found_counts_against_the_caps_of_its_day(
    world: World, before: Message, campaign: Any, server: Dovecot, mailbox: Mailbox
) -> None:
    message = waits(world, campaign)
    put_into_sent(server, bytes(message.raw or b""))
    lock()
    with world.context():
        caps = quota.caps_for(org=world.org, mailbox=mailbox, campaign=campaign, now=clock.now())

    def used() -> list[int]:
        with world.context():
            return [quota.used(org_id=world.org.pk, scope=c.scope, period=c.period) for c in caps]

    earlier = used()
    compare(mailbox)
    assert used() == [n + 1 for n in earlier]


def unknown_mail(
    mailbox: Mailbox,
    to: str,
    *,
    number: UUID | None = None,
    domain: str = "northbeam.example",
    **headers: str,
) -> bytes:
    """A mail as LeadPilot would have made it after the backup."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = mailbox.email, f"Ann <{to}>", "About your deliveries"
    mail["Message-ID"] = f"<{(number or new_id()).hex}@{domain}>"
    mail["List-Unsubscribe"] = "<https://leadpilot.example/u/x/>"
    for name, value in headers.items():
        mail.replace_header(name, value) if name in mail else mail.add_header(name, value)
    mail.set_content("Hello Ann.")
    return mail.as_bytes().replace(b"\n", b"\r\n")


def test_a_mail_that_the_backup_does_not_know_holds_its_lead_back(
    world: World, before: Message, campaign: Any, server: Dovecot, mailbox: Mailbox, sink: Sink
) -> None:
    lead = world.lead("Ann Li")
    enrolled = world.enroll(campaign, lead)
    lock()
    put_into_sent(server, unknown_mail(mailbox, lead.email.upper()))
    assert compare(mailbox) == comparing.Compared(unknown=1)
    enrolled = world.fresh(enrolled)
    assert (enrolled.status, enrolled.next_step) == ("paused", 2)
    assert "after the backup that was restored" in enrolled.next_reason
    assert world.fresh(lead).status == LeadStatus.EMAILED
    with world.context():
        found = Message.objects.get(lead=lead)
        assert (found.status, found.email_sequence, found.subject) == ("sent", 1, "About your deliveries")
        assert "Hello Ann." in found.body
        enrollment.resume(enrollment=enrolled, reason="I looked.")
    with pytest.raises(Conflict, match="Step 1 has been approved"):
        world.approve(enrolled)
    start(world)
    drain(mailbox)
    assert len(sink.accepted) == 1


def test_an_answer_to_such_a_mail_is_read_although_it_was_passed_over_before(
    world: World, before: Message, campaign: Any, server: Dovecot, mailbox: Mailbox
) -> None:
    lead = world.lead("Ann Li")
    world.enroll(campaign, lead)
    lock()
    left = Message(to_email=lead.email, from_email=mailbox.email, subject="Hi", body="Hi")
    left.message_id = f"<{new_id().hex}@northbeam.example>"
    server.deliver(reply(left, "Stop writing to me."))
    polling.poll(org_id=world.org.pk, mailbox_id=mailbox.pk)
    with world.context():
        assert InboundMessage.objects.count() == 0, "from a stranger, as it seemed"
    put_into_sent(server, unknown_mail(mailbox, lead.email, **{"Message-ID": left.message_id}))
    assert compare(mailbox).unknown == 1
    with world.context():
        answer = InboundMessage.objects.get()
        assert (answer.lead_id, answer.new_text) == (lead.pk, "Stop writing to me.")
        assert answer.message is not None
        assert answer.message.message_id == left.message_id
    assert not is_locked(world)


def test_whoever_is_no_lead_any_more_is_suppressed(
    world: World, before: Message, server: Dovecot, mailbox: Mailbox
) -> None:
    lock()
    put_into_sent(server, unknown_mail(mailbox, "new@later.example"))
    assert compare(mailbox).unknown == 1
    with world.context():
        entry = Suppression.objects.get()
        assert entry.value == "new@later.example"
        assert "which the restored backup does not know" in entry.origin


def test_a_lead_outside_of_any_sequence_has_the_mail_in_its_history(
    world: World, before: Message, server: Dovecot, mailbox: Mailbox
) -> None:
    lead = world.lead()
    lock()
    put_into_sent(server, unknown_mail(mailbox, lead.email))
    compare(mailbox)
    with world.context():
        found = Message.objects.get(lead=lead)
    assert (found.status, found.campaign, found.email_sequence) == ("sent", None, None)
    assert world.fresh(lead).status == LeadStatus.EMAILED


def test_another_mail_of_the_same_step_waits_behind_the_pause(
    world: World, before: Message, campaign: Any, server: Dovecot, mailbox: Mailbox, sink: Sink
) -> None:
    """It was taken back after the backup, and another one approved in its place, which left."""
    message = waits(world, campaign)
    lock()
    put_into_sent(server, unknown_mail(mailbox, message.to_email))
    assert compare(mailbox).unknown == 1
    assert world.fresh(message).enrollment.status == "paused"
    tries(world, message)
    assert len(sink.accepted) == 1


@pytest.mark.parametrize(
    "mail",
    [
        {"domain": "elsewhere.example"},
        {"number": UUID("0190a6b4-0000-7000-8000-000000000000")},
        {"number": UUID("9b2d8f0e-1111-4222-8333-444444444444")},
        {"Message-ID": "<CAF=abc@mail.northbeam.example>"},
    ],
    ids=["another domain", "made long before the backup", "no number of ours", "a person's own"],
)
def test_other_mails_in_sent_concern_nobody(
    mail: dict[str, Any], world: World, before: Message, server: Dovecot, mailbox: Mailbox
) -> None:
    lead = world.lead()
    lock()
    put_into_sent(server, unknown_mail(mailbox, lead.email, **mail))
    assert compare(mailbox) == comparing.Compared()
    assert world.fresh(lead).status == LeadStatus.NEW


def test_a_mail_to_ourselves_suppresses_nobody(
    world: World, before: Message, server: Dovecot, mailbox: Mailbox
) -> None:
    lock()
    put_into_sent(server, unknown_mail(mailbox, mailbox.email))
    assert compare(mailbox) == comparing.Compared()


def test_another_organizations_mail_from_the_same_mailbox_is_left_alone(
    world: World, before: Message, other_org: Any, server: Dovecot, mailbox: Mailbox
) -> None:
    lead, number = world.lead(), new_id()
    lock()
    with org_context(other_org.pk):
        theirs = Lead.objects.create(org=other_org, name="Ann", email=lead.email)
        box = Mailbox.objects.create(org=other_org, email=mailbox.email, from_name="Alex", smtp_host="x")
        Message.objects.create(
            **{"pk": number, "org": other_org, "lead": theirs, "mailbox": box, "status": "sent", "raw": b"x"},
            **{"to_email": lead.email, "from_email": box.email, "subject": "x", "body": "x"},
            message_id=f"<{number.hex}@northbeam.example>",
        )
    put_into_sent(server, unknown_mail(mailbox, lead.email, number=number))
    assert compare(mailbox) == comparing.Compared()
    with world.context():
        assert not Message.objects.filter(lead=lead).exists()


def test_doing_it_again_changes_nothing(
    world: World, before: Message, campaign: Any, server: Dovecot, mailbox: Mailbox
) -> None:
    message, lead = waits(world, campaign), world.lead()
    lock()
    put_into_sent(server, bytes(message.raw or b""))
    put_into_sent(server, unknown_mail(mailbox, lead.email))
    assert compare(mailbox) == comparing.Compared(found=1, unknown=1)
    assert comparing.compare(org_id=world.org.pk, mailbox_id=mailbox.pk) is None
    lock()
    assert compare(mailbox) == comparing.Compared()
    with world.context():
        assert Message.objects.count() == 3


def test_where_sent_proves_nothing_the_lock_stays_and_a_person_is_asked(
    world: World, campaign: Any, server: Dovecot, mailbox: Mailbox, sink: Sink, alice: Any
) -> None:
    """No mail from before the backup is there, so a missing one may have left all the same."""
    message, other = waits(world, campaign), waits(world, campaign)
    lock()
    put_into_sent(server, bytes(other.raw or b""))
    assert compare(mailbox) == comparing.Compared(found=1, problem=searching.NO_PROOF)
    assert world.fresh(other).status == "sent", "what is there is proof all the same"
    tries(world, message)
    assert sink.accepted == []
    with world.context():
        note = Notification.objects.get(type="sent_unproven")
        assert (note.priority, mailbox.email in note.title) == ("high", True)
        check = locking.waiting(world.org.pk)[0]
        assert (check.problem, check.found) == (searching.NO_PROOF, 1)
        locking.release(lock=check, by=alice, reason="I looked into Sent.")
        assert Notification.objects.filter(read_at=None).count() == 0
        assert "I looked into Sent." in AuditEntry.objects.get(action="mailbox.released").message
        with pytest.raises(Conflict, match="released by a person"):
            locking.release(lock=check, by=alice, reason="Again.")
    tries(world, message)
    assert len(sink.accepted) == 1


def test_one_mailbox_that_is_not_compared_locks_the_others(
    world: World, before: Message, campaign: Any, mailbox: Mailbox, sink: Sink
) -> None:
    """A lead may have been written to from there, and be given to another mailbox now."""
    message, deaf = waits(world, campaign), world.mailbox()
    lock()
    assert compare(mailbox).problem == ""
    assert compare(deaf).problem == searching.NO_IMAP
    tries(world, message)
    assert len(sink.accepted) == 1
    assert deaf.email in world.fresh(message).status_reason


@pytest.mark.parametrize("trouble", ["password", "away", "sealed", "folder"])
def test_a_mailbox_that_cannot_be_read_stays_locked_with_the_reason(
    trouble: str, world: World, before: Message, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock()
    says = {"password": "does not accept", "away": "127.0.0.1", "sealed": "enter the password again"}
    if trouble == "password":
        with world.context():
            row = Mailbox.objects.get(pk=mailbox.pk)
            row.write_secret("imap_password", "wrong")
            row.save()
    elif trouble == "away":
        world.change(mailbox, imap_port=1)
    elif trouble == "sealed":
        world.change(mailbox, imap_password="v1.k1.AAAA")
    else:
        monkeypatch.setattr(searching.imap.Inbox, "_sent_folder", lambda self: None)
    assert says.get(trouble, searching.NO_SENT) in compare(mailbox).problem
    assert is_locked(world)


def test_the_lock_stays_while_answers_cannot_be_read(
    world: World, before: Message, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock()
    monkeypatch.setattr(polling, "poll", lambda **_: polling.Polled(problem="The line was cut."))
    assert "cannot be read: The line was cut." in compare(mailbox).problem
    monkeypatch.setattr(polling, "poll", lambda **_: None)
    assert "Another worker" in compare(mailbox).problem
    monkeypatch.setattr(polling, "poll", lambda **_: polling.Polled(seen=1))
    monkeypatch.setattr(comparing, "READING_SECONDS", 0.01)
    assert "not read to its end" in compare(mailbox).problem
    assert is_locked(world)


def test_workers_compare_by_themselves_and_not_too_often(
    world: World, before: Message, mailbox: Mailbox
) -> None:
    deaf = world.mailbox()
    lock()
    jobs.run_pending()  # what was rung before
    tasks.compare_sent()
    assert jobs.run_pending() >= 2
    with world.context():
        assert [check.mailbox_id for check in locking.waiting(world.org.pk)] == [deaf.pk]
    tasks.compare_sent()
    assert jobs.run_pending() == 0
    with world.context():
        SentCheck.objects.update(tried_at=Now() - timedelta(minutes=6))
    tasks.compare_sent()
    assert jobs.run_pending() == 1


def test_a_second_restore_keeps_the_earlier_moment(world: World, mailbox: Mailbox) -> None:
    """The backup may have been made while an earlier restore was still locked."""
    earlier = clock.now() - timedelta(days=2)
    lock(earlier)
    lock()
    with world.context():
        assert [check.backup_at for check in locking.waiting(world.org.pk)] == [earlier]


def listed(*options: str) -> str:
    said = io.StringIO()
    call_command("sent_checks", *options, stdout=said)
    return said.getvalue()


def test_the_command_lists_compares_and_releases(
    world: World, before: Message, mailbox: Mailbox, other_org: Any
) -> None:
    assert listed() == "No mailbox is locked.\n"
    deaf = world.mailbox()
    lock()
    assert f"acme  {mailbox.email}: not compared yet" in listed()
    assert listed("--compare") == f"acme  {deaf.email}: {searching.NO_IMAP}\n"
    ask = ["--release", deaf.email, "--org"]
    for words, sentence in (
        (["--release", deaf.email], "needs --org SLUG and --reason"),
        ([*ask, "acme", "--reason", " "], "needs --org SLUG and --reason"),
        ([*ask, "other", "--reason", "x"], "is not locked in other"),
        ([*ask, "nobody", "--reason", "x"], "There is no organization nobody"),
    ):
        with pytest.raises(CommandError, match=sentence):
            listed(*words)
    assert listed(*ask, "acme", "--reason", "Nothing left.") == "No mailbox is locked.\n"


def test_a_backup_of_before_is_restored_and_each_mail_leaves_once(
    world: World,
    before: Message,
    campaign: Any,
    server: Dovecot,
    mailbox: Mailbox,
    sink: Sink,
    tmp_path: Path,
    settings: Any,
) -> None:
    """One waits and leaves, one is approved and leaves, one only waits; then the backup of before is restored."""
    settings.MEDIA_ROOT = tmp_path / "media"
    leaves, stays = waits(world, campaign), waits(world, campaign)
    later = world.enroll(campaign, world.lead())
    world.change(stays, scheduled_for=clock.now() + timedelta(hours=1))
    backup.make_backup(tmp_path / "b")
    approved = world.approve(later)
    drain(mailbox)
    for message in (leaves, approved):
        put_into_sent(server, bytes(message.raw or b""))
    target = f"{database.name_beside('t', 'f18')}"
    restore(tmp_path / "b", target=target)
    try:
        with database.pointed_at(target):
            tries(world, stays)
            assert len(sink.accepted) == 3
            assert compare(mailbox) == comparing.Compared(found=1, unknown=1)
            tries(world, leaves)
            tries(world, stays)
            for message, status in ((leaves, "sent"), (approved, "sent"), (stays, "sent")):
                assert world.fresh(message).status == status
            assert world.fresh(later).status == "paused"
            with pytest.raises(Conflict):
                world.approve(Enrollment(pk=later.pk))
    finally:
        with database.maintenance() as line:
            database.drop(line, target)
    ids = [mail.message_id for mail in sink.accepted]
    assert sorted(ids) == sorted(m.message_id for m in (before, leaves, approved, stays))
