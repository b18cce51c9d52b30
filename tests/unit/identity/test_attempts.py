import asyncio
from datetime import timedelta
from itertools import pairwise
from uuid import UUID

import pytest

from domain.identity.attempts import (
    LONGEST_DELAY,
    PER_ADDRESS,
    PER_USER,
    WINDOW,
    Attempts,
    Limit,
    TooManyAttempts,
    attempts_id,
)
from domain.identity.user import User
from domain.shared.errors import Forbidden
from tests.builders import NOON, PASSWORD, Hands
from tests.unit.identity.desk import WRONG, Desk


def no_attempts() -> Attempts:
    return Attempts.none(UUID(int=1), at=NOON)


def failing(attempts: Attempts, times: int, *, limit: Limit = PER_USER) -> Hands:
    """Fail so often, as soon as it is allowed; the clock as it is after the last failure."""
    clock = Hands()
    for _ in range(times):
        if attempts.blocked_until is not None:
            clock.now = attempts.blocked_until
        attempts.begin(limit, at=clock())
    return clock


def delay(attempts: Attempts) -> float:
    """Seconds from the last failure to when the next attempt counts."""
    if attempts.blocked_until is None:
        return 0
    return (attempts.blocked_until - attempts.last_at).total_seconds()


def test_after_five_failures_each_further_one_doubles_the_delay() -> None:
    delays = [0.0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]
    attempts, clock, seen = no_attempts(), Hands(), []
    for _ in delays:
        attempts.begin(PER_USER, at=clock())
        seen.append(delay(attempts))
        clock.move(seconds=seen[-1])
    assert seen == delays


def test_the_delay_has_an_end_however_often_somebody_fails() -> None:
    attempts = no_attempts()
    attempts.failures = 10_000
    attempts.begin(PER_USER, at=NOON)
    assert attempts.blocked_until == NOON + LONGEST_DELAY == NOON + timedelta(minutes=15)


def test_an_attempt_during_the_delay_does_not_count_and_is_told_how_long_it_lasts() -> None:
    attempts = no_attempts()
    clock = failing(attempts, 7)  # four seconds
    before = (attempts.failures, attempts.last_at, attempts.blocked_until)
    for wait, rest in [(0.0, 4), (0.5, 4), (1.5, 2), (1.999, 1)]:
        clock.move(seconds=wait)
        with pytest.raises(TooManyAttempts) as refused:
            attempts.begin(PER_USER, at=clock())
        assert refused.value.details == {"retry_after": rest}
    assert (attempts.failures, attempts.last_at, attempts.blocked_until) == before
    clock.move(seconds=0.001)
    attempts.begin(PER_USER, at=clock())
    assert attempts.failures == 8


def test_whoever_tries_too_often_is_forbidden_to() -> None:
    refusal = TooManyAttempts(timedelta(microseconds=1))
    assert isinstance(refusal, Forbidden)
    assert (refusal.code, refusal.details) == ("too-many-attempts", {"retry_after": 1})


def test_success_forgets_every_failure() -> None:
    attempts = no_attempts()
    clock = failing(attempts, 12)
    attempts.succeeded()
    for _ in range(4):
        attempts.begin(PER_USER, at=clock())
    assert (attempts.failures, attempts.blocked_until) == (4, None)


def test_an_hour_without_a_failure_forgets_them_all() -> None:
    attempts = no_attempts()
    clock = failing(attempts, 12)
    last = clock()
    attempts.begin(PER_USER, at=last + WINDOW)
    assert (attempts.failures, attempts.blocked_until) == (1, None)


def test_a_moment_less_than_an_hour_forgets_none() -> None:
    attempts = no_attempts()
    last = failing(attempts, 12)()
    attempts.begin(PER_USER, at=last + WINDOW - timedelta(microseconds=1))
    assert attempts.failures == 13
    assert delay(attempts) == 256


def test_an_address_may_fail_a_hundred_times() -> None:
    attempts = no_attempts()
    failing(attempts, 99, limit=PER_ADDRESS)
    assert attempts.blocked_until is None
    attempts.begin(PER_ADDRESS, at=NOON)
    assert attempts.blocked_until == NOON + timedelta(seconds=1)


def test_taking_back_takes_back_one() -> None:
    attempts = no_attempts()
    failing(attempts, 5)
    attempts.take_back()
    assert (attempts.failures, attempts.blocked_until) == (4, None)
    for _ in range(9):
        attempts.take_back()
    assert attempts.failures == 0


def test_one_name_is_counted_in_one_place_however_it_is_spelled() -> None:
    spellings = ["ada@example.com", "ADA@example.COM", "ａｄａ@example.com"]
    assert len({attempts_id("user", name) for name in spellings}) == 1


def test_what_is_not_the_same_is_counted_apart() -> None:
    places = [
        attempts_id("user", "ada"),
        attempts_id("user", "bob"),
        attempts_id("user", "127.0.0.1"),
        attempts_id("address", "127.0.0.1"),
    ]
    assert len({*places}) == len(places)


async def fail_five_times(desk: Desk, login: str = "ada") -> None:
    for _ in range(5):
        await desk.guess(login)


async def test_five_wrong_passwords_delay_the_right_one(desk: Desk) -> None:
    ada = await desk.user("ada")
    await fail_five_times(desk)
    with pytest.raises(TooManyAttempts) as refused:
        await desk.sign_in("ada", PASSWORD)
    assert refused.value.details == {"retry_after": 1}
    assert len(desk.hasher.asked) == 5
    assert desk.shop.now(ada).last_login_at is None

    desk.clock.move(seconds=1)
    await desk.sign_in("ada", PASSWORD)


async def test_the_right_password_in_time_forgets_the_wrong_ones(desk: Desk) -> None:
    await desk.user("ada")
    for _ in range(3):
        for _ in range(4):
            await desk.guess()
        await desk.sign_in("ada", PASSWORD)
    await fail_five_times(desk)


async def test_an_hour_forgets_wrong_passwords(desk: Desk) -> None:
    await desk.user("ada")
    for _ in range(3):
        await fail_five_times(desk)
        desk.clock.move(minutes=60)


async def test_who_waits_for_each_delay_has_few_guesses_an_hour(desk: Desk) -> None:
    await desk.user("ada")
    start, moments = desk.clock(), []
    for _ in range(21):
        try:
            await desk.guess()
            moments.append((desk.clock() - start).total_seconds())
        except TooManyAttempts as refused:
            desk.clock.move(seconds=refused.details["retry_after"])
    assert [b - a for a, b in pairwise(moments)] == [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128]


async def test_a_name_that_nobody_has_is_throttled_alike(desk: Desk) -> None:
    await fail_five_times(desk, "nobody")
    with pytest.raises(TooManyAttempts) as refused:
        await desk.sign_in("nobody", WRONG)
    assert refused.value.details == {"retry_after": 1}
    assert desk.hasher.asked == [None] * 5


async def test_one_user_is_not_delayed_for_another(desk: Desk) -> None:
    await desk.user("ada")
    await desk.user("bob")
    await fail_five_times(desk, "ada")
    await desk.sign_in("bob", PASSWORD)


async def test_a_thousand_guesses_at_once_are_no_way_around_the_count(desk: Desk) -> None:
    await desk.user("ada")
    everybody_waits = asyncio.Barrier(5)
    desk.hasher.meanwhile = everybody_waits.wait
    outcomes = await asyncio.gather(
        *(desk.sign_in("ada", WRONG, address="192.0.2.1") for _ in range(50)),
        return_exceptions=True,
    )
    assert len(desk.hasher.asked) == 5
    assert sum(isinstance(outcome, TooManyAttempts) for outcome in outcomes) == 45


async def test_an_address_tries_a_hundred_names_and_no_more(desk: Desk) -> None:
    for number in range(100):
        await desk.guess(f"user_{number}", address="192.0.2.1")
    await desk.user("ada")
    with pytest.raises(TooManyAttempts):
        await desk.sign_in("ada", PASSWORD, address="192.0.2.1")
    await desk.sign_in("ada", PASSWORD, address="192.0.2.2")
    await desk.sign_in("ada", PASSWORD, address=None)


async def test_an_account_of_ones_own_does_not_wash_an_address_clean(desk: Desk) -> None:
    await desk.user("mallory")
    for number in range(99):
        await desk.guess(f"user_{number}", address="192.0.2.1")
    await desk.sign_in("mallory", PASSWORD, address="192.0.2.1")
    await desk.guess("user_99", address="192.0.2.1")
    with pytest.raises(TooManyAttempts):
        await desk.sign_in("user_100", WRONG, address="192.0.2.1")


async def test_a_busy_address_of_people_who_know_their_passwords_is_never_delayed(
    desk: Desk,
) -> None:
    await desk.user("ada")
    for _ in range(150):
        await desk.sign_in("ada", PASSWORD, address="192.0.2.1")


async def test_an_address_that_is_refused_costs_the_name_no_attempt(desk: Desk) -> None:
    await desk.user("ada")
    for number in range(100):
        await desk.guess(f"user_{number}", address="192.0.2.1")
    for _ in range(10):
        with pytest.raises(TooManyAttempts):
            await desk.sign_in("ada", WRONG, address="192.0.2.1")
    await desk.sign_in("ada", PASSWORD, address="192.0.2.2")


async def test_the_count_of_failures_tells_nothing_of_who_tried(desk: Desk) -> None:
    await desk.guess("ada@example.com", address="192.0.2.1")
    stored = repr([vars(attempts) for attempts in desk.shop.database.all(Attempts)])
    assert desk.shop.count(Attempts) == 2
    assert desk.shop.count(User) == 0
    assert "ada" not in stored
    assert "192.0.2.1" not in stored
