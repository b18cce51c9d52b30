"""
Orders that are placed together, in one unit of work.

What their use cases ask for is fetched once for all of them, what they leave behind is stored once,
and there is one commit. A use case does not know: it gets what it asked for when all the others
have asked as well, or have finished.
"""

import asyncio
import logging
from collections import defaultdict
from datetime import UTC, datetime
from enum import IntEnum
from itertools import chain
from typing import Any

from application.ordering.ports import OrderingWork
from application.shared.errors import StorageFailure, TransientFailure, Unavailable
from application.shared.idempotency import Answer, RequestKey
from domain.catalog.product import Product, ProductId, Sku
from domain.identity.user import User, UserId

log = logging.getLogger(__name__)


class Parted(TransientFailure):
    """What several did together came to nothing, so each has to try alone."""


class Step(IntEnum):
    """What is done for all, in this order, so that nobody who holds products waits for a key."""

    KEYS = 1
    USERS = 2
    PRODUCTS = 3
    FLUSH = 4


class Cohort:
    """The unit of work, and what its members have in common."""

    def __init__(self, work: OrderingWork, size: int) -> None:
        self.work = work
        self.claimed: set[RequestKey] = set()
        self.answers: dict[RequestKey, Answer] = {}  # to those that had been used before
        self.users: dict[UserId, User] = {}
        self.products: dict[ProductId | Sku, Product] = {}
        self.kept: dict[RequestKey, Answer] = {}
        self.kept_until = datetime.min.replace(tzinfo=UTC)
        self.is_spoiled = False  # somebody's work is to be undone, and so all of it is
        self._busy = size  # members who neither wait for something nor have finished
        self._nobody_is_busy = asyncio.Event()
        self._asked: dict[Step, list[tuple[Any, asyncio.Future[None]]]] = defaultdict(list)
        loop = asyncio.get_running_loop()
        self._outcome: asyncio.Future[StorageFailure | None] = loop.create_future()

    async def run(self) -> None:
        """Serve the members until all have finished, and keep what they did, or nothing."""
        outcome: StorageFailure | None = Parted()
        try:
            async with self.work:
                await self._nobody_is_busy.wait()
                while self._asked:
                    await self._serve(min(self._asked))
                if not self.is_spoiled:
                    outcome = await self._commit()
        except Exception as error:  # whose fault it was will show when each tries alone
            log.warning("orders placed together part", extra={"reason": type(error).__name__})
        finally:
            self._outcome.set_result(outcome)
            for step in [*self._asked]:
                self._resume(step, Parted())

    async def ask(self, step: Step, question: Any) -> None:
        """Wait until it has been done, or raise Parted."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._asked[step].append((question, turn))
        self.rest()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():  # or else it had been done, and whoever asked is busy again
                self._busy += 1
            raise

    def rest(self) -> None:
        """One of the members is not busy any more."""
        self._busy -= 1
        if not self._busy:
            self._nobody_is_busy.set()

    async def end(self) -> None:
        """Wait until all have finished and it is kept, or raise what became of it."""
        # Shielded, because everybody waits for the same.
        if failure := await asyncio.shield(self._outcome):
            raise type(failure)(*failure.args)

    async def _serve(self, step: Step) -> None:
        await self._do(step, [question for question, _ in self._asked[step]])
        self._nobody_is_busy.clear()
        self._resume(step)
        if self._busy:
            await self._nobody_is_busy.wait()

    def _resume(self, step: Step, failure: Exception | None = None) -> None:
        for _, turn in self._asked.pop(step):
            if turn.done():
                continue  # who asked has been cancelled
            self._busy += 1
            if failure:
                turn.set_exception(failure)
            else:
                turn.set_result(None)

    async def _do(self, step: Step, questions: list[Any]) -> None:
        if step is Step.KEYS:
            at = max(at for _, at in questions)
            self.answers |= await self.work.keys.claim_all({key for key, _ in questions}, at=at)
        elif step is Step.USERS:
            for user in await self.work.users.find_all({*questions}):
                self.users[UserId(user.id)] = user
        elif step is Step.FLUSH:
            await self.work.flush()
        else:
            ids, skus = ({*chain(*wanted)} for wanted in zip(*questions, strict=True))
            for product in await self.work.products.lock_all(ids, skus):
                self.products[ProductId(product.id)] = product
                if product.deleted_at is None:
                    self.products[product.sku] = product

    async def _commit(self) -> StorageFailure | None:
        await self.work.keys.keep_all(self.kept, until=self.kept_until)
        try:
            await self.work.commit()
        except Unavailable as unknown:
            return unknown  # it may have been kept, and who tried again could have it twice
        return None
