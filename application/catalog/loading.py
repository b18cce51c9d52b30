"""How the rows of a file are taken in: batch by batch, all or none or every one that can be."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, TypeVar

from application.catalog.exchange import RefusedRow
from application.catalog.ports import CatalogWork
from application.shared.errors import InUse, RowRefused, SerializationFailure
from domain.shared.errors import Duplicate

R = TypeVar("R")
T = TypeVar("T")

BATCH: Final = 5_000  # rows in hand at a time; a statement takes 32 000 parameters, 2 a row
MOST_REPORTED: Final = 1_000  # refusals that are kept; all of them are counted

Tell = Callable[[RefusedRow], None]
Load = Callable[[CatalogWork, Sequence[R], Tell], Awaitable[None]]


def nobody(_: RefusedRow) -> None:
    """Is told of refused rows."""


@dataclass(slots=True)
class Outcome:
    """How many were made, changed and found as the file has them, and which rows were refused."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: int = 0
    refusals: list[RefusedRow] = field(default_factory=list)


async def load_in_batches(
    begin: Callable[[], CatalogWork],
    rows: Iterable[R],
    load: Load[R],
    outcome: Outcome,
    *,
    skip: bool,
    tell: Tell,
) -> None:
    """
    Let `load` take the rows, and say which it refuses.

    With `skip` each batch is kept as it is done, and `tell` hears of what was refused; without it
    the first refusal is raised as RowRefused, with the number of its row, and nothing is kept.
    """
    try:
        await _load(begin, rows, load, outcome, skip=skip, tell=tell)
    except (Duplicate, InUse) as raced:
        # The rows were held against what is there, so somebody else has come in between.
        raise SerializationFailure from raced


async def _load(
    begin: Callable[[], CatalogWork],
    rows: Iterable[R],
    load: Load[R],
    outcome: Outcome,
    *,
    skip: bool,
    tell: Tell,
) -> None:
    async with aclosing(ahead(batches(rows, BATCH))) as read:
        if skip:
            async for batch in read:
                async with begin() as work:
                    refusals: list[RefusedRow] = []
                    await load(work, batch, refusals.append)
                    await work.commit()
                for refusal in refusals:
                    tell(refusal)
                outcome.refused += len(refusals)
                outcome.refusals += refusals[: MOST_REPORTED - len(outcome.refusals)]
        else:
            async with begin() as work:
                async for batch in read:
                    await load(work, batch, _raise)
                    await work.settle()
                await work.commit()


async def ahead(items: Iterable[T]) -> AsyncGenerator[T, None]:
    """Each of them; the next is made, in another thread, while this one is in hand."""
    rest = iter(items)

    def make() -> asyncio.Task[T | None]:
        return asyncio.create_task(asyncio.to_thread(next, rest, None))

    making = make()
    try:
        while (item := await asyncio.shield(making)) is not None:
            making = make()
            yield item
    finally:
        # The thread has the items in hand, and whoever gave them may want to close them.
        await asyncio.gather(making, return_exceptions=True)


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


def _raise(row: RefusedRow) -> None:
    raise RowRefused(row.number, row.refusal, in_file=True)
