import asyncio
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Protocol, Self, TypeVar

from application.shared.errors import StorageFailure, TransientFailure
from application.shared.idempotency import IdempotencyKeys
from domain.shared.errors import DomainError

T = TypeVar("T")

log = logging.getLogger(__name__)


class UnitOfWork(Protocol):
    """One business transaction. What is not committed by the end never happened."""

    keys: IdempotencyKeys

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    async def flush(self) -> None:
        """Send what was changed to the backend now, so that it is checked, without keeping it."""

    async def settle(self) -> None:
        """
        Send everything to the backend and let go of it, for more work than memory would hold.

        What was got or added before is not watched any more.
        """

    async def commit(self) -> None:
        """Keep everything, and the events it caused, or raise and keep nothing."""

    def savepoint(self) -> AbstractAsyncContextManager[None]:
        """Undo only what the block did if the block raises; the error passes through."""


class _NotCommitted(Exception):
    pass


class Joined:
    """
    Takes part in a unit of work that somebody else opened and will commit.

    To the use case it is a unit of work like any other: `commit` keeps what was done, as far as the
    outer one is kept, and leaving without it undoes what was done since joining. `first` is done in
    the outer one before anything else, once the use case begins and not while it still prepares.
    """

    def __init__(
        self, outer: UnitOfWork, first: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        self._outer = outer
        self._first = first
        self._savepoint = outer.savepoint()
        self._committed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._outer, name)

    async def __aenter__(self) -> Self:
        if self._first is not None:
            await self._first()
        await self._savepoint.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None and not self._committed:
            error = _NotCommitted()
        with suppress(_NotCommitted):
            await self._savepoint.__aexit__(type(error) if error else None, error, trace)

    async def commit(self) -> None:
        await self._outer.flush()
        self._committed = True


def _nothing() -> None:
    """There is nothing to be done."""


ATTEMPTS: Final = 5
SHORTEST_PAUSE: Final = 0.010  # seconds
LONGEST_PAUSE: Final = 0.200


@dataclass(slots=True)
class Runner:
    """
    Runs use cases to their end, even if the caller goes away, and again if the storage asks for it.

    A use case that is cut off near its commit leaves it open whether it happened, and a connection
    in mid-transaction; so it runs in a task of its own, which nobody cancels but `drain`.
    """

    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    retries: Counter[str] = field(default_factory=Counter)
    _running: set[asyncio.Task[Any]] = field(default_factory=set)

    async def __call__(
        self, use_case: Callable[[], Awaitable[T]], *, at_last: Callable[[], object] = _nothing
    ) -> T:
        """What the use case returns; `at_last` is done after its last attempt, whoever waits."""
        task = asyncio.create_task(self._attempts(use_case))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        task.add_done_callback(lambda _: at_last())
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(_report_failure)
            raise

    async def drain(self, seconds: float) -> None:
        """Wait for what is running, at most so many seconds, then cut it off."""
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _attempts(self, use_case: Callable[[], Awaitable[T]]) -> T:
        for attempt in range(1, ATTEMPTS):
            try:
                return await use_case()
            except TransientFailure as failure:
                self.retries[type(failure).__name__] += 1
                longest = min(LONGEST_PAUSE, SHORTEST_PAUSE * 2**attempt)
                # Full jitter keeps those who met once from meeting again; nothing secret about it.
                await self.pause(random.uniform(SHORTEST_PAUSE, longest))  # noqa: S311
        return await use_case()


def _report_failure(task: asyncio.Task[Any]) -> None:
    """The caller has gone, so nobody else will; refusals and the storage's failures need none."""
    if task.cancelled():
        return
    error = task.exception()
    if error and not isinstance(error, (DomainError, StorageFailure)):
        log.error("a use case failed when its caller had gone", exc_info=error)
