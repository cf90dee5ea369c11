"""Mailboxes: connected after a test, changed, paused, removed; what is typed stays, passwords never come back."""

from __future__ import annotations

import pytest

from campaigns import smtp
from campaigns.models import Mailbox, Quota
from campaigns.services import mailboxes as services
from campaigns.tests.pages import (
    assert_get_only,
    assert_only_for_members,
    assert_post_only,
    assert_viewers_may_not,
    at,
    queries_of,
    said,
    sent,
)
from campaigns.tests.sink import silence
from campaigns.windows import local_day, zone_of
from leadpilot.lib import clock

pytestmark = pytest.mark.django_db

PASSWORD = "very-secret-9"


@pytest.fixture
def typed(sink):
    """What a person types for a mailbox on the sink."""
    return {
        "email": "Sam@Team.example",
        "from_name": "Sam Stone",
        "signature": "Sam\nTeam",
        "smtp_host": "127.0.0.1",
        "smtp_port": str(sink.port),
        "smtp_security": "none",
        "smtp_username": "",
        "smtp_password": PASSWORD,
        "inbound_kind": "none",
        "imap_host": "",
        "imap_port": "993",
        "imap_security": "tls",
        "imap_username": "",
        "imap_password": "",
        "daily_cap": "40",
        "min_spacing_seconds": "30",
        "ramp_start": "10",
        "ramp_step": "5",
        "ramp": "on",
    }


@pytest.fixture
def client(client_for, alice):
    return client_for(alice)


def only_one(world):
    with world.context():
        return Mailbox.objects.get()


def none_saved(world):
    with world.context():
        return not Mailbox.objects.exists()


# the list


def test_it_lists_mailboxes_with_what_they_sent_today_and_may(client, world, org):
    box = world.mailbox(daily_cap=40, ramp_started_at=clock.now().date(), ramp_start=10, ramp_step=5)
    with world.context():
        day = local_day(clock.now(), zone_of(org.time_zone))
        Quota.objects.create(org=org, scope=f"mailbox:{box.pk}", period=day, used=7)
    text = client.get(at("mailbox_list")).content.decode()
    assert box.email in text
    assert "7 of 10" in text
    assert "5 more each day, up to 40" in text
    assert "not encrypted" in text


def test_an_empty_list_offers_to_connect_one(client, org):
    assert at("mailbox_create") in client.get(at("mailbox_list")).content.decode()


def test_a_mailbox_in_trouble_says_so(client, world):
    world.mailbox(status="error", status_reason="The password was refused.", poll_problem="No answer.")
    text = client.get(at("mailbox_list")).content.decode()
    assert "The password was refused." in text
    assert "Its answers cannot be read now" in text


def test_the_list_takes_no_more_queries_for_more_rows(client, world):
    for _ in range(10):
        world.mailbox()
    few = queries_of(client, at("mailbox_list"))
    for _ in range(10):
        world.mailbox()
    assert queries_of(client, at("mailbox_list")) == few


# connecting


@pytest.mark.parametrize(
    ("preset", "host"),
    [("gmail", "smtp.gmail.com"), ("outlook", "smtp.office365.com"), ("fastmail", "smtp.fastmail.com")],
)
def test_a_preset_fills_in_the_servers_and_says_what_to_know(client, org, preset, host):
    text = client.get(at("mailbox_create", query=f"?preset={preset}")).content.decode()
    assert f'value="{host}"' in text
    assert "assword" in text.split("Before you start")[1][:300]


def test_an_unknown_preset_is_an_empty_form(client, org):
    assert "Before you start" not in client.get(at("mailbox_create", query="?preset=pigeon")).content.decode()


def test_a_mailbox_that_works_is_connected(client, world, sink, typed):
    answer = client.post(at("mailbox_create"), typed)
    assert (answer.status_code, said(answer)) == (302, ["sam@team.example is connected."])
    box = only_one(world)
    assert (box.status, box.daily_cap, box.signature) == ("connected", 40, "Sam\nTeam")
    assert box.smtp_username == "Sam@Team.example"  # left empty, the address is used
    assert box.ramp_started_at == clock.now().date()
    assert box.read_secret("smtp_password") == PASSWORD
    assert "AUTH" in sink.verbs
    assert sink.accepted == []


def test_without_warming_up_the_whole_cap_counts_from_the_first_day(client, world, typed):
    client.post(at("mailbox_create"), {key: value for key, value in typed.items() if key != "ramp"})
    assert only_one(world).ramp_started_at is None


def wrong_password(sink, typed):
    sink.answers["AUTH"] = [b"535 5.7.8 bad credentials\r\n"]


def no_such_host(sink, typed):
    typed["smtp_host"] = "no-such-host.invalid"


def private_host(sink, typed):
    typed["smtp_host"] = "10.0.0.7"


def no_answer(sink, typed):
    sink.answers["connect"] = [silence]


@pytest.mark.parametrize(
    ("fault", "sentence", "field"),
    [
        (wrong_password, "does not accept this user name and password", "smtp_password"),
        (no_such_host, "no-such-host.invalid", "smtp_host"),
        (private_host, "10.0.0.7", "smtp_host"),
        (no_answer, "did not answer", "smtp_port"),
    ],
)
def test_each_fault_has_its_sentence_at_its_field_and_nothing_typed_is_lost(
    client, world, sink, typed, monkeypatch, fault, sentence, field
):
    monkeypatch.setattr(services, "_TEST_LIMITS", smtp.Limits(connect=1))
    fault(sink, typed)
    answer = client.post(at("mailbox_create", query="?preset=gmail"), typed)
    text = answer.content.decode()
    assert answer.status_code == 422
    assert sentence in text
    assert f'id="id_{field}_error"' in text
    assert "Save anyway, paused" in text
    for kept in ("Sam@Team.example", "Sam Stone", typed["smtp_host"], typed["smtp_port"]):
        assert f'value="{kept}"' in text
    assert PASSWORD not in text
    assert 'href="?preset=gmail" aria-current="page"' in text
    assert none_saved(world)


def test_both_ways_are_tested_and_each_fault_stands_at_its_own_field(client, world, sink, typed):
    wrong_password(sink, typed)
    answer = client.post(at("mailbox_create"), typed | {"inbound_kind": "imap", "imap_host": "10.0.0.4"})
    text = answer.content.decode()
    assert answer.status_code == 422
    assert 'id="id_smtp_password_error"' in text
    assert 'id="id_imap_host_error"' in text
    assert "10.0.0.4 is a private address" in text


def test_it_can_be_saved_anyway_but_paused(client, world, sink, typed):
    wrong_password(sink, typed)
    answer = client.post(at("mailbox_create"), typed | {"save_paused": "1"})
    assert said(answer) == ["sam@team.example is saved, paused."]
    box = only_one(world)
    assert (box.status, box.status_reason) == ("paused", "Saved without a working connection.")
    assert box.read_secret("smtp_password") == PASSWORD
    assert sink.verbs == []


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"email": "nobody"}, "Enter a valid email address"),
        ({"smtp_port": "70000"}, "70000 is not a port"),
        ({"imap_port": "0"}, "0 is not a port"),
        ({"inbound_kind": "imap"}, "Reading by IMAP needs a server"),
        ({"from_name": ""}, "This field is required"),
        ({"from_name": "Sam\r\nBcc: x@y.example"}, "has a line break"),
        ({"daily_cap": "many"}, "Enter a whole number"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_asked_of_a_server(
    client, world, sink, typed, wrong, sentence
):
    answer = client.post(at("mailbox_create"), typed | wrong)
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert sink.verbs == []
    assert none_saved(world)


def test_an_address_is_connected_once(client, world, typed):
    client.post(at("mailbox_create"), typed)
    answer = client.post(at("mailbox_create"), typed)
    assert answer.status_code == 422
    assert "is connected already" in answer.content.decode()


def test_the_sandboxs_maildir_is_offered_in_the_sandbox_only(client, org, settings):
    for enabled in (True, False):
        settings.SANDBOX = {**settings.SANDBOX, "enabled": enabled}
        assert ("Sandbox Maildir" in client.get(at("mailbox_create")).content.decode()) is enabled


def test_reading_takes_name_and_password_of_sending_when_they_are_left_empty(world, org, typed):
    from campaigns.forms import MailboxForm

    values = typed | {"inbound_kind": "imap", "imap_host": "imap.team.example", "smtp_username": "sam"}
    form = MailboxForm(values, instance=Mailbox(org=org))
    assert form.is_valid(), form.errors
    assert form.values()["imap_username"] == "sam"
    assert form.values()["imap_password"] == PASSWORD


# changing


def test_a_change_keeps_the_stored_password_and_never_shows_it(client, world, sink, typed):
    client.post(at("mailbox_create"), typed)
    box = only_one(world)
    text = client.get(at("mailbox_edit", box)).content.decode()
    assert "Left empty, the stored one stays." in text
    assert PASSWORD not in text
    assert str(box.smtp_password) not in text
    changed = typed | {"smtp_password": "", "smtp_username": "sam", "daily_cap": "60"}
    answer = client.post(at("mailbox_edit", box), changed)
    assert answer.status_code == 302, answer.content.decode()
    after = world.fresh(box)
    assert (after.daily_cap, after.ramp_started_at) == (60, box.ramp_started_at)
    assert after.read_secret("smtp_password") == PASSWORD


def test_a_change_that_does_not_work_changes_nothing(client, world, sink, typed):
    client.post(at("mailbox_create"), typed)
    box = only_one(world)
    wrong_password(sink, typed)
    answer = client.post(at("mailbox_edit", box), typed | {"daily_cap": "60"})
    assert answer.status_code == 422
    assert 'value="60"' in answer.content.decode()
    assert world.fresh(box).daily_cap == 40


# testing, pausing, removing


def test_a_test_says_how_each_step_went(client, world, sink):
    box = world.mailbox()
    answer = client.post(at("mailbox_test", box))
    assert said(answer) == [
        "Signed in to 127.0.0.1; mail can be sent.",
        "Answers are not read from this mailbox.",
    ]
    sink.answers["AUTH"] = [b"535 5.7.8 bad credentials\r\n"]
    assert "does not accept" in said(client.post(at("mailbox_test", box)))[-2]


def test_it_is_paused_and_goes_on(client, world):
    box = world.mailbox()
    client.post(at("mailbox_pause", box))
    assert (world.fresh(box).status, world.fresh(box).status_reason) == ("paused", "Alice paused it.")
    client.post(at("mailbox_resume", box))
    assert world.fresh(box).status == "connected"


def test_only_a_mailbox_without_a_history_is_removed(client, world):
    fresh, used = world.mailbox(), world.mailbox()
    sent(world, world.campaign(used))
    assert said(client.post(at("mailbox_delete", fresh))) == [f"{fresh.email} was removed."]
    assert "pause it instead" in said(client.post(at("mailbox_delete", used)))[-1]
    with world.context():
        assert [box.pk for box in Mailbox.objects.all()] == [used.pk]


# who may


def test_strangers_viewers_members_and_wrong_methods_are_refused(
    client_for, client, bob, mia, charlie, other_org, world, sink
):
    box = world.mailbox()
    for name in ("mailbox_test", "mailbox_pause", "mailbox_resume", "mailbox_delete"):
        url = at(name, box)
        assert_only_for_members(client_for, url, charlie=charlie, method="post")
        assert_viewers_may_not(client_for, url, bob=bob)
        assert client_for(mia).post(url).status_code == 403
        assert_post_only(client, url)
    for method in ("get", "post"):
        assert_only_for_members(client_for, at("mailbox_edit", box), charlie=charlie, method=method)
    for url in (at("mailbox_edit", box), at("mailbox_create")):
        assert_viewers_may_not(client_for, url, bob=bob)
        assert client_for(mia).get(url).status_code == 403
        assert client.delete(url).status_code == 405
    assert_get_only(client, at("mailbox_list"))
    assert box.email not in client_for(charlie).get(at("mailbox_list")).content.decode()
    assert world.fresh(box).status == "connected"
    assert sink.verbs == []


def test_a_member_sees_the_list_without_its_buttons(client_for, mia, world):
    box = world.mailbox()
    text = client_for(mia).get(at("mailbox_list")).content.decode()
    assert box.email in text
    assert at("mailbox_delete", box) not in text
