from asyncio import create_task, wait_for
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import pytest

from application.shared.errors import Busy
from application.shared.unit_of_work import Runner
from domain.identity.attempts import PER_USER, WINDOW, Limit, attempts_id
from tests.builders import NOON
from tests.contract.backends import Backend
from tests.contract.steps import ends_of, failing, waits

ID: Final = attempts_id("user", "ada")
ENDLESS: Final = Limit(free=1_000)


async def fail(backend: Backend, id: UUID = ID) -> int:
    """Count one more failure; how many there are now."""
    async with backend.begin() as work:
        attempts = await work.attempts.of(id, at=NOON)
        attempts.begin(ENDLESS, at=NOON)
        await work.commit()
    return attempts.failures


async def failures(backend: Backend, id: UUID = ID) -> int:
    async with backend.begin() as work:
        return (await work.attempts.of(id, at=NOON)).failures


async def test_who_never_failed_begins_at_nothing(backend: Backend) -> None:
    async with backend.begin() as work:
        attempts = await work.attempts.of(ID, at=NOON)
        assert (attempts.id, attempts.failures) == (ID, 0)
        assert (attempts.last_at, attempts.blocked_until) == (NOON, None)


async def test_what_was_counted_is_kept(backend: Backend) -> None:
    moments = [NOON + timedelta(microseconds=number) for number in range(PER_USER.free)]
    for at in moments:
        async with backend.begin() as work:
            (await work.attempts.of(ID, at=at)).begin(PER_USER, at=at)
            await work.commit()

    async with backend.begin() as work:
        attempts = await work.attempts.of(ID, at=NOON + timedelta(days=1))
        assert attempts.failures == PER_USER.free
        assert attempts.last_at == moments[-1]
        assert attempts.blocked_until == moments[-1] + timedelta(seconds=1)
        attempts.succeeded()
        await work.commit()

    async with backend.begin() as work:
        attempts = await work.attempts.of(ID, at=NOON + timedelta(days=1))
        assert (attempts.failures, attempts.blocked_until) == (0, None)


async def test_whoever_asks_twice_gets_the_same_count(backend: Backend) -> None:
    async with backend.begin() as work:
        attempts = await work.attempts.of(ID, at=NOON)
        attempts.begin(ENDLESS, at=NOON)
        assert await work.attempts.of(ID, at=NOON) is attempts
        assert attempts.failures == 1
        await work.commit()
    assert await failures(backend) == 1


async def test_each_name_is_counted_for_itself(backend: Backend) -> None:
    other = uuid4()
    assert [await fail(backend) for _ in range(3)] == [1, 2, 3]
    assert await fail(backend, other) == 1
    assert await failures(backend) == 3


async def test_nobody_waits_for_the_count_of_another_name(overlapping: Backend) -> None:
    async with overlapping.begin() as work:
        (await work.attempts.of(ID, at=NOON)).begin(ENDLESS, at=NOON)
        await work.flush()
        assert await wait_for(fail(overlapping, uuid4()), timeout=5) == 1


@pytest.mark.parametrize("before", [0, 1], ids=["the first", "a later"])
async def test_the_second_of_two_waits_and_counts_on(backend: Backend, before: int) -> None:
    for _ in range(before):
        await fail(backend)

    async with backend.begin() as work:
        (await work.attempts.of(ID, at=NOON)).begin(ENDLESS, at=NOON)
        second = create_task(fail(backend))
        assert await waits(second)
        await work.commit()

    assert await second == before + 2
    assert await failures(backend) == before + 2


@pytest.mark.parametrize("before", [0, 1], ids=["the first", "a later"])
async def test_what_the_first_one_took_back_does_not_count(backend: Backend, before: int) -> None:
    for _ in range(before):
        await fail(backend)

    async with backend.begin() as work:
        (await work.attempts.of(ID, at=NOON)).begin(ENDLESS, at=NOON)
        await work.flush()
        second = create_task(fail(backend))
        assert await waits(second)

    assert await second == before + 1
    assert await failures(backend) == before + 1


async def test_of_thirty_first_comers_each_is_counted_once(backend: Backend) -> None:
    run = Runner()
    assert await ends_of([run(lambda: fail(backend)) for _ in range(30)]) == {"done": 30}
    assert run.retries == {}
    assert await failures(backend) == 30


async def test_whoever_waits_too_long_for_a_count_is_told_so(impatient: Backend) -> None:
    async with impatient.begin() as work:
        await work.attempts.of(ID, at=NOON)
        await work.flush()
        with pytest.raises(Busy):
            await fail(impatient)


def nothing(_: Any) -> None:
    """Nobody tried."""


def one_more(attempts: Any) -> None:
    attempts.begin(ENDLESS, at=NOON)


@pytest.mark.parametrize("meanwhile", [nothing, one_more])
@pytest.mark.parametrize("before", [0, 1], ids=["the first", "a later"])
async def test_what_a_failed_savepoint_counted_does_not_count(
    backend: Backend, before: int, meanwhile: Callable[[Any], None]
) -> None:
    for _ in range(before):
        await fail(backend)

    async with backend.begin() as work:
        async with failing(work.savepoint()):
            meanwhile(await work.attempts.of(ID, at=NOON))
        attempts = await work.attempts.of(ID, at=NOON)
        assert attempts.failures == before
        attempts.begin(ENDLESS, at=NOON)
        await work.commit()

    assert await failures(backend) == before + 1


async def test_old_counts_are_forgotten_and_young_ones_kept(backend: Backend) -> None:
    young, old, blocked = (attempts_id("user", name) for name in ("young", "old", "blocked"))
    later = NOON + WINDOW
    async with backend.begin() as work:
        (await work.attempts.of(old, at=NOON)).begin(ENDLESS, at=NOON)
        (await work.attempts.of(young, at=NOON)).begin(ENDLESS, at=NOON + timedelta(microseconds=1))
        waiting = await work.attempts.of(blocked, at=NOON)
        waiting.begin(ENDLESS, at=NOON)
        waiting.blocked_until = later + timedelta(microseconds=1)
        await work.commit()

    async with backend.begin() as work:
        assert await work.attempts.forget_old(at=later) == 1
        await work.commit()

    assert [await failures(backend, id) for id in (old, young, blocked)] == [0, 1, 1]
    async with backend.begin() as work:
        assert await work.attempts.forget_old(at=later) == 0
