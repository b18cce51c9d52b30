from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.reporting.periods import MOST_PERIODS, Interval, Period, periods
from domain.shared.errors import InvalidValue

BERLIN: Final = ZoneInfo("Europe/Berlin")
ZONES: Final = (
    "UTC",
    "Europe/Berlin",
    "America/Sao_Paulo",
    "America/St_Johns",
    "America/Havana",
    "America/Toronto",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Kwajalein",
)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def days(start: str, end: str, zone: str) -> list[tuple[str, float]]:
    """The local days between these moments of UTC, and how many hours of each there are."""
    found = periods(Interval.DAY, utc(start), utc(end), ZoneInfo(zone))
    return [(str(each.date), (each.end - each.start) / timedelta(hours=1)) for each in found]


def test_a_day_is_as_long_as_the_clocks_make_it() -> None:
    assert days("2026-03-27T23:00", "2026-03-30T22:00", "Europe/Berlin") == [
        ("2026-03-28", 24),
        ("2026-03-29", 23),
        ("2026-03-30", 24),
    ]
    assert days("2026-10-23T22:00", "2026-10-26T23:00", "Europe/Berlin") == [
        ("2026-10-24", 24),
        ("2026-10-25", 25),
        ("2026-10-26", 24),
    ]


def test_a_day_whose_midnight_the_clocks_skip_begins_an_hour_later() -> None:
    assert days("2018-11-03T03:00", "2018-11-06T02:00", "America/Sao_Paulo") == [
        ("2018-11-03", 24),
        ("2018-11-04", 23),
        ("2018-11-05", 24),
    ]
    # Clocks went back at midnight, so the day before was the longer one.
    assert days("2018-02-17T02:00", "2018-02-19T03:00", "America/Sao_Paulo") == [
        ("2018-02-17", 25),
        ("2018-02-18", 24),
    ]
    # Nobody sets them since 2019.
    assert days("2024-11-03T03:00", "2024-11-04T03:00", "America/Sao_Paulo") == [("2024-11-03", 24)]


def test_a_midnight_that_comes_twice_begins_the_day_the_first_time() -> None:
    assert days("2024-11-02T04:00", "2024-11-04T05:00", "America/Havana") == [
        ("2024-11-02", 24),
        ("2024-11-03", 25),
    ]


def test_offsets_need_not_be_whole_hours() -> None:
    [first, second] = periods(
        Interval.DAY, utc("2026-03-14T18:15"), utc("2026-03-16T18:15"), ZoneInfo("Asia/Kathmandu")
    )
    assert first == Period(date(2026, 3, 15), utc("2026-03-14T18:15"), utc("2026-03-15T18:15"))
    assert second == Period(date(2026, 3, 16), utc("2026-03-15T18:15"), utc("2026-03-16T18:15"))


def test_a_day_that_was_skipped_is_no_period() -> None:
    assert days("2011-12-29T10:00", "2011-12-31T10:00", "Pacific/Apia") == [
        ("2011-12-29", 24),
        ("2011-12-31", 24),
    ]


def test_a_series_may_begin_in_the_hour_that_midnight_is_skipped_in_or_comes_again() -> None:
    # 00:30 is the first that there is of this day; its midnight would have been at 04:30 UTC.
    assert days("1919-03-31T04:30", "1919-03-31T05:00", "America/Toronto") == [("1919-03-31", 0.5)]
    # At 00:01 it was 23:01 again.
    assert days("2006-10-29T02:45", "2006-10-29T03:45", "America/St_Johns") == [("2006-10-29", 1)]


def test_weeks_begin_on_monday_and_months_on_the_first() -> None:
    weeks = periods(Interval.WEEK, utc("2025-12-31T12:00"), utc("2026-01-12T00:00"), UTC)
    assert weeks == [
        Period(date(2025, 12, 29), utc("2025-12-31T12:00"), utc("2026-01-05T00:00")),
        Period(date(2026, 1, 5), utc("2026-01-05T00:00"), utc("2026-01-12T00:00")),
    ]
    months = periods(Interval.MONTH, utc("2026-01-31T22:59"), utc("2026-03-31T22:00"), BERLIN)
    assert months == [
        Period(date(2026, 1, 1), utc("2026-01-31T22:59"), utc("2026-01-31T23:00")),
        Period(date(2026, 2, 1), utc("2026-01-31T23:00"), utc("2026-02-28T23:00")),
        Period(date(2026, 3, 1), utc("2026-02-28T23:00"), utc("2026-03-31T22:00")),
    ]


@pytest.mark.parametrize("interval", Interval)
def test_a_window_in_which_there_is_no_time_has_no_periods(interval: Interval) -> None:
    start = utc("2026-03-29T12:00")
    assert periods(interval, start, start, BERLIN) == []
    assert periods(interval, start, start - timedelta(days=400), BERLIN) == []


def test_there_are_at_most_a_thousand() -> None:
    start = utc("2026-01-01T00:00")
    end = start + timedelta(days=MOST_PERIODS)
    assert len(periods(Interval.DAY, start, end, UTC)) == MOST_PERIODS == 1000
    with pytest.raises(InvalidValue, match="more than 1000 days after from") as refused:
        periods(Interval.DAY, start, end + timedelta(microseconds=1), UTC)
    assert refused.value.details["field"] == "to"
    with pytest.raises(InvalidValue):
        periods(Interval.DAY, utc("1900-01-01"), utc("9000-12-31T23:59:59"), UTC)


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Midway"])
@pytest.mark.parametrize(("start", "end", "field"), [(1, 2, "from"), (2026, 9999, "to")])
def test_the_ends_of_the_calendar_are_out_of_reach(
    zone: str, start: int, end: int, field: str
) -> None:
    window = datetime(start, 1, 1, tzinfo=UTC), datetime(end, 12, 31, 23, tzinfo=UTC)
    with pytest.raises(InvalidValue) as refused:
        periods(Interval.MONTH, *window, ZoneInfo(zone))
    assert refused.value.details["field"] == field
    for year in (1900, 9000):
        first = datetime(year, 1, 1, tzinfo=UTC)
        assert periods(Interval.MONTH, first, first + timedelta(hours=1), ZoneInfo(zone))


@given(
    st.sampled_from(Interval),
    st.sampled_from(ZONES).map(ZoneInfo),
    st.timedeltas(timedelta(0), timedelta(days=130 * 365)).map(utc("1910-01-01").__add__),
    st.timedeltas(timedelta(microseconds=1), timedelta(days=900)),
)
def test_periods_follow_each_other_without_a_gap(
    interval: Interval, zone: ZoneInfo, start: datetime, length: timedelta
) -> None:
    found = periods(interval, start, start + length, zone)
    assert (found[0].start, found[-1].end) == (start, start + length)
    for each in found:
        assert each.start < each.end
        assert interval.first_day(each.date) == each.date
    for each, following in pairwise(found):
        assert each.end == following.start
        assert each.date < following.date
        soon = following.start + timedelta(hours=3)  # when the clocks have been set
        assert soon.astimezone(zone).date() == following.date
