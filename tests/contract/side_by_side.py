"""Storages to which the same things are done, so that all that is seen of them can be compared."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, Final
from unittest.mock import patch
from uuid import UUID, uuid4

from application.accounts.queries import AccountFilter
from application.catalog.queries import RELEVANCE, Movement, ProductDetails, ProductFilter
from application.identity.queries import UserFilter
from application.notifications.queries import NotificationDetails
from application.ordering.queries import OrderFilter
from application.shared.clock import utc_now
from application.shared.errors import RowRefused, StorageFailure
from application.shared.unit_of_work import Joined
from domain.accounts.account import AccountId
from domain.accounts.transfer import TransferId
from domain.catalog.product import ProductId
from domain.identity.user import UserId
from domain.ordering.order import OrderId
from domain.shared.aggregate import Aggregate
from domain.shared.errors import DomainError, Duplicate
from infrastructure.memory.copying import state_of
from tests.contract.backends import Backend, ShopWork
from tests.contract.steps import Mishap, everything


@dataclass(frozen=True, slots=True)
class Done:
    """What came back."""

    value: Any


@dataclass(frozen=True, slots=True)
class Refused:
    """What was raised. `fatal`: there is no unit of work left to go on with."""

    kind: str
    facts: Any
    fatal: bool


Outcome = Done | Refused
Deed = Callable[["Shop"], Awaitable[object]]


class Shop:
    """One storage, the unit of work that is open on it, and what its caller has in hand."""

    def __init__(self, backend: Backend) -> None:
        self.backend: Final = backend
        self._work: ShopWork | None = None
        self._savepoints: list[AbstractAsyncContextManager[None]] = []
        self._in_hand: list[dict[UUID, Aggregate]] = [{}]  # since which savepoint

    @property
    def work(self) -> ShopWork:
        if self._work is None:
            self._work = self.backend.begin()
        return self._work

    def begin(self) -> ShopWork:
        """For a use case, which takes part in the unit of work that is open."""
        joined: ShopWork = Joined(self.work)
        return joined

    @property
    def in_hand(self) -> dict[UUID, Aggregate]:
        return {id: thing for things in self._in_hand for id, thing in things.items()}

    def take_in_hand(self, aggregate: Aggregate) -> Aggregate:
        if aggregate.id not in self.in_hand:
            self._in_hand[-1][aggregate.id] = aggregate
        return aggregate

    async def flush(self) -> None:
        await self.work.flush()

    async def set_savepoint(self) -> None:
        savepoint = self.work.savepoint()
        await savepoint.__aenter__()
        self._savepoints.append(savepoint)
        self._in_hand.append({})

    async def keep_savepoint(self) -> None:
        in_hand = self._in_hand.pop()
        await self._savepoints.pop().__aexit__(None, None, None)
        self._in_hand[-1] |= in_hand

    async def fail_savepoint(self) -> None:
        self._in_hand.pop()
        error = Mishap()
        passed_on = await self._savepoints.pop().__aexit__(Mishap, error, None)
        assert not passed_on

    async def commit(self) -> None:
        await self.work.commit()
        await self.leave()

    async def leave(self) -> None:
        work, self._work = self.work, None
        while self._savepoints:
            await self._savepoints.pop().__aexit__(Mishap, Mishap(), None)
        self._in_hand = [{}]
        await work.__aexit__(None, None, None)
        assert await self.backend.left_open() == 0

    async def contents(self) -> list[object]:
        """All that can be seen from outside."""
        shown = self.backend
        users = (await shown.users.page(everything("username"), UserFilter())).items
        accounts = (await shown.accounts.page(everything("created_at"), AccountFilter())).items
        entries = [
            (await shown.accounts.entries(AccountId(account.id), everything("at"))).items
            for account in accounts
        ]
        transfers = [
            await shown.transfers.find(TransferId(id))
            for id in sorted({entry.transfer_id for of_one in entries for entry in of_one})
        ]
        orders = (await shown.orders.page(everything("placed_at"), OrderFilter())).items
        on_file = (await shown.products.page(everything("stock"), ProductFilter())).items
        deleted = (
            await shown.products.page(everything("stock"), ProductFilter(deleted=True))
        ).items
        found = await shown.products.page(everything(RELEVANCE), ProductFilter(words=("mug",)))
        events = await shown.outbox()
        things: list[Sequence[Any]] = [
            users,
            (await shown.categories.page(everything("name"))).items,
            (await shown.tags.page(everything("name"))).items,
            on_file,
            deleted,
            accounts,
            transfers,
            orders,
        ]
        return [
            *things,
            found,
            await shown.categories.tree(),
            [await self._movements(product) for product in (*on_file, *deleted)],
            entries,
            [await shown.orders.find(OrderId(order.id)) for order in orders],
            [
                (await shown.orders.payments(OrderId(order.id), everything("created_at"))).items
                for order in orders
            ],
            seen(await shown.refunds()),
            [await self._inbox(UserId(user.id)) for user in users],
            # Events have ids of their own, which nobody else knows.
            [replace(entry, id=UUID(int=0)) for entry in events],
        ]

    async def _inbox(self, id: UserId) -> Sequence[NotificationDetails]:
        return (await self.backend.notifications.page(everything("created_at"), id)).items

    async def audit(self) -> None:
        """Everything is true that has to be."""
        verdicts = await self.backend.audits.verdicts(at=utc_now())
        assert [verdict for verdict in verdicts if verdict.offenders] == []

    async def _movements(self, product: ProductDetails) -> Sequence[Movement]:
        page = await self.backend.products.movements(ProductId(product.id), everything("at"))
        return page.items


class SideBySide:
    """Does everything to each shop, and fails where what is seen of them differs."""

    def __init__(self, backends: Sequence[Backend], loop: asyncio.Runner) -> None:
        self._shops: Final = [Shop(backend) for backend in backends]
        self._loop: Final = loop
        self._done = 0

    def do(self, deed: Deed) -> Outcome:
        self._done += 1
        outcomes = {shop.backend.name: self._outcome(shop, deed) for shop in self._shops}
        self._compare(outcomes)
        return next(iter(outcomes.values()))

    def look_at_hands(self) -> None:
        self._compare({shop.backend.name: seen(shop.in_hand) for shop in self._shops})

    def _outcome(self, shop: Shop, deed: Deed) -> Outcome:
        # The same ids for everybody: a new one is random but for its time.
        dice = random.Random(self._done)
        with (
            patch("domain.shared.ids.os", SimpleNamespace(urandom=dice.randbytes)),
            # But for those of events, which one storage takes over sooner than another.
            patch("infrastructure.event_log.new_id", lambda at: uuid4()),
        ):
            try:
                return Done(seen(self._loop.run(_awaited(deed(shop)))))
            except (DomainError, StorageFailure) as error:
                return refused(error)

    def _compare(self, by_name: dict[str, Any]) -> None:
        (name, expected), *others = by_name.items()
        for other, found in others:
            assert found == expected, f"{other} differs from {name}"


async def _awaited(deed: Awaitable[object]) -> object:
    return await deed


def refused(error: Exception) -> Refused:
    """Of two names that are both taken any one may be blamed, so that Duplicate is all we say."""
    match error:
        case Duplicate():
            return Refused("Duplicate", None, fatal=False)
        case RowRefused():
            return Refused("RowRefused", (error.index, refused(error.cause)), fatal=False)
        case DomainError():
            return Refused(type(error).__name__, (str(error), error.details), fatal=False)
    return Refused(type(error).__name__, None, fatal=True)


def seen(value: object) -> Any:
    """The value as something that can be compared across storages."""
    match value:
        case Aggregate():
            return state_of(value)
        case DomainError():
            return refused(value)
        case dict():
            return {key: seen(one) for key, one in value.items()}
        case list() | tuple():
            return [seen(one) for one in value]
    return value
