"""A checker that cannot fail is worthless: every promise is broken here on purpose, and has to be found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from leadpilot.trust.checker import PROMISES, check, count
from leadpilot.trust.testimony import GRACE, Accepted, Broken, Cap, Evidence, Row, Stop

NOON = 1_795_262_400.0  # 2026-11-21 12:00 UTC


def row(number: int = 1, **other: Any) -> Row:
    usual = Row(
        message_id=f"<{number}@us>",
        status="sent",
        to=f"lead{number}@firm.example",
        mailbox="box1@us",
        campaign="autumn",
        lead=f"lead{number}",
        step=1,
        sha256=f"hash{number}",
        approved=f"Subject {number}",
        reason="250 taken",
    )
    return replace(usual, **other)


def mail(number: int = 1, at: float = NOON, **other: Any) -> Accepted:
    usual = Accepted(
        at=at,
        message_id=f"<{number}@us>",
        sender="box1@us",
        to=f"lead{number}@firm.example",
        sha256=f"hash{number}",
        subject=f"Subject {number}",
    )
    return replace(usual, **other)


def broken(accepted: list[Accepted], rows: list[Row], **other: Any) -> list[tuple[str, str]]:
    found = check(Evidence(accepted, rows, **{"now": NOON + 1000, **other}))
    return [(one.promise, one.message_id) for one in found]


def test_when_all_is_well_nothing_is_found() -> None:
    rows = [
        row(1),
        row(2, status="unknown"),
        row(3, status="unknown"),
        row(4, status="cancelled", reason="withdrawn"),
        row(5, status="refused", reason="550"),
        row(6, status="held", explained="It waits for an answer."),
        row(7, status="not_sent", reason="not in Sent"),
    ]
    assert broken([mail(1), mail(2)], rows) == []
    assert broken([], []) == []


# duplicates


def test_a_mail_that_was_accepted_twice_is_found() -> None:
    assert broken([mail(1), mail(1, at=NOON + 60)], [row(1)]) == [("duplicates", "<1@us>")]


def test_each_time_too_many_counts() -> None:
    found = broken([mail(1), mail(1), mail(1)], [row(1)])
    assert found == [("duplicates", "<1@us>")] * 2


def test_two_messages_of_the_same_step_to_the_same_address_are_found_whatever_their_ids() -> None:
    rows = [row(1), row(2, to="LEAD1@firm.example")]
    mails = [mail(1), mail(2, to="lead1@firm.example")]
    assert broken(mails, rows) == [("duplicates", "<2@us>")]


@pytest.mark.parametrize("other", [{"step": 2}, {"campaign": "winter"}, {"to": "lead2@firm.example"}])
def test_another_step_campaign_or_address_is_no_duplicate(other: dict[str, Any]) -> None:
    rows = [row(1), row(2, to="lead1@firm.example")]
    rows[1] = replace(rows[1], **other)
    assert broken([mail(1), mail(2, to=rows[1].to)], rows) == []


# accepted, so sent or unknown


@pytest.mark.parametrize(
    "status", ["held", "queued", "deferred", "refused", "not_sent", "cancelled", "claimed", "sending"]
)
def test_what_was_accepted_may_not_be_called_anything_else(status: str) -> None:
    found = broken([mail(1)], [row(1, status=status, explained="why", lease_until=NOON)])
    assert ("unaccounted", "<1@us>") in found


def test_what_was_accepted_without_any_message_of_that_name_is_found() -> None:
    assert broken([mail(9)], [row(1, status="unknown")]) == [("unaccounted", "<9@us>")]


def test_a_mail_that_went_to_somebody_else_is_found() -> None:
    assert broken([mail(1, to="eve@firm.example")], [row(1)]) == [("unaccounted", "<1@us>")]
    assert broken([mail(1, to="lead1@firm.example,eve@firm.example")], [row(1)]) == [
        ("unaccounted", "<1@us>")
    ]


# lost


def test_sent_without_the_oracle_knowing_is_a_loss() -> None:
    assert broken([], [row(1)]) == [("lost", "<1@us>")]


@pytest.mark.parametrize("status", ["held", "queued", "deferred"])
def test_what_could_go_and_did_not_is_a_loss(status: str) -> None:
    assert broken([], [row(1, status=status)]) == [("lost", "<1@us>")]
    assert broken([], [row(1, status=status, explained="Today's limit is reached.")]) == []


@pytest.mark.parametrize("status", ["cancelled", "refused", "not_sent"])
def test_an_end_without_a_reason_is_a_loss(status: str) -> None:
    assert broken([], [row(1, status=status, reason="")]) == [("lost", "<1@us>")]


# bytes


def test_other_bytes_than_were_fixed_are_found() -> None:
    assert broken([mail(1, sha256="other")], [row(1)]) == [("hash_mismatch", "<1@us>")]


def test_other_words_than_were_approved_are_found_though_the_bytes_are_the_database_s() -> None:
    assert broken([mail(1, subject="Buy now")], [row(1)]) == [("hash_mismatch", "<1@us>")]


# late


STOPS = [
    Stop("halt", "", "", NOON),
    Stop("pause of the mailbox", "mailbox", "box1@us", NOON),
    Stop("pause of the campaign", "campaign", "autumn", NOON),
    Stop("opt-out", "to", "lead1@firm.example", NOON),
    Stop("withdrawn approval", "message_id", "<1@us>", NOON),
    Stop("reply", "lead", "lead1", NOON),
]


@pytest.mark.parametrize("stop", STOPS, ids=lambda stop: stop.kind)
def test_what_is_accepted_too_long_after_a_stop_is_found(stop: Stop) -> None:
    late, in_time, before = NOON + GRACE + 0.1, NOON + GRACE - 0.1, NOON - 60
    assert broken([mail(1, at=late)], [row(1)], stops=[stop]) == [("late", "<1@us>")]
    assert broken([mail(1, at=in_time)], [row(1)], stops=[stop]) == []
    assert broken([mail(1, at=before)], [row(1)], stops=[stop]) == []


@pytest.mark.parametrize("stop", STOPS[1:], ids=lambda stop: stop.kind)
def test_a_stop_concerns_nobody_else(stop: Stop) -> None:
    other = row(2, mailbox="box2@us", campaign="winter")
    assert broken([mail(2, at=NOON + 60)], [other], stops=[stop]) == []


def test_a_stop_that_was_lifted_binds_until_then() -> None:
    stop = replace(STOPS[0], lifted_at=NOON + 20)
    assert broken([mail(1, at=NOON + 19)], [row(1)], stops=[stop]) == [("late", "<1@us>")]
    assert broken([mail(1, at=NOON + 20.1)], [row(1)], stops=[stop]) == []


def test_the_history_says_how_late() -> None:
    (found,) = check(Evidence([mail(1, at=NOON + 7.5)], [row(1)], stops=[STOPS[0]]))
    assert found == Broken("late", "<1@us>", "accepted 7.5 s after halt (12:00:00.000)")


# caps


def many(number: int, at: float = NOON) -> tuple[list[Accepted], list[Row]]:
    return [mail(n, at=at + n / 100) for n in range(number)], [row(n) for n in range(number)]


@pytest.mark.parametrize(("field", "value"), [("mailbox", "box1@us"), ("campaign", "autumn")])
def test_more_than_a_cap_in_a_day_is_found(field: str, value: str) -> None:
    mails, rows = many(4)
    assert broken(mails, rows, caps=[Cap(field, value, 0.0, 4)]) == []
    assert broken(mails, rows, caps=[Cap(field, value, 0.0, 3)]) == [("cap_overshoot", "<3@us>")]
    assert broken(mails, rows, caps=[Cap(field, "another", 0.0, 1)]) == []


def test_a_lowered_cap_holds_after_the_grace() -> None:
    caps = [Cap("mailbox", "box1@us", 0.0, 100), Cap("mailbox", "box1@us", NOON, 2)]
    mails, rows = many(4, NOON + 1)
    assert broken(mails, rows, caps=caps) == []
    mails, rows = many(4, NOON + GRACE + 1)
    assert broken(mails, rows, caps=caps) == [("cap_overshoot", "<2@us>"), ("cap_overshoot", "<3@us>")]


def test_a_raised_cap_holds_at_once() -> None:
    caps = [Cap("mailbox", "box1@us", 0.0, 2), Cap("mailbox", "box1@us", NOON, 4)]
    mails, rows = many(4, NOON + 0.1)
    assert broken(mails, rows, caps=caps) == []
    mails, rows = many(4, NOON - 1)
    assert broken(mails, rows, caps=caps) == [("cap_overshoot", "<2@us>"), ("cap_overshoot", "<3@us>")]


def test_a_day_is_a_local_day() -> None:
    midnight_in_tokyo = NOON + 3 * 3600
    first, rows = many(2, midnight_in_tokyo - 10)
    second = [mail(n, at=midnight_in_tokyo + 10) for n in (2, 3)]
    rows += [row(2), row(3)]
    caps = [Cap("mailbox", "box1@us", 0.0, 2)]
    assert broken(first + second, rows, caps=caps, zone="Asia/Tokyo") == []
    assert len(broken(first + second, rows, caps=caps, zone="UTC")) == 2


# stuck


@pytest.mark.parametrize("status", ["claimed", "sending"])
def test_work_that_nobody_does_is_found(status: str) -> None:
    assert broken([], [row(1, status=status, lease_until=NOON)]) == [("stuck", "<1@us>")]
    assert broken([], [row(1, status=status, lease_until=None)]) == [("stuck", "<1@us>")]
    assert broken([], [row(1, status=status, lease_until=NOON + 2000)]) == []


def test_an_intent_that_was_never_closed_is_found() -> None:
    assert broken([mail(1)], [row(1, open_intents=1)]) == [("stuck", "<1@us>")]


# counting


def test_every_promise_is_counted_also_when_it_held() -> None:
    counts = count(check(Evidence([mail(1), mail(1)], [row(1), row(2)])))
    assert list(counts) == list(PROMISES)
    assert counts["duplicates"] == 1
    assert counts["lost"] == 1
    assert counts["late"] == counts["cap_overshoot"] == counts["stuck"] == 0
