import asyncio
from collections.abc import Awaitable, Callable

import pytest

from application.shared.errors import (
    Busy,
    Deadlock,
    NameCollision,
    Overloaded,
    SerializationFailure,
    StaleWrite,
    TransientFailure,
    Unavailable,
)
from application.shared.unit_of_work import ATTEMPTS, LONGEST_PAUSE, SHORTEST_PAUSE, Runner
from domain.catalog.product import SkuTaken
from tests.builders import BY_HAND, NOON, a_product
from tests.contract.backends import Backend
from tests.contract.steps import Mishap, product_in


class Pauses(list[float]):
    """Takes no time, and remembers how long it would have taken."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


def failing_first(times: int, failure: Exception) -> Callable[[], Awaitable[str]]:
    """A use case that succeeds once it has failed so often."""
    left = [failure] * times

    async def use_case() -> str:
        if left:
            raise left.pop()
        return "done"

    return use_case


@pytest.mark.parametrize(
    "kind", [Busy, Deadlock, NameCollision, SerializationFailure, StaleWrite, TransientFailure]
)
async def test_a_transient_failure_is_tried_again_and_counted(
    kind: type[TransientFailure],
) -> None:
    run = Runner(pause=(pauses := Pauses()))
    assert await run(failing_first(2, kind())) == "done"
    assert run.retries == {kind.__name__: 2}
    assert len(pauses) == 2


async def test_it_is_tried_again_a_bounded_number_of_times() -> None:
    run = Runner(pause=Pauses())
    assert await run(failing_first(ATTEMPTS - 1, Busy())) == "done"
    with pytest.raises(Busy):
        await run(failing_first(ATTEMPTS, Busy()))
    assert run.retries == {"Busy": 2 * (ATTEMPTS - 1)}


async def test_each_pause_is_random_within_bounds_that_widen() -> None:
    run = Runner(pause=(pauses := Pauses()))
    for _ in range(200):
        await run(failing_first(ATTEMPTS - 1, Busy()))

    for attempt in range(1, ATTEMPTS):
        of_attempt = pauses[attempt - 1 :: ATTEMPTS - 1]
        longest = min(LONGEST_PAUSE, SHORTEST_PAUSE * 2**attempt)
        assert min(of_attempt) >= SHORTEST_PAUSE
        assert max(of_attempt) <= longest
        # Of 200 even spread, some lie in the first tenth and some in the last.
        assert min(of_attempt) < SHORTEST_PAUSE + (longest - SHORTEST_PAUSE) / 10
        assert max(of_attempt) > longest - (longest - SHORTEST_PAUSE) / 10


@pytest.mark.parametrize(
    "failure", [SkuTaken(), Unavailable(), Overloaded(), Mishap(), KeyError("mug")]
)
async def test_no_other_failure_is_tried_again(failure: Exception) -> None:
    run = Runner(pause=(pauses := Pauses()))
    with pytest.raises(type(failure)) as raised:
        await run(failing_first(1, failure))
    assert raised.value is failure
    assert (run.retries, pauses) == ({}, [])


async def test_each_attempt_begins_with_what_is_stored(backend: Backend) -> None:
    mug = a_product(stock=5)
    await backend.keep(mug)
    run = Runner(pause=Pauses())
    seen = []

    async def take_one() -> None:
        async with backend.begin() as work:
            product = await product_in(work, mug, lock=True)
            seen.append((product.stock, product.sequence))
            product.take(1, BY_HAND, at=NOON)
            product.revise({"name": "Cup"}, at=NOON)
            await work.commit()

    for _ in range(2):
        backend.fail_next_commit(Deadlock())
        await run(take_one)

    assert seen == [(5, 1), (5, 1), (4, 2), (4, 2)]
    assert await backend.stock(mug) == [3]
    assert [entry.sequence for entry in await backend.outbox()] == [2]


async def test_whoever_goes_away_does_not_stop_what_is_under_way(backend: Backend) -> None:
    mug = a_product(stock=5)
    await backend.keep(mug)
    run = Runner()
    half_done, go_on = asyncio.Event(), asyncio.Event()

    async def take_one() -> None:
        async with backend.begin() as work:
            (await product_in(work, mug, lock=True)).take(1, BY_HAND, at=NOON)
            await work.flush()
            half_done.set()
            await go_on.wait()
            await work.commit()

    request = asyncio.create_task(run(take_one))
    await half_done.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert await backend.stock(mug) == [5]
    go_on.set()
    await run.drain(10)

    assert await backend.stock(mug) == [4]


async def test_what_does_not_end_in_time_is_cut_off_and_undone(backend: Backend) -> None:
    mug = a_product(stock=5)
    await backend.keep(mug)
    run = Runner()
    half_done = asyncio.Event()

    async def take_one() -> None:
        async with backend.begin() as work:
            (await product_in(work, mug, lock=True)).take(1, BY_HAND, at=NOON)
            await work.flush()
            half_done.set()
            await asyncio.Event().wait()

    request = asyncio.create_task(run(take_one))
    await half_done.wait()
    await run.drain(0.01)

    with pytest.raises(asyncio.CancelledError):
        await request
    assert await backend.stock(mug) == [5]


async def test_to_drain_what_has_ended_takes_no_time() -> None:
    run = Runner()
    assert await run(failing_first(0, Busy())) == "done"
    await run.drain(0)


async def test_a_failure_that_nobody_waits_for_any_more_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    run = Runner()
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def fail() -> None:
        begun.set()
        await go_on.wait()
        raise Mishap

    request = asyncio.create_task(run(fail))
    await begun.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    go_on.set()
    await run.drain(10)

    [record] = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[0] is Mishap
