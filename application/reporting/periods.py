from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Final

from domain.shared.errors import InvalidValue

MOST_PERIODS: Final = 1_000
FIRST_YEAR: Final = 1900
LAST_YEAR: Final = 9000  # some years off the end of the calendar, which no time zone may overstep


class Interval(StrEnum):
    """A period of the calendar. Weeks are those of ISO 8601, which begin on Monday."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"

    def first_day(self, day: date) -> date:
        """The day on which the period began that this day is in."""
        if self is Interval.WEEK:
            return day - timedelta(days=day.weekday())
        return day.replace(day=1) if self is Interval.MONTH else day

    def next(self, first_day: date) -> date:
        """The day on which the period after this one begins."""
        if self is Interval.MONTH:
            return (first_day + timedelta(days=31)).replace(day=1)
        return first_day + timedelta(days=7 if self is Interval.WEEK else 1)


@dataclass(frozen=True, slots=True)
class Period:
    """From `start` on and before `end`; `date` is the local day on which the whole of it begins."""

    date: date
    start: datetime
    end: datetime


def periods(interval: Interval, start: datetime, end: datetime, zone: tzinfo) -> Sequence[Period]:
    """
    The periods of the zone's calendar from `start` to `end`, which cut the first and the last.

    They follow each other without a gap and are as long as the zone's clocks make them; where `end`
    is not after `start` there are none. InvalidValue for `from` or `to` if they are far off, or if
    there are more than MOST_PERIODS between them.
    """
    for field, moment in (("from", start), ("to", end)):
        if not FIRST_YEAR <= moment.year <= LAST_YEAR:
            raise InvalidValue(field, f"is not in the years {FIRST_YEAR} to {LAST_YEAR}")
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    if end <= start:
        return []
    day = interval.first_day(start.astimezone(zone).date())
    begun = [(day, start)]
    while (midnight := _midnight(day := interval.next(day), zone)) < end:
        last = begun[-1][1]
        if midnight <= last:
            begun.pop()  # a day that the clocks of the zone have skipped
        begun.append((day, max(midnight, last)))
        if len(begun) > MOST_PERIODS:
            raise InvalidValue("to", f"is more than {MOST_PERIODS} {interval}s after from")
    ends = [*(moment for _, moment in begun[1:]), end]
    return [Period(day, moment, until) for (day, moment), until in zip(begun, ends, strict=True)]


def _midnight(day: date, zone: tzinfo) -> datetime:
    """The first of two where clocks are set back; where they skip it, when it would have been."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
