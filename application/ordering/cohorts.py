import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import Context, ContextVar
from dataclasses import dataclass, field
from typing import Final

from application.ordering.cohort import Cohort, Parted
from application.ordering.member import Member
from application.ordering.ports import OrderingWork, PlacingWork
from application.shared.errors import Overloaded

Place = AbstractAsyncContextManager[PlacingWork]

# Set in the task of somebody whose cohort came to nothing.
_goes_alone: Final = ContextVar("goes_alone", default=False)


@dataclass(eq=False)
class Cohorts:
    """
    Units of work for placing orders, shared by those that arrive while others are being placed.

    A lone order goes alone, and at once. Who comes while `abreast` units of work are under way
    waits for the end of one; then the first who wait, `most` at once, share the next. Overloaded is
    raised for who finds `longest` waiting, or has waited for `patience` seconds. Where what several
    share comes to nothing, each has to be run once more, as a Runner does, and goes alone then.

    `sizes` counts the units of work by how many had a part in them.
    """

    begin: Callable[[], OrderingWork]
    abreast: int = 1
    most: int = 32
    longest: int = 1_000
    patience: float = 10.0
    sizes: Counter[int] = field(default_factory=Counter)
    _under_way: int = 0
    _queue: deque[asyncio.Future[Place]] = field(default_factory=deque)
    _running: set[asyncio.Task[None]] = field(default_factory=set)

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[PlacingWork]:
        try:
            async with await self._place() as work:
                yield work
        except Parted:
            _goes_alone.set(True)
            raise

    @property
    def waiting(self) -> int:
        """How many wait for a unit of work to end."""
        return len(self._queue)

    async def close(self) -> None:
        """Cut off what is still under way."""
        running = [*self._running]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _place(self) -> Place:
        if _goes_alone.get():
            return self.begin()
        if self._under_way < self.abreast:
            self._under_way += 1
            return self._alone()
        if len(self._queue) >= self.longest:
            raise Overloaded("too many orders wait")
        try:
            async with asyncio.timeout(self.patience):
                return await self._turn()
        except TimeoutError:
            raise Overloaded("too many orders were before this one") from None

    async def _turn(self) -> Place:
        turn: asyncio.Future[Place] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                async with turn.result():  # it came too late, and has to be given back
                    raise
            raise

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[PlacingWork]:
        self.sizes[1] += 1
        try:
            async with self.begin() as work:
                yield work
        finally:
            self._next()

    def _next(self) -> None:
        """A unit of work has ended; those who wait begin another."""
        waiting: list[asyncio.Future[Place]] = []
        while self._queue and len(waiting) < self.most:
            turn = self._queue.popleft()
            if not turn.done():
                waiting.append(turn)
        if not waiting:
            self._under_way -= 1
        elif len(waiting) == 1:
            waiting[0].set_result(self._alone())
        else:
            self._share(waiting)

    def _share(self, turns: list[asyncio.Future[Place]]) -> None:
        self.sizes[len(turns)] += 1
        cohort = Cohort(self.begin(), len(turns))
        # In a context of its own, because what it does is done for no single request.
        task = asyncio.get_running_loop().create_task(cohort.run(), context=Context())
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        task.add_done_callback(lambda _: self._next())
        for turn in turns:
            turn.set_result(Member(cohort))
