"""People's acts against a real database and a real sink: they take effect, are remembered as stops, and are lifted."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError

from campaigns.models import Campaign, Enrollment, InboundMessage, Mailbox, Message
from campaigns.services import delivery, inbound
from leadpilot.orgs.models import Organization
from leadpilot.orgs.tenancy import org_context
from leadpilot.trust import acts, evidence, population
from leadpilot.trust.acts import People, set_free, surely
from leadpilot.trust.checker import check, count
from leadpilot.trust.control import Helper
from leadpilot.trust.plan import Act
from leadpilot.trust.population import Population
from leadpilot.trust.sent import MailStore
from leadpilot.trust.testimony import Evidence

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def oracle(helpers: Callable[..., Helper]) -> Helper:
    return helpers("oracle", users=population.accounts())


@pytest.fixture
def people(oracle: Helper, settings: Any, monkeypatch: pytest.MonkeyPatch) -> People:
    settings.OUTBOUND_ALLOW = [f"127.0.0.1:{oracle.ports['smtp']}"]
    settings.UNDO_SECONDS = 0
    monkeypatch.setattr(population, "MAILBOXES", 2)
    monkeypatch.setattr(population, "CAMPAIGNS", 1)
    made = population.populate(smtp_port=oracle.ports["smtp"], imap_port=0, zone="UTC")
    made.feed(3)
    return People(made)


def act(kind: str, pick: float = 0.0) -> Act:
    return Act(1, kind, pick, hold=0.0)


def rows(people: People, model: Any = Message) -> list[Any]:
    org = people.population.org
    with org_context(org.pk):
        return list(model.objects.for_org(org).order_by("pk"))


def send(people: People) -> None:
    for mailbox in rows(people, Mailbox):
        with org_context(mailbox.org_id):
            Mailbox.objects.filter(pk=mailbox.pk).update(min_spacing_seconds=0)
        delivery.drain(org_id=mailbox.org_id, mailbox_id=mailbox.pk)


def statuses(people: People) -> list[str]:
    return sorted(message.status for message in rows(people))


def test_the_population_really_sends_and_the_checker_has_nothing_to_say(
    people: People, oracle: Helper
) -> None:
    send(people)
    assert statuses(people) == ["held"] * 3 + ["sent"] * 3
    found = evidence.gather(people, Path(oracle.config["log"]))
    ours = {row.message_id for row in found.rows}
    mine = Evidence([m for m in found.accepted if m.message_id in ours], found.rows, zone=found.zone)
    assert len(mine.accepted) == 3
    # The second steps could go by now, and have not gone.
    assert count(check(mine)) == {**dict.fromkeys(count([]), 0), "lost": 3}
    assert {row.approved for row in mine.rows if row.step == 1} == {f"Lead {n} step 1" for n in (1, 2, 3)}


def test_pausing_the_campaign_stops_it_until_it_is_lifted(people: People) -> None:
    assert people.perform(act("pause_campaign"))
    assert not people.perform(act("pause_campaign"))  # it is held already
    (campaign,) = rows(people, Campaign)
    assert campaign.status == "paused"
    send(people)
    assert "sent" not in statuses(people)
    (stop,) = people.stops
    assert (stop.field, stop.value, stop.lifted_at) == ("campaign", str(campaign.pk), None)
    people.undo_due()
    assert rows(people, Campaign)[0].status == "active"
    assert people.stops[0].lifted_at is not None
    assert people.stops[0].committed_at <= people.stops[0].lifted_at <= time.time()
    assert people.done == 1


def test_pausing_a_mailbox_is_not_mended_before_it_is_lifted(people: People) -> None:
    assert people.perform(act("pause_mailbox"))
    paused = [box.email for box in rows(people, Mailbox) if box.status == "paused"]
    assert [stop.value for stop in people.stops] == paused
    people.mend()
    assert [box.status for box in rows(people, Mailbox)].count("paused") == 1
    people.undo_due()
    assert [box.status for box in rows(people, Mailbox)] == ["connected"] * 2


def test_a_mailbox_that_stopped_by_itself_is_mended(people: People) -> None:
    box = rows(people, Mailbox)[0]
    with org_context(box.org_id):
        Mailbox.objects.filter(pk=box.pk).update(status="paused", status_reason="wrong password")
    people.mend()
    assert [box.status for box in rows(people, Mailbox)] == ["connected"] * 2
    assert people.log[-1]["act"] == "mend"


def test_halting_stops_everything_also_when_nothing_waits(people: People) -> None:
    assert people.perform(act("halt"))
    assert not people.perform(act("halt"))
    send(people)
    assert "sent" not in statuses(people)
    people.undo_due()
    with org_context(people.population.org.pk):
        assert Organization.objects.get(pk=people.population.org.pk).halted_at is None
    send(people)
    assert statuses(people).count("sent") == 3


def test_opting_out_cancels_what_waits_for_good(people: People) -> None:
    assert people.perform(act("opt_out"))
    (stop,) = people.stops
    assert (stop.field, stop.lifted_at) == ("to", None)
    assert {m.to_email for m in rows(people) if m.status == "cancelled"} == {stop.value}
    people.undo_due(all_of_them=True)
    send(people)
    assert [m.status for m in rows(people) if m.to_email == stop.value] == ["cancelled"] * 2


def test_withdrawing_an_approval_cancels_that_mail_alone(people: People) -> None:
    assert people.perform(act("withdraw"))
    (stop,) = people.stops
    assert [m.message_id for m in rows(people) if m.status == "cancelled"] == [stop.value]


def test_a_mail_that_is_on_its_way_cannot_be_withdrawn(people: People) -> None:
    first = rows(people)[0]
    with org_context(first.org_id):
        Message.objects.filter(pk=first.pk).update(status="sending", lease_until="2100-01-01T00:00Z")
    assert not people.perform(act("withdraw"))
    assert (people.stops, people.done) == ([], 0)


@pytest.mark.parametrize("by_imap", [True, False])
def test_a_reply_pauses_the_sequence_of_its_lead(people: People, tmp_path: Path, by_imap: bool) -> None:
    send(people)
    second = next(m for m in rows(people) if m.email_sequence == 2)
    with org_context(second.org_id):
        Message.objects.filter(pk=second.pk).update(
            status="queued", raw=b"x", scheduled_for="2026-01-01T00:00Z"
        )
    people.store = MailStore(tmp_path) if by_imap else None
    assert people.perform(act("reply"))
    if by_imap:
        assert people.stops == []  # nobody knows of it yet
        (path,) = (tmp_path / second.from_email / "new").iterdir()
        people.notice_replies()
        assert people.stops == []
        with org_context(second.org_id):
            box = Mailbox.objects.get(pk=second.mailbox_id)
            inbound.receive(mailbox=box, raw=path.read_bytes(), source_key="imap:1:1")
        people.notice_replies()
    assert [(s.field, s.value) for s in people.stops] == [("lead", str(second.lead_id))]
    assert len(rows(people, InboundMessage)) == 1
    assert [e.status for e in rows(people, Enrollment) if e.lead_id == second.lead_id] == ["paused"]


@pytest.mark.parametrize(("pick", "model"), [(0.1, Campaign), (0.6, Mailbox)])
def test_a_lowered_cap_is_remembered_with_its_times(people: People, pick: float, model: Any) -> None:
    begun = time.time()
    assert people.perform(act("lower_cap", pick))
    usual, lowered = people.caps
    assert (usual.at, usual.limit) == (0.0, 100_000)
    assert begun <= lowered.at <= time.time()
    assert lowered.limit in (row.daily_cap for row in rows(people, model))
    assert not people.perform(act("lower_cap", pick))
    people.undo_due()
    assert {row.daily_cap for row in rows(people, model)} == {100_000}
    assert [cap.limit for cap in people.caps] == [100_000, lowered.limit, 100_000]


def test_an_act_falls_on_the_mail_that_is_just_being_sent(people: People) -> None:
    last = [m for m in rows(people) if m.status == "queued"][-1]
    with org_context(last.org_id):
        Message.objects.filter(pk=last.pk).update(status="sending", lease_until="2100-01-01T00:00Z")
    assert people._victim(0.0).pk == last.pk


def test_at_the_end_everything_is_free_again(people: People) -> None:
    for kind in ("pause_campaign", "pause_mailbox", "halt"):
        people.perform(act(kind))
    set_free(people)
    assert rows(people, Campaign)[0].status == "active"
    assert {box.status for box in rows(people, Mailbox)} == {"connected"}
    assert all(stop.lifted_at for stop in people.stops)


def test_without_anybody_to_do_it_to_an_act_is_not_done(people: People) -> None:
    with org_context(people.population.org.pk):
        Message.objects.all().update(status="cancelled")
    assert not people.perform(act("opt_out"))
    assert people.done == 0


# What the evidence says


def why(people: People, message: Message) -> str:
    return next(
        row for row in evidence.rows(people.population) if row.message_id == message.message_id
    ).explained


def test_a_wait_that_a_person_asked_for_is_no_explanation_once_it_is_over(people: People) -> None:
    first = rows(people)[0]
    assert why(people, first) == ""
    with org_context(first.org_id):
        Mailbox.objects.all().update(status="paused", status_reason="forgotten")
    assert why(people, first) == ""
    with org_context(first.org_id):
        Mailbox.objects.all().update(status="connected")
        Campaign.objects.all().update(daily_cap=0)
    assert "limit" in why(people, first)


def test_the_words_that_were_approved_are_remembered_outside_the_database(people: People) -> None:
    first = rows(people)[0]
    with org_context(first.org_id):
        Message.objects.filter(pk=first.pk).update(subject="Something else")
    row = next(r for r in evidence.rows(people.population) if r.message_id == first.message_id)
    assert row.approved == "Lead 1 step 1"


def test_a_message_s_history_has_attempts_events_and_what_was_accepted(
    people: People, oracle: Helper, tmp_path: Path
) -> None:
    send(people)
    (tmp_path / "oracle.jsonl").write_text(Path(oracle.config["log"]).read_text())
    sent = next(m for m in rows(people) if m.status == "sent")
    said = "\n".join(evidence.history(people.population, sent.message_id, tmp_path))
    for word in ("attempt 1", "event approved", "event sent", "ACCEPTED"):
        assert word in said
    assert evidence.history(people.population, "<none@us>", tmp_path) == []


def test_a_database_that_is_away_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []

    def shaky() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise OperationalError("the server is starting up")
        return "done"

    assert surely(shaky) == "done"
    assert len(tries) == 3
    monkeypatch.setattr(acts, "PATIENCE", 0.0)
    tries.clear()
    with pytest.raises(OperationalError):
        surely(shaky)


def test_population_has_accounts_for_the_fake_servers() -> None:
    assert population.address(3) in population.accounts()
    assert isinstance(Population.__doc__, str)
