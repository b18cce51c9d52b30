import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from application.shared.errors import (
    Busy,
    Deadlock,
    NameCollision,
    SerializationFailure,
    StaleWrite,
    Unavailable,
)
from application.shared.unit_of_work import ATTEMPTS, LONGEST_PAUSE, SHORTEST_PAUSE, Runner
from domain.catalog.product import ProductNotFound


@dataclass(slots=True)
class Pauses:
    """Takes note of the pauses instead of making them."""

    seconds: list[float] = field(default_factory=list)

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def failing(*errors: Exception) -> Callable[[], Awaitable[str]]:
    """A use case that raises these, one in each attempt, before it goes well."""
    left = [*errors]

    async def use_case() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return use_case


async def test_what_goes_well_is_done_once() -> None:
    pauses = Pauses()
    runner = Runner(pauses)
    assert await runner(failing()) == "done"
    assert pauses.seconds == []
    assert not runner.retries


@pytest.mark.parametrize(
    "failure", [StaleWrite, Deadlock, SerializationFailure, Busy, NameCollision]
)
async def test_a_transient_failure_is_tried_again_and_counted(failure: type[Exception]) -> None:
    runner = Runner(Pauses())
    assert await runner(failing(failure(), failure())) == "done"
    assert runner.retries == {failure.__name__: 2}


async def test_nobody_tries_for_ever() -> None:
    pauses = Pauses()
    runner = Runner(pauses)
    errors = [StaleWrite(str(attempt)) for attempt in range(ATTEMPTS + 1)]
    with pytest.raises(StaleWrite) as failed:
        await runner(failing(*errors))
    assert failed.value is errors[ATTEMPTS - 1]
    assert len(pauses.seconds) == ATTEMPTS - 1


async def test_the_pauses_grow_and_stay_within_bounds() -> None:
    pauses = Pauses()
    for _ in range(50):
        with pytest.raises(StaleWrite):
            await Runner(pauses)(failing(*[StaleWrite()] * ATTEMPTS))
    assert all(SHORTEST_PAUSE <= pause <= LONGEST_PAUSE for pause in pauses.seconds)
    longest = [max(pauses.seconds[attempt :: ATTEMPTS - 1]) for attempt in range(ATTEMPTS - 1)]
    assert longest == sorted(longest)


@pytest.mark.parametrize("error", [ProductNotFound(), Unavailable(), ValueError()])
async def test_a_refusal_or_an_outage_is_not_tried_again(error: Exception) -> None:
    pauses = Pauses()
    with pytest.raises(type(error)) as failed:
        await Runner(pauses)(failing(error))
    assert failed.value is error
    assert pauses.seconds == []


async def test_a_use_case_goes_on_when_its_caller_goes_away() -> None:
    runner, started, go_on, done = Runner(), asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def use_case() -> None:
        started.set()
        await go_on.wait()
        done.set()

    caller = asyncio.create_task(runner(use_case))
    await started.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert not done.is_set()

    go_on.set()
    await runner.drain(1)
    assert done.is_set()


async def test_what_is_still_running_when_time_is_up_is_cut_off() -> None:
    runner, started, cut_off = Runner(), asyncio.Event(), asyncio.Event()

    async def use_case() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cut_off.set()

    caller = asyncio.create_task(runner(use_case))
    await started.wait()
    await runner.drain(0)
    assert cut_off.is_set()
    with pytest.raises(asyncio.CancelledError):
        await caller


async def test_there_is_nothing_to_wait_for_when_nothing_runs() -> None:
    runner = Runner()
    await runner(failing())
    await asyncio.wait_for(runner.drain(60), timeout=1)


async def test_what_has_ended_is_forgotten() -> None:
    runner = Runner(Pauses())
    await runner(failing())
    with pytest.raises(ValueError, match="broken"):
        await runner(failing(ValueError("broken")))
    assert runner._running == set()
