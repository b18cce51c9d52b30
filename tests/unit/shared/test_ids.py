from datetime import UTC, datetime, timedelta, timezone
from uuid import RFC_4122

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.shared.ids import EPOCH, new_id
from tests.builders import NOON

times = st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
MICROSECOND = timedelta(microseconds=1)


@given(times)
def test_an_id_is_a_uuid_of_version_7(at: datetime) -> None:
    id = new_id(at)
    assert id.version == 7
    assert id.variant == RFC_4122


@given(times)
def test_an_id_tells_its_millisecond(at: datetime) -> None:
    milliseconds = (at - EPOCH) // timedelta(milliseconds=1)
    assert new_id(at).int >> 80 == milliseconds


def test_an_id_of_a_known_moment_begins_with_it() -> None:
    # The example of RFC 9562, appendix A.6.
    at = datetime(2022, 2, 22, 19, 22, 22, tzinfo=UTC)
    assert str(new_id(at)).startswith("017f22e2-79b0-7000-")


@pytest.mark.parametrize(("microseconds", "fraction"), [(0, 0), (1, 4), (500, 2048), (999, 4091)])
def test_an_id_tells_the_fraction_of_its_millisecond(microseconds: int, fraction: int) -> None:
    id = new_id(NOON + microseconds * MICROSECOND)
    assert id.int >> 64 & 0xFFF == fraction
    assert id.int >> 80 == new_id(NOON).int >> 80


@given(times.filter(lambda at: at.year < 9999))
def test_ids_of_two_neighbouring_microseconds_sort_by_time(at: datetime) -> None:
    assert new_id(at) < new_id(at + MICROSECOND)


@given(st.lists(times, unique=True))
def test_ids_sort_as_their_times_do(moments: list[datetime]) -> None:
    ids = {at: new_id(at) for at in moments}
    assert sorted(moments) == sorted(moments, key=lambda at: ids[at])


def test_every_id_of_one_moment_is_another() -> None:
    assert len({new_id(NOON) for _ in range(10_000)}) == 10_000


def test_all_62_bits_after_the_variant_are_random() -> None:
    ids = [new_id(NOON).int for _ in range(200)]
    ever_set = ever_clear = 0
    for id in ids:
        ever_set |= id
        ever_clear |= ~id
    assert ever_set & ever_clear & ((1 << 128) - 1) == (1 << 62) - 1


def test_the_time_zone_of_the_clock_does_not_matter() -> None:
    tokyo = NOON.astimezone(timezone(timedelta(hours=9)))
    assert new_id(tokyo).int >> 64 == new_id(NOON).int >> 64
