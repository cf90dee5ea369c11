"""Sending windows on people's own clocks, over both changes of summer time."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.windows import (
    SPREAD,
    WEEKDAYS,
    Window,
    add_working_days,
    closing,
    fraction,
    local_day,
    next_midnight,
    next_opening,
    spread,
    window_for,
    zone_of,
)

WEEK = frozenset(WEEKDAYS[:5])
ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "Asia/Kathmandu",
    "Africa/Cairo",
]


def window(zone="Europe/Berlin", start=time(9), end=time(17), days=WEEK):
    return Window(frozenset(days), start, end, ZoneInfo(zone))


def local(zone, *parts):
    return datetime(*parts, tzinfo=ZoneInfo(zone))


def test_it_is_open_from_its_start_until_just_before_its_end():
    w = window()
    assert w.is_open(local("Europe/Berlin", 2026, 11, 23, 9))
    assert w.is_open(local("Europe/Berlin", 2026, 11, 23, 16, 59))
    assert not w.is_open(local("Europe/Berlin", 2026, 11, 23, 17))
    assert not w.is_open(local("Europe/Berlin", 2026, 11, 22, 12))


def test_an_open_window_opens_now_and_a_closed_one_on_the_next_working_morning():
    w = window()
    now = local("Europe/Berlin", 2026, 11, 23, 10)
    assert next_opening(now, w) == now
    assert next_opening(local("Europe/Berlin", 2026, 11, 20, 18), w) == local(
        "Europe/Berlin", 2026, 11, 23, 9
    )
    assert next_opening(local("Europe/Berlin", 2026, 11, 23, 3), w) == local("Europe/Berlin", 2026, 11, 23, 9)


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("Europe/Berlin", (2026, 3, 29)),
        ("Europe/Berlin", (2026, 10, 25)),
        ("America/New_York", (2026, 3, 8)),
        ("America/New_York", (2026, 11, 1)),
    ],
)
def test_nine_o_clock_is_nine_o_clock_on_the_days_the_clocks_change(zone, day):
    w = window(zone, days=WEEKDAYS)
    opening = next_opening(local(zone, *day, 0, 30), w)
    assert opening.astimezone(ZoneInfo(zone)).time() == time(9)
    assert opening.astimezone(ZoneInfo(zone)).date() == local(zone, *day).date()


def test_a_start_that_the_clocks_skip_becomes_the_first_minute_after_the_gap():
    w = window("America/New_York", start=time(2, 30), end=time(10), days=WEEKDAYS)
    opening = next_opening(local("America/New_York", 2026, 3, 8, 0, 10), w)
    assert opening.astimezone(ZoneInfo("America/New_York")).strftime("%H:%M") == "03:00"


def test_a_window_that_falls_wholly_into_the_gap_opens_the_day_after():
    w = window("America/New_York", start=time(2, 10), end=time(2, 50), days=WEEKDAYS)
    opening = next_opening(local("America/New_York", 2026, 3, 8, 0, 10), w)
    assert opening == local("America/New_York", 2026, 3, 9, 2, 10)


def test_a_start_that_comes_twice_opens_the_first_time():
    w = window("America/New_York", start=time(1, 30), end=time(10), days=WEEKDAYS)
    opening = next_opening(local("America/New_York", 2026, 11, 1, 0, 10), w)
    assert opening == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)


@given(
    moment=st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),
    zone=st.sampled_from(ZONES),
    days=st.sets(st.sampled_from(WEEKDAYS), min_size=1),
    start=st.integers(0, 22),
    length=st.integers(1, 8),
)
def test_the_next_opening_is_always_open_and_never_in_the_past(moment, zone, days, start, length):
    w = window(zone, time(start), time(min(23, start + length), 30), days)
    opening = next_opening(moment, w)
    assert opening >= moment
    assert w.is_open(opening)
    later = add_working_days(moment, 3, w)
    assert w.is_open(later)
    assert later >= moment


def test_a_window_without_days_never_opens():
    with pytest.raises(ValueError, match="at least one day"):
        next_opening(datetime(2026, 11, 21, tzinfo=UTC), window(days=[]))


def test_working_days_leave_out_the_weekend_and_keep_the_time_of_day():
    friday = local("Europe/Berlin", 2026, 11, 20, 14, 7)
    assert add_working_days(friday, 3, window()) == local("Europe/Berlin", 2026, 11, 25, 14, 7)
    assert add_working_days(friday, 0, window()) == friday


def test_working_days_keep_the_wall_clock_over_a_change_of_summer_time():
    before = local("Europe/Berlin", 2026, 10, 23, 11)
    after = add_working_days(before, 1, window())
    assert after == local("Europe/Berlin", 2026, 10, 26, 11)
    assert after - before.astimezone(UTC) == timedelta(days=3, hours=1)


def test_a_time_outside_the_window_moves_into_it():
    late = local("Europe/Berlin", 2026, 11, 20, 22)
    assert add_working_days(late, 1, window()) == local("Europe/Berlin", 2026, 11, 24, 9)


def test_a_spread_is_stable_bounded_and_differs_by_key():
    w = window()
    opening = local("Europe/Berlin", 2026, 11, 23, 9)
    found = {spread(opening, w, str(i)) for i in range(200)}
    assert len(found) > 150
    assert all(opening <= each < opening + SPREAD and w.is_open(each) for each in found)
    assert spread(opening, w, "a") == spread(opening, w, "a")


def test_a_spread_near_the_end_stays_in_the_window():
    w = window()
    for minute in (50, 58, 59):
        moment = local("Europe/Berlin", 2026, 11, 23, 16, minute)
        assert all(w.is_open(spread(moment, w, str(i))) for i in range(50))


def test_fractions_lie_between_nought_and_one():
    assert all(0 <= fraction(str(i)) < 1 for i in range(100))


def test_the_leads_zone_comes_before_the_organizations_and_a_wrong_one_is_passed_over():
    campaign = SimpleNamespace(window_days=["monday"], window_start=time(9), window_end=time(17))
    org = SimpleNamespace(time_zone="Europe/Paris")
    assert window_for(campaign, SimpleNamespace(time_zone="Asia/Tokyo"), org).zone.key == "Asia/Tokyo"
    assert window_for(campaign, SimpleNamespace(time_zone=""), org).zone.key == "Europe/Paris"
    assert zone_of("Mars/Olympus", "../etc/passwd", "").key == "UTC"


def test_the_local_day_and_its_midnight_follow_the_zone():
    moment = datetime(2026, 11, 21, 23, 30, tzinfo=UTC)
    assert local_day(moment, ZoneInfo("Europe/Berlin")) == "2026-11-22"
    assert local_day(moment, ZoneInfo("UTC")) == "2026-11-21"
    assert next_midnight(moment, ZoneInfo("Europe/Berlin")) == local("Europe/Berlin", 2026, 11, 23)


@pytest.mark.parametrize(
    ("moment", "zone", "closes"),
    [
        ("2026-11-20T10:00:00+00:00", "Europe/Berlin", "2026-11-20T16:00:00+00:00"),
        ("2026-11-20T23:30:00+00:00", "Asia/Tokyo", "2026-11-21T08:00:00+00:00"),
        (
            "2026-10-25T08:00:00+00:00",
            "Europe/Berlin",
            "2026-10-25T16:00:00+00:00",
        ),  # the clocks went back that night
    ],
)
def test_a_window_closes_at_its_end_on_the_wall_clock(moment, zone, closes):
    window = Window(frozenset(WEEKDAYS), time(9), time(17), ZoneInfo(zone))
    assert closing(datetime.fromisoformat(moment), window) == datetime.fromisoformat(closes)
