import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Generic, Self, TypeVar

from application.ordering.cohort import Cohort, Parted, Step
from application.ordering.ports import New
from application.shared.idempotency import Answer, RequestKey
from domain.catalog.product import Product, ProductId, Sku
from domain.identity.user import User, UserId, UserNotFound
from domain.notifications.notification import Notification
from domain.ordering.order import Order
from domain.shared.aggregate import Aggregate

A = TypeVar("A", bound=Aggregate)


class Member:
    """
    A unit of work, as far as a member of a cohort sees of it: what it takes to place an order.

    It can only be undone for all of them. So whoever has added something and fails then, or leaves
    without a commit, spoils it for everybody, and they try alone.
    """

    def __init__(self, cohort: Cohort) -> None:
        self._cohort = cohort
        self.added = 0
        self._has_finished = False
        self.keys = _Keys(cohort)
        self.users = _Users(cohort)
        self.products = _Products(cohort)
        self.orders: New[Order] = _New(self, cohort.work.orders)
        self.notifications: New[Notification] = _New(self, cohort.work.notifications)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._has_finished:
            return
        self._cohort.is_spoiled |= self.added > 0
        self._cohort.rest()
        if not isinstance(error, asyncio.CancelledError):
            # Even a refusal is due to what the others have taken, and holds only if they keep it.
            await self._cohort.end()

    async def flush(self) -> None:
        await self._cohort.ask(Step.FLUSH, None)

    async def commit(self) -> None:
        self._has_finished = True
        self._cohort.rest()
        await self._cohort.end()

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        before = self.added
        try:
            yield
        except BaseException:
            self._cohort.is_spoiled |= self.added > before
            raise


@dataclass(frozen=True, slots=True)
class _Keys:
    cohort: Cohort

    async def claim(self, key: RequestKey, *, at: datetime) -> Answer | None:
        await self.cohort.ask(Step.KEYS, (key, at))
        if key in self.cohort.claimed:
            raise Parted  # another member has the same key, and is to be waited for
        if key not in self.cohort.answers:
            self.cohort.claimed.add(key)
        return self.cohort.answers.get(key)

    async def keep(self, key: RequestKey, answer: Answer, *, until: datetime) -> None:
        self.cohort.kept[key] = answer
        self.cohort.kept_until = max(self.cohort.kept_until, until)


@dataclass(frozen=True, slots=True)
class _Users:
    cohort: Cohort

    async def get(self, id: UserId) -> User:
        await self.cohort.ask(Step.USERS, id)
        user = self.cohort.users.get(id)
        if user is None:
            raise UserNotFound
        return user


@dataclass(frozen=True, slots=True)
class _Products:
    cohort: Cohort

    async def lock_all(
        self, ids: Iterable[ProductId], skus: Iterable[Sku] = ()
    ) -> Sequence[Product]:
        wanted: list[ProductId | Sku] = [*ids, *skus]
        await self.cohort.ask(Step.PRODUCTS, (ids, skus))
        known = self.cohort.products
        return [*{known[name].id: known[name] for name in wanted if name in known}.values()]


@dataclass(frozen=True, slots=True)
class _New(Generic[A]):
    member: Member
    shared: New[A]

    def add(self, entity: A) -> None:
        self.member.added += 1
        self.shared.add(entity)
